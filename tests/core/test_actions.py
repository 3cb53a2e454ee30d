"""`core/actions.py`: what the engine asks of the world."""

from __future__ import annotations

from syncstream.core import actions, engine
from syncstream.core.actions import Abandon, Call, Dial, Hangup, Payload, Send
from syncstream.core.frames import TEXT


def test_every_action_of_a_line_names_its_epoch() -> None:
    """So that the shell can tell what belongs to a connection that is gone."""
    for action in (Dial(1, 7, ()), Abandon(1, 7), Hangup(1, 7), Send(1, 7, TEXT, b"", False), Call(1, 7, (), ())):
        assert (action.line, action.epoch) == (1, 7)


def test_a_payload_is_for_no_topic_unless_it_says_so() -> None:
    """What a user sends himself is not followed."""
    payload = Payload(TEXT, b"{}")
    assert (payload.topics, payload.ident) == ((), None)


def test_the_engine_hands_on_the_same_actions() -> None:
    """Who drives it needs one import."""
    for name in ("Abandon", "Call", "Dial", "Hangup", "Payload", "Send"):
        assert getattr(engine, name) is getattr(actions, name)
