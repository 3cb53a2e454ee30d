"""`core/opening.py`: send, expect, fail, and how long a step may take."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream.core.actions import Payload
from syncstream.core.frames import TEXT
from syncstream.core.opening import Opening, Refusal, Step
from syncstream.errors import FeedError, Severity

NOW = 100.0
HELLO = Step(expect=lambda message: message["type"] == "welcome", within=5.0)
LOGIN = Step(send="login", expect=lambda m: m["type"] == "ok", fail=lambda m: m["type"] == "no" and m.get("why", True))
SETTINGS = Step(send=("a", "b"))


def said(*texts: str) -> tuple[Payload, ...]:
    return tuple(Payload(TEXT, text.encode()) for text in texts)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"send": "a", "within": 0}, "within=0: "),
        ({"send": "a", "within": float("inf")}, "within=inf: "),
        ({}, "expect=None: a step sends something, expects something, or both$"),
        ({"send": "a", "expect": "welcome"}, "expect='str': expected a callable: message -> what is to be made of it$"),
        (
            {"send": "a", "fail": lambda m: True},
            "fail='a callable': a step that expects nothing is over at once and cannot fail; give expect=$",
        ),
        ({"expect": lambda m: True, "fail": True}, "fail='bool': expected a callable: message -> what is to be made of it$"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], said: str) -> None:
    """The field is named, and what it should have been."""
    with pytest.raises(FeedError, match=f"^{said}"):
        Step(**fields)


def test_what_is_sent_is_not_shown() -> None:
    """It may hold a key; of a callable the name is."""

    def login() -> str:
        return "s3cr3t"

    assert repr(Step(send={"key": "s3cr3t"})) == "Step(send=dict, within=10)"
    assert repr(Step(send=login, expect=bool, fail=bool)) == "Step(send=login, expect=bool, fail=bool, within=10)"


def test_without_steps_it_is_done_at_once() -> None:
    """There is nothing to wait for."""
    opening = Opening((), ())
    assert (opening.advance(NOW), opening.done, opening.until) == ([], True, None)


def test_a_script_from_welcome_to_settings() -> None:
    """Each step sends when the one before has its answer; what expects nothing goes out with the next, or the last."""
    opening = Opening((HELLO, LOGIN, SETTINGS), ((), said("login"), said("a", "b")))
    assert opening.advance(NOW) == []
    assert opening.until == NOW + 5.0
    assert opening.done is False
    assert opening.judge({"type": "beat"}) is None
    assert opening.judge({"type": "welcome"}) is True
    assert opening.advance(NOW + 1.0) == list(said("login"))
    assert opening.until == NOW + 11.0
    assert opening.judge({"type": "ok"}) is True
    assert opening.advance(NOW + 2.0) == list(said("a", "b"))
    done: object = (opening.done, opening.until)
    assert done == (True, None)


def test_steps_that_send_only_go_out_before_the_one_that_waits() -> None:
    """In their order."""
    opening = Opening((SETTINGS, LOGIN), (said("a", "b"), said("login")))
    assert opening.advance(NOW) == list(said("a", "b", "login"))


@pytest.mark.parametrize(
    ("verdict", "refusal"),
    [
        (True, Refusal(Severity.FATAL, "opening: step 1 of 1 was refused")),
        ("bad key", Refusal(Severity.FATAL, "opening: step 1 of 1 was refused: bad key")),
        (Severity.SLOW, Refusal(Severity.SLOW, "opening: step 1 of 1 was refused")),
        (None, True),
        (False, True),
    ],
)
def test_what_fail_says(verdict: object, refusal: object) -> None:
    """It is asked before `expect`; `None` and `False` mean that it has nothing against the message."""
    opening = Opening((Step(expect=lambda message: True, fail=lambda message: verdict),), ())
    opening.advance(NOW)
    assert opening.judge({}) == refusal


@pytest.mark.parametrize("message", [[], "text", None, {}, 5])
def test_a_message_without_the_place_is_not_the_steps_business(message: object) -> None:
    """A lambda that looks into it need not ask first."""
    opening = Opening((LOGIN,), ())
    opening.advance(NOW)
    assert opening.judge(message) is None


def test_other_errors_of_the_user_are_raised() -> None:
    """The caller quarantines the message."""
    opening = Opening((Step(expect=lambda message: 1 / 0),), ())
    opening.advance(NOW)
    with pytest.raises(ZeroDivisionError):
        opening.judge({})


def test_the_deadline_says_which_step_it_was() -> None:
    """And how long it waited."""
    opening = Opening((SETTINGS, HELLO), ())
    opening.advance(NOW)
    assert opening.overdue() == "opening: step 2 of 2 got no answer within 5 s"


def test_after_a_pause_a_step_has_its_whole_time_again() -> None:
    """Unless it is through, or none waits."""
    opening = Opening((HELLO,), ())
    opening.resume(NOW)
    until: object = opening.until
    assert until is None
    opening.advance(NOW)
    opening.resume(NOW + 4.0)
    assert opening.until == NOW + 9.0
    opening.advance(NOW + 5.0)
    opening.resume(NOW + 6.0)
    assert opening.until is None
