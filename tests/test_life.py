"""`life.py`: the part of a feed that is about the life of a connection: what is refused, and what the engine is told."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from syncstream import Acks, Backoff, Batch, Feed, FeedError, Keepalive, Kind, Rest, Severity, Step
from syncstream.core.actions import Payload
from syncstream.core.frames import BINARY, TEXT

URL = "wss://venue.example/"


def speak(topics: Any) -> Any:
    return topics


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.ACK


TOPICS: dict[str, Any] = {"subscribe": speak, "key": "k", "classify": kind_of}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"literals": ["pong"]}, "literals"),
        ({"literals": {"pong": "pong"}}, "literals"),
        ({"literals": {b"pong": Kind.PONG}}, "literals"),
        ({"literals": {"x": Kind.DATA}}, "literals"),
        ({"classify": "type"}, "classify"),
        ({"answer": "pong", "classify": kind_of}, "answer"),
        ({"answer": speak}, "answer"),
        ({"alias": "chanId", "classify": kind_of, "key": "k"}, "alias"),
        ({"alias": speak, "key": "k"}, "alias"),
        ({"alias": speak, "classify": kind_of}, "alias"),
        ({"lifetime": 0}, "lifetime"),
        ({"topic_data_limit": True, **TOPICS}, "topic_data_limit"),
        ({"topic_data_limit": 5.0}, "topic_data_limit"),
        ({"keepalive": 20}, "keepalive"),
        ({"keepalive": Keepalive(send=object())}, "keepalive"),
        ({"keepalive": Keepalive(send="ping", expect="pong"), "literals": {"pong": Kind.HEARTBEAT}}, "keepalive"),
        ({"batch": 5, **TOPICS}, "batch"),
        ({"batch": Batch(topics=5), "subscribe": "all"}, "batch"),
        ({"send_budget": 5}, "send_budget"),
        ({"dial_budget": None}, "dial_budget"),
        ({"opening": "login"}, "opening"),
        ({"opening": 5}, "opening"),
        ({"opening": ["login"]}, "opening"),
        ({"opening": [Step(send=object())]}, "opening"),
        ({"opening": [Step(send=("a", object()))]}, "opening"),
        ({"quiet_after": 0}, "quiet_after"),
        ({"quiet_after": {"A": -1}}, "quiet_after"),
        ({"quiet_after": "5"}, "quiet_after"),
        ({"failures": [401]}, "failures"),
        ({"failures": {42: Severity.SLOW}}, "failures"),
        ({"failures": {700: Severity.SLOW}}, "failures"),
        ({"failures": {True: Severity.SLOW}}, "failures"),
        ({"failures": {"weather": Severity.SLOW}}, "failures"),
        ({"failures": {401: "slow"}}, "failures"),
        ({"acks": True, **TOPICS}, "acks"),
        ({"acks": Acks(by="count")}, "acks"),
        ({"acks": Acks(by="count"), "subscribe": speak, "key": "k"}, "acks"),
        ({"acks": Acks(by="key"), "subscribe": "all", "key": "k", "classify": kind_of}, "acks"),
        ({"acks": Acks(by="count", each="topic"), "subscribe": "all", "classify": kind_of}, "acks"),
        ({"acks": Acks(by="key"), "subscribe": speak, "classify": kind_of}, "acks"),
        ({"acks": Acks(by="id", id=lambda message: 1), **TOPICS}, "acks"),
        ({"acks": Acks(by="id"), "decode": bytes, "subscribe": speak, "classify": kind_of}, "acks"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, Any], field: str) -> None:
    """At construction, with the field and the value."""
    with pytest.raises(FeedError, match=f"^{field}=") as caught:
        Feed(URL, **fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"acks": Acks(by="count"), "subscribe": ("a", "b"), "classify": kind_of},
        {"acks": Acks(by="key", topics="args"), "subscribe": speak, "classify": kind_of},
        {"acks": Acks(by="id", id=lambda message: 1, sent="id"), **TOPICS},
        {"acks": Acks(by="count"), "subscribe": "all", "literals": {"ok": Kind.ACK}},
        {"answer": speak, "literals": {"ping": Kind.CHALLENGE}},
        {"failures": {401: Severity.RETRY, 1008: Severity.FATAL, 4999: Severity.SLOW, "dns": Severity.FATAL}},
        {"opening": (Step(send=lambda: "login"), Step(send=("a", {"b": 1})))},
    ],
)
def test_what_can_work_is_taken(fields: dict[str, Any]) -> None:
    """Each of these is what some venue needs."""
    Feed(URL, **fields).rules()


def test_the_policies_of_a_line_are_not_for_snapshots() -> None:
    """There `attempts` says how often."""
    for policy in (Backoff(max_attempts=3), Backoff(max_elapsed=3.0)):
        with pytest.raises(FeedError, match=r"^backoff="):
            Rest("https://venue.example/{key}", position="seq", backoff=policy)


def test_by_default_nothing_is_asked_of_the_venue() -> None:
    """No script, no keepalive, no budget of sends, no limit."""
    rules = Feed(URL).rules()
    assert (rules.opening, rules.keepalive, rules.send_budget, rules.lifetime, rules.quiet_after) == ((), None, None, None, None)
    assert (rules.acks, rules.answer, dict(rules.literals), rules.asks, rules.leaves) == (None, None, {}, False, False)


def test_what_can_be_asked_and_left() -> None:
    """A fixed payload can be asked again; leaving needs both callables."""
    for subscribe, unsubscribe, expected in (
        ("all", None, (True, False)),
        (speak, None, (True, False)),
        (speak, speak, (True, True)),
    ):
        rules = Feed(URL, subscribe=subscribe, unsubscribe=unsubscribe).rules()
        assert (rules.asks, rules.leaves) == expected


def test_limits_of_silence() -> None:
    """One for all, a mapping that may leave keys out, or a callable, whose answers are checked."""
    limit = Feed(URL, quiet_after=5).rules().quiet_after
    assert limit is not None
    assert limit("A") == 5.0
    limit = Feed(URL, quiet_after={"A": 5.0}).rules().quiet_after
    assert limit is not None
    assert (limit("A"), limit("B")) == (5.0, None)
    limit = Feed(URL, quiet_after={"A": 5.0, "B": -1.0, "C": None}.get).rules().quiet_after
    assert limit is not None
    assert (limit("A"), limit("C")) == (5.0, None)
    with pytest.raises(FeedError, match=r"^quiet_after="):
        limit("B")


def test_what_answers_a_keepalive_is_found_before_all_else() -> None:
    """A message without the place that is asked for is none; what answers is a pong, whatever else it would be."""
    rules = Feed(
        URL,
        keepalive=Keepalive(send="ping", expect=lambda message: message["op"] == "pong"),
        classify=lambda message: Kind.RESUME if "op" in message else None,
    ).rules()
    assert rules.classify is not None
    found = [rules.classify(message) for message in ({"op": "pong"}, {"op": "x"}, {"k": 1})]
    assert found == [Kind.PONG, Kind.RESUME, None]
    rules = Feed(URL, keepalive=Keepalive(send="ping", expect=lambda message: message["op"] == "pong")).rules()
    assert rules.classify is not None
    assert [rules.classify(message) for message in ({"op": "pong"}, {"op": "x"}, {})] == [Kind.PONG, None, None]


def test_payloads_of_keepalives_and_answers() -> None:
    """Text as text, bytes as bytes, anything else as JSON; a callable is asked each time."""
    numbers = iter(range(5))
    rules = Feed(URL, keepalive=Keepalive(send=lambda: {"ping": next(numbers)})).rules()
    assert rules.keepalive_payload is not None
    assert [rules.keepalive_payload() for _ in range(2)] == [Payload(TEXT, b'{"ping":0}'), Payload(TEXT, b'{"ping":1}')]
    rules = Feed(URL, keepalive=Keepalive(send="ping", expect="pong"), literals={"x": Kind.IGNORE}).rules()
    assert rules.literals == {b"x": Kind.IGNORE, b"pong": Kind.PONG}
    rules = Feed(URL, keepalive=Keepalive(send=b"\x01")).rules()
    assert rules.keepalive_payload is not None
    assert rules.keepalive_payload() == Payload(BINARY, b"\x01")
    assert Feed(URL, keepalive=Keepalive()).rules().keepalive_payload is None
    rules = Feed(URL, classify=kind_of, answer=lambda message: message or None).rules()
    assert rules.answer is not None
    assert (rules.answer("pong"), rules.answer("")) == (Payload(TEXT, b"pong"), None)


def test_the_users_callables_are_watched() -> None:
    """Each under its field: they run on the reader."""
    fields: list[str] = []

    def watch(field: str, function: Any) -> Any:
        fields.append(field)
        return function

    Feed(
        URL,
        classify=kind_of,
        subscribe=speak,
        opening=[Step(expect=kind_of, fail=kind_of), Step(send="x")],
        answer=speak,
        keepalive=Keepalive(send=lambda: "ping"),
        quiet_after=lambda key: 5.0,
        acks=Acks(by="key", topics=lambda message: ["A"]),
    ).rules(watch)
    assert sorted(fields) == ["acks", "answer", "classify", "keepalive", "opening", "opening", "quiet_after"]
