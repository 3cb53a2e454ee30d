"""Where the truth is: the snapshot sources that `Feed.snapshot` takes, and what each needs of the feed around it.

`Rest` is here; those that speak over the line are in `core.sources`. No I/O, any thread.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Optional, Protocol, Union

from . import schema
from .core.actions import Payload
from .core.backoff import Backoff
from .core.options import Options, check_count
from .core.paths import Path
from .core.sources import Reconnect, Request, Resubscribe, check_backoff, check_position
from .errors import FeedError
from .urls import check_headers, check_url, harmless, named, redact

_PLACE = re.compile(r"\{\w*(?:[.\[!:][^{}]*)?\}")  # of a format string; what looks like JSON is left alone


class Rest(Options, frozen=True):
    """The authoritative snapshot of one key by REST.

    `url`: a template with `{key}`, or a callable key → URL. `position`: where the body says at which position it was taken (a
    name, a dotted path, or a callable body → position). `whole=True` declares that a snapshot carries no position in the key's
    numbering and replaces the state whole. `decode`: the type of the body, any that msgspec knows. `headers` may be a callable,
    asked before every request. Up to `concurrency` keys are fetched at once; one key is tried `attempts` times, with `backoff`
    between, before its gap is given up. `timeout` is for one request, in seconds; `maximum_size` bounds a body, in bytes.
    """

    url: Union[str, Callable[[Any], str]]
    position: Optional[Path] = None
    whole: bool = False
    headers: Union[Mapping[str, str], Callable[[], Mapping[str, str]]] = {}
    decode: Any = dict
    timeout: float = 10.0
    concurrency: int = 4
    attempts: int = 8
    backoff: Backoff = Backoff(base=0.5)
    maximum_size: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if not callable(self.url):
            check_url("snapshot", self.url, ("http", "https"))
            if "{key}" not in self.url:
                raise FeedError("snapshot", redact(self.url), "the URL needs {key}, the place of the key; or give a callable")
            other = _PLACE.search(self.url.replace("{key}", ""))
            if other is not None:
                raise FeedError("snapshot", redact(self.url), f"only {{key}} is filled in, not {other[0]}; or give a callable")
        schema.check_decode(self.decode)
        schema.check_path("position", self.position, self.decode)
        check_position(self.position, self.whole)
        positive("timeout", self.timeout)
        check_count("concurrency", self.concurrency)
        check_count("attempts", self.attempts)
        check_count("maximum_size", self.maximum_size)
        check_backoff(self.backoff)
        if not callable(self.headers):
            check_headers(self.headers)

    def __repr__(self) -> str:
        return written("Rest", self.__rich_repr__())

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("", shown(self.url)), ("whole", True) if self.whole else ("position", named(self.position))]


Source = Union[Rest, Resubscribe, Reconnect, Request]


class Around(Protocol):
    """What a source needs to know of its feed."""

    @property
    def key(self) -> Any: ...
    @property
    def sequence(self) -> Any: ...
    @property
    def counter(self) -> Any: ...
    @property
    def splice(self) -> Any: ...
    @property
    def classify(self) -> Any: ...
    @property
    def message_type(self) -> Any: ...
    @property
    def subscribe(self) -> Any: ...
    @property
    def unsubscribe(self) -> Any: ...


def is_whole(source: Source) -> bool:
    """Whether its snapshots are declared to have no position."""
    return isinstance(source, (Rest, Request)) and source.whole


def is_joined(source: Source) -> bool:
    """Whether its snapshots are joined to the messages by their positions, not by where they stand on the line."""
    return isinstance(source, (Rest, Request)) and not source.whole


def rules(source: Optional[Source], place: Callable[[str, Any], Any]) -> dict[str, Any]:
    """What the engine is told. `place(field, path)` is the getter of a path in a message, or the callable as it is watched."""
    if source is None:
        return {}
    found: dict[str, Any] = {"source": True, "whole": is_whole(source)}
    if isinstance(source, Rest):
        return {
            **found,
            "fetch_backoff": source.backoff,
            "fetch_attempts": source.attempts,
            "fetch_concurrency": source.concurrency,
            "fetch_limit": source.timeout + 5.0,  # the request keeps its own time; this is for a callable that hangs
        }
    if isinstance(source, Request):
        speak = place("snapshot", source.payload)

        def ask(key: Any) -> Payload:
            return schema.payload("snapshot", speak(key))

        found.update(request=ask, answer_position=place("position", source.position))
    return {**found, **source.rules()}


def check(source: object, feed: Around) -> None:
    """Raise `FeedError` for a source that cannot work with this feed."""
    if isinstance(source, Rest):
        if feed.key is None and not callable(source.url):
            raise FeedError("snapshot", source, "its URL asks for {key}, and the feed has no key; give key=..., or a callable")
        _check_join(source, feed)
        return
    if not isinstance(source, (Resubscribe, Reconnect, Request)):
        known = "expected Rest(...), Resubscribe(...), Reconnect(...), Request(...) or None"
        raise FeedError("snapshot", redact(source) if isinstance(source, str) else harmless(source), known)
    if feed.classify is None:
        raise FeedError("snapshot", source, "nothing says which messages are Kind.SNAPSHOT; give classify=")
    if isinstance(source, Resubscribe) and not (callable(feed.subscribe) and feed.unsubscribe is not None):
        raise FeedError("snapshot", source, "it leaves topics and subscribes again: subscribe= and unsubscribe= as callables")
    if isinstance(source, Request):
        schema.check_path("position", source.position, feed.message_type)
        _check_join(source, feed)


def _check_join(source: Union[Rest, Request], feed: Around) -> None:
    """Whether its answers can be joined to the messages."""
    if feed.sequence is None and not source.whole:
        raise FeedError(
            "snapshot", source, "a snapshot without a sequence cannot be joined to the messages; give sequence=..., or whole=True"
        )
    if source.whole and feed.splice is not None:
        raise FeedError("splice", feed.splice, "a snapshot that replaces the state whole is not spliced")
    if feed.counter is not None and feed.splice is None and not source.whole:
        raise FeedError(
            "snapshot",
            source,
            "its position does not count in the key's numbering (counter= is not the key); give splice=..., or whole=True",
        )


def shown(url: Any) -> Any:
    """A URL as it may be shown; a callable by its name."""
    return redact(url) if isinstance(url, str) else named(url)


def written(name: str, parts: list[tuple[str, Any]]) -> str:
    """How a value is shown: its name, and its parts with their names."""
    return f"{name}({', '.join(f'{field}={value!r}' if field else repr(value) for field, value in parts)})"


def positive(field: str, value: object) -> None:
    """Raise `FeedError` unless it is a number of seconds above zero, or for ever."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise FeedError(field, value, "expected a number of seconds above zero")
