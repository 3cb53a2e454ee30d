"""Rules: the defaults, and which feeds can prove after a reconnect that nothing was missed."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream.core.backoff import Backoff
from syncstream.core.liveness import Liveness
from syncstream.core.rules import Rules, Scope
from syncstream.core.sequence import Contiguous, Increasing, Rule
from syncstream.core.sources import Ask


def rules(**kwargs: Any) -> Rules:
    return Rules(decode=lambda payload, text: payload, **kwargs)


CONTIGUOUS, INCREASING = Contiguous("seq"), Increasing("ts")


@pytest.mark.parametrize(
    ("scope", "rule", "splice", "expected"),
    [
        (Scope.KEY, None, None, False),
        (Scope.KEY, CONTIGUOUS, None, True),
        (Scope.KEY, CONTIGUOUS, CONTIGUOUS, True),
        (Scope.KEY, INCREASING, None, False),
        (Scope.SHARED, None, CONTIGUOUS, False),
        (Scope.SHARED, CONTIGUOUS, None, True),
        (Scope.SHARED, INCREASING, CONTIGUOUS, False),
        (Scope.CONNECTION, None, None, False),
        (Scope.CONNECTION, CONTIGUOUS, None, False),  # it starts anew with each connection: it proves nothing across one
        (Scope.CONNECTION, CONTIGUOUS, INCREASING, False),
        (Scope.CONNECTION, CONTIGUOUS, CONTIGUOUS, True),  # the key's own numbering does
    ],
)
def test_who_can_prove_that_nothing_was_missed(
    scope: Scope, rule: Optional[Rule], splice: Optional[Rule], expected: bool
) -> None:
    """Only numbers that show a hole prove anything; a connection's numbers end with it, a key's own go on."""
    assert rules(scope=scope, rule=rule, splice=splice).proves is expected


def test_defaults() -> None:
    """A feed that says nothing but how to decode: one key, no numbers, no source, the design's bounds."""
    plain = rules()
    assert (plain.key, plain.rule, plain.scope, plain.source, plain.whole) == (None, None, Scope.KEY, False, False)
    assert (plain.key_text, plain.rule_text, plain.key_may_miss) == ("None", "None", True)
    assert (plain.reorder, plain.restart_after, plain.verify_after, plain.resync_interval) == (0.0, 100, 5.0, 1.0)
    assert (plain.liveness, plain.backoff, plain.heartbeat) == (Liveness(), Backoff(), None)
    assert (plain.first_live_limit, plain.first_data_limit) == (60.0, 30.0)
    assert (plain.max_message_size, plain.max_keys, plain.hold_limit, plain.hold_bytes) == (2**24, 100_000, 100_000, 2**28)
    assert (plain.dial_limit, plain.close_limit, plain.answer_limit) == (15.0, 1.0, 0.1)
    assert (plain.fetch_backoff, plain.fetch_attempts, plain.fetch_concurrency) == (Backoff(base=0.5), 8, 4)
    assert (plain.fetch_limit, plain.max_fragments) == (15.0, 2**17)
    assert (plain.asks, plain.leaves, plain.opening, plain.literals, plain.failures) == (False, False, (), {}, {})
    assert plain.fields({"a": 1}) == ["dict"]


def test_what_is_not_said_is_not_there() -> None:
    """Nothing of it is done: no kinds, no parts, no numbers, no snapshots, nothing said by itself, no acknowledgements."""
    plain = rules()
    steps = (plain.classify, plain.transform, plain.split, plain.split_path, plain.first, plain.last, plain.counter)
    healing = (plain.splice, plain.splice_first, plain.splice_last)
    said = (plain.answer, plain.keepalive, plain.keepalive_payload, plain.quiet_after, plain.lifetime, plain.send_budget)
    topics = (plain.acks, plain.ack_id, plain.ack_topics, plain.topic_data_limit)
    assert {*map(type, (*steps, *healing, *said, *topics))} == {type(None)}


def test_they_are_frozen() -> None:
    """What the engine decides by cannot change under it."""
    with pytest.raises(AttributeError):
        rules().max_keys = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("source", "ask", "heals"), [(True, Ask.FETCH, True), (True, Ask.RECONNECT, False), (False, Ask.FETCH, False)]
)
def test_what_a_slow_consumer_missed_costs_no_connection(source: bool, ask: Ask, heals: bool) -> None:
    """It is healed where that costs the other keys nothing."""
    assert rules(source=source, ask=ask).heals_drops is heals
