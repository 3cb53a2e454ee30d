"""What we send so that the venue does not hang up: how often, and whether data makes it needless. Pure."""

from __future__ import annotations

from typing import Any, Callable, Optional, Union

from ..errors import FeedError
from .options import Options, check_seconds, shape


class Keepalive(Options, frozen=True, kw_only=True):
    """Send something every `every` seconds.

    `send`: `None` is a WebSocket ping; else a payload, or a pure callable that returns one (it runs on the reader: an id that
    counts, a time). `when`: `"always"`, for venues that want it even while data flows, or `"idle"`: only when nothing came for
    that long; pongs do not count where `send` says what to send. Whatever comes after it is an answer; nothing within
    `Liveness.pong_within` means that the line is dead.

    `expect`: only this is an answer: the whole text of a frame (`"pong"`), or message → whether it is one, pure, on the reader.
    Both are a `Kind.PONG` then, whatever else they would be, and so is anything else of that kind an answer. It has to come
    `within` so many seconds, by default `Liveness.pong_within`, whatever else comes meanwhile.
    """

    every: float = 20.0
    send: Any = None
    when: str = "always"
    expect: Optional[Union[str, Callable[[Any], Any]]] = None
    within: Optional[float] = None

    def __post_init__(self) -> None:
        check_seconds("every", self.every)
        if self.when not in ("always", "idle"):
            raise FeedError("when", self.when, "expected 'always' or 'idle'")
        expect: object = self.expect
        if expect is not None and not callable(expect) and not (isinstance(expect, str) and expect):
            raise FeedError(
                "expect", shape(expect), "expected the text of the answer, or a callable: message -> whether it is one"
            )
        if expect is not None and self.send is None:
            raise FeedError("expect", shape(expect), "a WebSocket ping has its own pong; an answer of another kind needs send=")
        if self.within is not None:
            check_seconds("within", self.within)
            if expect is None:
                raise FeedError("within", self.within, "is the time for what is expected; give expect=")

    def __repr__(self) -> str:
        return f"Keepalive({', '.join(f'{name}={value}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # else rich shows every field of a Struct
        shown = [("every", f"{self.every:g}"), ("send", shape(self.send)), ("when", repr(self.when))]
        shown += [] if self.expect is None else [("expect", shape(self.expect))]
        return shown if self.within is None else [*shown, ("within", f"{self.within:g}")]


class Beat:
    """Owned by: the engine, one per connection."""

    def __init__(self, policy: Optional[Keepalive], now: float) -> None:
        self._policy = policy
        self._sent_at = now

    def due(self, now: float, heard_at: float) -> bool:
        """Whether it is time; then it has been noted as sent. `heard_at`: when something came last."""
        at = self.deadline(heard_at)
        if at is None or now < at:
            return False
        self._sent_at = now
        return True

    def deadline(self, heard_at: float) -> Optional[float]:
        """When to ask next."""
        policy = self._policy
        if policy is None:
            return None
        since = self._sent_at if policy.when == "always" else max(self._sent_at, heard_at)
        return since + policy.every
