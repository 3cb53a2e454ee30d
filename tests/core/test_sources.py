"""`core/sources.py`: what the sources that speak over the line may be, how they are shown, and what they tell the engine."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from syncstream.core.backoff import Backoff
from syncstream.core.sources import Ask, Reconnect, Request, Resubscribe
from syncstream.errors import FeedError


def ask(key: Any) -> Any:
    return {"req": key}


def request(**changes: Any) -> Request:
    return Request(ask, **{"position": "seq", **changes})


NOT_CALLABLE: Any = {"req": 1}
MADE: list[Callable[..., Any]] = [Resubscribe, Reconnect, request]


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"within": 0}, "within=0: expected a number of seconds above zero"),
        ({"within": float("inf")}, "within=inf: expected a number of seconds"),
        ({"attempts": 0}, "attempts=0: expected a whole number above zero"),
        ({"attempts": True}, "attempts=True: expected a whole number"),
        ({"patience": 5}, "patience=5: "),
    ],
)
def test_what_every_source_refuses(make: Callable[..., Any], fields: dict[str, Any], text: str) -> None:
    """In one line, with the field and the value."""
    with pytest.raises(FeedError) as caught:
        make(**fields)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("make", [Resubscribe, request])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"concurrency": 0}, "concurrency=0: expected a whole number above zero"),
        ({"backoff": 5}, "backoff=5: expected Backoff(...)"),
        ({"backoff": Backoff(max_attempts=3)}, "max_attempts and max_elapsed are about lines; here attempts= says how often"),
        ({"backoff": Backoff(max_elapsed=3.0)}, "max_attempts and max_elapsed are about lines"),
    ],
)
def test_what_a_source_of_single_keys_refuses(make: Callable[..., Any], fields: dict[str, Any], text: str) -> None:
    """How many at once, and how long between two attempts."""
    with pytest.raises(FeedError) as caught:
        make(**fields)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: Request(NOT_CALLABLE, position="seq"), "payload=<class 'dict'>: expected a callable: key -> what to send"),
        (lambda: Request(ask), "position=None: say where the snapshot's position stands, or that it replaces the state"),
        (lambda: Request(ask, position="seq", whole=True), "whole=True: a snapshot with a position is joined by it"),
    ],
)
def test_what_a_request_refuses(made: Callable[[], Any], text: str) -> None:
    """It has to say what to send, and how the answer is joined."""
    with pytest.raises(FeedError) as caught:
        made()
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        (
            Resubscribe(within=3.0, attempts=5, backoff=Backoff(base=2.0), concurrency=7),
            (Ask.RESUBSCRIBE, 3.0, 3.0, 5, Backoff(base=2.0), 7),
        ),
        (
            request(within=3.0, attempts=5, backoff=Backoff(base=2.0), concurrency=7),
            (Ask.REQUEST, None, 3.0, 5, Backoff(base=2.0), 7),
        ),
    ],
)
def test_what_the_engine_is_told(source: Any, rules: tuple[Any, ...]) -> None:
    """Only what a subscription begins with comes by itself."""
    told = source.rules()
    names = ("ask", "comes_within", "fetch_limit", "fetch_attempts", "fetch_backoff", "fetch_concurrency")
    assert tuple(told.get(name) for name in names) == rules


def test_one_connection_is_for_all_keys() -> None:
    """So there is no limit to how many are healed at once; the line has its own back-off, and failing is no reason to hurry."""
    told = Reconnect(within=3.0, attempts=5).rules()
    assert (told["ask"], told["comes_within"], told["fetch_limit"], told["fetch_attempts"]) == (Ask.RECONNECT, 3.0, 3.0, 5)
    assert told["fetch_concurrency"] == 2**30
    assert told["fetch_backoff"].maximum == 300.0


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (request(), "Request(ask, position='seq')"),
        (request(position=len), "Request(ask, position=len)"),
        (request(position=None, whole=True), "Request(ask, whole=True)"),
    ],
)
def test_a_request_is_shown_without_what_it_sends(source: Request, text: str) -> None:
    """Its callable by its name, and to rich the same."""
    assert repr(source) == text
    parts = [value if not name else f"{name}={value!r}" for name, value in source.__rich_repr__()]
    assert f"Request({', '.join(parts)})".replace("'len'", "len") == text


@pytest.mark.parametrize(
    ("made", "first", "last"),
    [
        (lambda: Request(NOT_CALLABLE, position="seq"), "payload=<class 'dict'>: ", "expected a callable: key -> what to send"),
        (lambda: Request(ask, position="seq", whole=True), "whole=True: ", "is joined by it; give one or the other"),
        (lambda: Request(ask), "position=None: ", "stands, or that it replaces the state (whole=True)"),
        (lambda: request(backoff=5), "backoff=5: ", "expected Backoff(...)"),
        (lambda: request(backoff=Backoff(max_attempts=3)), "backoff=Backoff(", "are about lines; here attempts= says how often"),
    ],
)
def test_what_is_said_of_a_source_that_cannot_be(made: Callable[[], Any], first: str, last: str) -> None:
    """The field and the value first, and what to do in the end."""
    with pytest.raises(FeedError) as caught:
        made()
    assert str(caught.value).startswith(first)
    assert str(caught.value).endswith(last)


def test_what_has_no_position_may_be_whole() -> None:
    """One of the two is enough."""
    assert request(position=None, whole=True).whole
    assert not request().whole
