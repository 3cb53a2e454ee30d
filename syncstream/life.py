"""The part of a `Feed` that is about the life of a connection: how it opens, what keeps it alive, what is subscribed. Pure.

Fields, checks and what the engine is told of them. What they mean stands in `feed.Feed` and at the values themselves.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, Mapping, Optional, Sequence, Union

from . import schema
from .core.actions import Payload
from .core.budget import Budget
from .core.failures import WORDS
from .core.keepalive import Keepalive
from .core.opening import Step
from .core.options import check_seconds
from .core.paths import MISSING, Path
from .core.rules import Kind
from .core.subscriptions import Acks, Batch
from .errors import FeedError, Severity
from .unpacking import Unpacking
from .urls import harmless

_DELIVERED = (Kind.DATA, Kind.SNAPSHOT)
_STATUSES, _CODES = range(100, 600), range(1000, 5000)

Watch = Callable[[str, Any], Any]
Limits = Union[None, float, Mapping[Any, float], Callable[[Any], Optional[float]]]


class Life(Unpacking, frozen=True, kw_only=True):
    """What `Feed` inherits."""

    opening: Sequence[Step] = ()
    literals: Mapping[str, Kind] = {}
    classify: Optional[Callable[[Any], Optional[Kind]]] = None
    alias: Optional[Callable[[Any], Optional[tuple[Hashable, Hashable]]]] = None
    answer: Optional[Callable[[Any], Any]] = None
    keepalive: Optional[Keepalive] = None
    quiet_after: Limits = None
    lifetime: Optional[float] = None
    failures: Mapping[Union[int, str], Severity] = {}
    batch: Batch = Batch()
    acks: Optional[Acks] = None
    topic_data_limit: Optional[float] = None
    send_budget: Optional[Budget] = None
    dial_budget: Budget = Budget(count=300, per=60.0)


def check(life: Life, *, subscribe: Any, key: Optional[Path], decode: Any) -> None:
    """Raise `FeedError` for what cannot work."""
    _check_kinds(life)
    if life.alias is not None:
        _check_alias(life, key)
    for field in ("lifetime", "topic_data_limit"):
        if getattr(life, field) is not None:
            check_seconds(field, getattr(life, field))
    kinds: tuple[tuple[str, type, bool], ...] = (
        ("keepalive", Keepalive, True),
        ("batch", Batch, False),
        ("acks", Acks, True),
        ("send_budget", Budget, True),
        ("dial_budget", Budget, False),
    )
    for field, kind, optional in kinds:
        value = getattr(life, field)
        if not isinstance(value, kind) and not (optional and value is None):
            raise FeedError(field, harmless(value), f"expected {kind.__name__}(...)")
    if life.keepalive is not None and life.keepalive.send is not None and not callable(life.keepalive.send):
        schema.encode("keepalive", life.keepalive.send)
    _check_opening(life.opening)
    _check_limits(life.quiet_after)
    _check_failures(life.failures)
    _check_topics(life, subscribe, key, decode)


def rules(life: Life, watch: Watch, place: Callable[[str, Optional[Path]], Any]) -> dict[str, Any]:
    """What the engine is told. `place(field, path)` is the getter of a path in a message."""
    acks = life.acks
    return {
        "classify": _classify(life, place("classify", life.classify), watch),
        "alias": place("alias", life.alias),
        "opening": tuple(_watched(step, watch) for step in life.opening),
        "literals": {text.encode(): kind for text, kind in {**life.literals, **_answers(life.keepalive)}.items()},
        "answer": _answer(life.answer, watch),
        "keepalive": life.keepalive,
        "keepalive_payload": _keepalive_payload(life.keepalive, watch),
        "quiet_after": _limit_of(life.quiet_after, watch),
        "lifetime": life.lifetime,
        "failures": life.failures,
        "acks": acks,
        "ack_id": place("acks", acks.id) if acks is not None and acks.by == "id" else None,
        "ack_topics": place("acks", acks.topics) if acks is not None else None,
        "topic_data_limit": life.topic_data_limit,
        "send_budget": life.send_budget,
    }


def _watched(step: Step, watch: Watch) -> Step:
    wrapped = {name: watch("opening", getattr(step, name)) for name in ("expect", "fail") if getattr(step, name) is not None}
    return Step(send=step.send, within=step.within, expect=wrapped.get("expect"), fail=wrapped.get("fail"))


def _answer(answer: Optional[Callable[[Any], Any]], watch: Watch) -> Optional[Callable[[Any], Optional[Payload]]]:
    if answer is None:
        return None
    speak = watch("answer", answer)

    def reply(message: Any) -> Optional[Payload]:
        said = speak(message)
        return None if said is None else schema.payload("answer", said)

    return reply


def _answers(keepalive: Optional[Keepalive]) -> dict[str, Kind]:
    """The text that answers a keepalive, if that is one."""
    return {keepalive.expect: Kind.PONG} if keepalive is not None and isinstance(keepalive.expect, str) else {}


def _classify(life: Life, classify: Any, watch: Watch) -> Any:
    """What a message is; what answers a keepalive comes first."""
    expect = None if life.keepalive is None else life.keepalive.expect
    if expect is None or isinstance(expect, str):
        return classify
    is_answer = watch("keepalive", expect)

    def kind_of(message: Any) -> Optional[Kind]:
        try:
            if is_answer(message):
                return Kind.PONG
        except MISSING:  # it has no such place
            pass
        found: Optional[Kind] = None if classify is None else classify(message)
        return found

    return kind_of


def _keepalive_payload(keepalive: Optional[Keepalive], watch: Watch) -> Optional[Callable[[], Payload]]:
    if keepalive is None or keepalive.send is None:
        return None
    if not callable(keepalive.send):
        fixed = schema.payload("keepalive", keepalive.send)
        return lambda: fixed
    speak = watch("keepalive", lambda _: keepalive.send())
    return lambda: schema.payload("keepalive", speak(None))


def _limit_of(limits: Limits, watch: Watch) -> Optional[Callable[[Hashable], Optional[float]]]:
    if limits is None:
        return None
    if isinstance(limits, Mapping):
        return limits.get
    if not callable(limits):
        constant = float(limits)
        return lambda key: constant
    ask = watch("quiet_after", limits)

    def limit(key: Hashable) -> Optional[float]:
        found: Optional[float] = ask(key)
        if found is not None:
            check_seconds("quiet_after", found)
        return found

    return limit


def _check_kinds(life: Life) -> None:
    if not isinstance(life.literals, Mapping):
        raise FeedError("literals", harmless(life.literals), 'expected a mapping: {"pong": Kind.PONG}')
    pairs: list[tuple[object, object]] = list(life.literals.items())
    for text, kind in pairs:
        if not isinstance(text, str) or not isinstance(kind, Kind) or kind in _DELIVERED:
            raise FeedError("literals", {text: kind}, "each is a text, and what it means; data is decoded, and is no literal")
    text = life.keepalive.expect if isinstance(life.keepalive, Keepalive) else None
    if isinstance(text, str) and life.literals.get(text, Kind.PONG) is not Kind.PONG:
        raise FeedError("keepalive", life.keepalive, f"literals say that what it expects is {life.literals[text]}, not Kind.PONG")
    for field in ("classify", "alias", "answer"):
        if getattr(life, field) is not None and not callable(getattr(life, field)):
            raise FeedError(field, harmless(getattr(life, field)), "expected a callable")
    for field, meant in (("answer", Kind.CHALLENGE), ("acks", Kind.ACK)):
        if getattr(life, field) is not None and life.classify is None and meant not in life.literals.values():
            raise FeedError(field, getattr(life, field), f"nothing says which messages are {meant}; give classify=, or literals=")


def _check_alias(life: Life, key: Optional[Path]) -> None:
    if life.classify is None:
        raise FeedError(
            "alias", harmless(life.alias), "nothing says which messages are Kind.ACK, which it is asked for; give classify="
        )
    if key is None:
        raise FeedError("alias", harmless(life.alias), "say where the id stands in a message: key=")


def _check_opening(opening: object) -> None:
    if isinstance(opening, (str, bytes)) or not isinstance(opening, Sequence):
        raise FeedError("opening", harmless(opening), "expected a list of Step(...)")
    for step in opening:
        if not isinstance(step, Step):
            raise FeedError("opening", harmless(step), "expected Step(...)")
        if step.send is not None and not callable(step.send):
            for item in step.send if isinstance(step.send, tuple) else (step.send,):
                schema.encode("opening", item)


def _check_limits(limits: object) -> None:
    if isinstance(limits, Mapping):
        for value in limits.values():
            check_seconds("quiet_after", value)
    elif limits is not None and not callable(limits):
        check_seconds("quiet_after", limits)


def _check_failures(failures: object) -> None:
    if not isinstance(failures, Mapping):
        raise FeedError("failures", harmless(failures), "expected a mapping: {4001: Severity.FATAL}")
    for cause, severity in failures.items():
        numbered = type(cause) is int and (cause in _STATUSES or cause in _CODES)
        if not numbered and cause not in WORDS:
            known = ", ".join(sorted(WORDS))
            raise FeedError("failures", cause, f"expected an HTTP status, a close code, or one of {known}")
        if not isinstance(severity, Severity):
            raise FeedError("failures", severity, f"of {cause!r}: expected Severity.RETRY, SLOW or FATAL")


def _check_topics(life: Life, subscribe: Any, key: Optional[Path], decode: Any) -> None:
    acks = life.acks
    if acks is not None and subscribe is None:
        raise FeedError("acks", acks, "there is no subscribe= that could be acknowledged")
    if not callable(subscribe):
        by_topic = acks is not None and (acks.by == "key" or acks.each == "topic")
        for field, used in (("batch", life.batch != Batch()), ("acks", by_topic), ("topic_data_limit", life.topic_data_limit)):
            if used:
                raise FeedError(field, getattr(life, field), "is about topics, which need subscribe to be a callable")
    if acks is None:
        return
    if acks.by == "key" and acks.topics is None and key is None:
        raise FeedError("acks", acks, "they go by the key, and the feed has none; say where they name their topics")
    if acks.by == "id" and callable(acks.id) and acks.sent is None:
        raise FeedError("acks", acks, "say where the id stands in what is sent: sent=")
    for path in (acks.id if acks.by == "id" else None, acks.topics):
        schema.check_path("acks", path, decode)
