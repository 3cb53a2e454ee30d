"""What `queue`, `latest` and the iterators of a stream hand out. They hold the `Stream`: it lives as long as they. Any thread."""

from __future__ import annotations

import queue
import weakref
from collections import deque
from itertools import chain, repeat, starmap
from operator import length_hint
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Hashable,
    ItemsView,
    Iterator,
    Mapping,
    NoReturn,
    Optional,
    Protocol,
    Union,
    ValuesView,
    overload,
)

from . import clock
from .core.keys import Keys
from .core.sync import State
from .delivery import Delivery
from .errors import StreamClosed
from .events import Snapshot

_WORTH = 8  # items that wait: of fewer each is taken by `get`
_MOST = 256
_SPARE = 8  # parts that ask, in a row: of threads that share an iterator several may go on to the next part at once
_LONGEST = 0.001  # seconds: so long ahead, at most, is counted how long items have waited

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)  # so that a plain `Stream` needs no parameter, and its items no checks
else:
    from typing import TypeVar

    T = TypeVar("T")


class Untyped:
    """Stands in annotations for the T of a stream of which nobody has said what its messages are: its items are `Any`."""


class Owner(Protocol):
    """What these need of the `Stream`, which is built on top of them."""

    def get(self, timeout: Optional[float] = None) -> Any: ...

    def get_nowait(self) -> Any: ...

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]: ...

    def close(self, timeout: float = 5.0, *, drain: bool = False) -> Any: ...

    def _check_process(self) -> None: ...


class Taken(Protocol):
    """What an iterator needs of it."""

    def get(self, timeout: Optional[float] = None) -> Any: ...


def items_of(stream: Taken, delivery: Optional[Delivery] = None) -> Iterator[Any]:
    """Takes one item at a time and holds none, so `break` loses nothing.

    `delivery`: the one that all of it comes from, if there is one.

    `get` costs a lock, a look at the clock and three calls. So after one it asks how many of those that wait now may be taken by
    the queue's own `popleft`, and takes these without any Python code: that costs a quarter of a `__next__` of our own. They
    stay where they are until then: whoever else takes them is right, and calls the others off.
    """
    parts: deque[Any] = deque()
    parts.extend([starmap(_Asking(stream, delivery, parts).next, repeat(()))] * _SPARE)
    # All of it is C code: what is raised in a part, a Ctrl-C for one, ends neither the part nor this, as it would a generator.
    return chain.from_iterable(iter(parts.popleft, stream))  # the stream stands for the end: it refuses to be pickled


class _Asking:
    """Owned by: one consumer. Gives what has to be asked for, and puts what is granted before the next part of its iterator."""

    def __init__(self, stream: Taken, delivery: Optional[Delivery], parts: deque[Any]) -> None:
        self._stream = stream
        self._delivery = delivery
        self._parts = weakref.ref(parts)  # they hold us; who holds the stream must be gone as soon as the iterator is
        self._granted: Optional[Iterator[Any]] = None  # the part that was granted last
        self._may_ask = False
        self._given = 0
        self._given_at = 0.0

    def next(self) -> Any:
        """The next item. `StopIteration`: that is up to the next part."""
        parts = self._parts()
        if parts and parts[0] is self._granted:
            raise StopIteration
        if self._may_ask and self._delivery is not None and parts is not None and len(self._delivery.queue) >= _WORTH:
            self._may_ask = False
            if self._ask(self._delivery, parts):
                raise StopIteration
        self._may_ask = True
        try:
            return self._stream.get()
        except StreamClosed:
            if parts is not None:
                parts.appendleft(self._stream)
            raise StopIteration from None

    def _ask(self, delivery: Delivery, parts: deque[Any]) -> bool:
        now = clock.now()
        each = (now - self._given_at) / (self._given + 1)  # what the consumer takes for one
        credit = delivery.grant(now, min(_MOST, int(_LONGEST / each)) if each > 0.0 else _MOST)
        self._given, self._given_at = 0, now
        if credit is None:
            return False
        while len(parts) < _SPARE:
            parts.append(parts[-1])
        self._given = length_hint(credit)
        self._granted = starmap(delivery.queue.popleft, credit)
        parts.appendleft(self._granted)
        return True


class Tap(queue.Queue[Any]):
    """Owned by: nobody, it hands every call on. A stream's queue for code that knows only `queue.Queue`."""

    def __init__(self, stream: Owner, delivery: Delivery) -> None:
        # No super().__init__: the locks and the deque are those of the delivery.
        self._stream = stream
        self._delivery = delivery
        self.maxsize = delivery.maxsize
        self.mutex = delivery.mutex
        self.not_empty = delivery.not_empty
        self.not_full = delivery.not_full
        self.all_tasks_done = delivery.all_tasks_done

    @property
    def queue(self) -> Any:
        """What waits. Whoever holds `mutex` may change it, as that of a `queue.Queue`."""
        self._delivery.call_off()
        return self._delivery.queue

    @property
    def unfinished_tasks(self) -> int:  # type: ignore[override]
        return self._delivery.unfinished_tasks

    @property
    def is_shutdown(self) -> bool:  # type: ignore[override,unused-ignore]
        return self._delivery.is_shutdown

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        return self._stream.get(timeout=timeout) if block else self._stream.get_nowait()

    def get_nowait(self) -> Any:
        return self._stream.get_nowait()

    def get_many(self, max_items: int = 1000, timeout: Optional[float] = None) -> list[Any]:
        return self._stream.get_many(max_items, timeout)

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None) -> NoReturn:
        self._delivery.put(item)

    def put_nowait(self, item: Any) -> NoReturn:
        self._delivery.put(item)

    def qsize(self) -> int:
        return self._here().qsize()

    def empty(self) -> bool:
        return self._here().empty()

    def full(self) -> bool:
        return self._here().full()

    def task_done(self) -> None:
        self._here().task_done()

    def join(self) -> None:
        self._here().join()

    def shutdown(self, immediate: bool = False) -> None:
        self._stream.close(drain=not immediate)

    def _here(self) -> Delivery:
        """In the child of a fork its lock may be held for ever, by a thread that is not there."""
        self._stream._check_process()
        return self._delivery

    def __repr__(self) -> str:
        return f"<queue of {self._stream!r}>"


class Latest(Mapping[Hashable, Any], Generic[T]):
    """Owned by: the reader thread, which replaces values. The last thing applied per key, whatever the queue holds.

    A value is the last message of the key, or the `Snapshot` if nothing followed it. While a key is being healed its last value
    stays; `live(key)` tells. A key never seen raises `KeyError`. Called, it is one copy of all keys at one moment.
    """

    def __init__(self, stream: Owner, keys: Keys) -> None:
        self._stream = stream
        self._keys = keys

    @overload
    def __call__(self: Latest[Untyped]) -> dict[Hashable, Any]: ...

    @overload
    def __call__(self) -> dict[Hashable, Union[T, Snapshot]]: ...

    def __call__(self) -> dict[Hashable, Any]:
        """A copy of all keys, as they were at one moment; it does not change any more."""
        return dict(self._here().latest)

    @overload
    def __getitem__(self: Latest[Untyped], key: Hashable) -> Any: ...

    @overload
    def __getitem__(self, key: Hashable) -> Union[T, Snapshot]: ...

    def __getitem__(self, key: Hashable) -> Any:
        return self._here().latest[key]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self._here().latest))

    def __len__(self) -> int:
        return len(self._here().latest)

    def items(self) -> ItemsView[Hashable, Any]:
        """All of them at one moment."""
        return self().items()

    def values(self) -> ValuesView[Any]:
        """All of them at one moment."""
        return self().values()

    def live(self, key: Hashable) -> bool:
        """Whether this key is complete and current, as far as the line shows."""
        sync = self._here().syncs.get(key)
        return sync is not None and sync.state is State.LIVE and not sync.incomplete

    def _here(self) -> Keys:
        """In the child of a fork nothing replaces the values: the last ones would be taken for the latest for ever."""
        self._stream._check_process()
        return self._keys

    def __repr__(self) -> str:
        return f"<latest of {self._stream!r}: {len(self._keys.latest)} keys>"
