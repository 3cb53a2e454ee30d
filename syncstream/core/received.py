"""What came, in order, as two lists: the opcodes and what came with each. Pure.

To whoever takes one after the other it is a sequence of pairs. The hot path takes the lists, so it need not make a pair for each
message and take it apart again, nor have the garbage collector look at it in between.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator

Entry = tuple[int, Any]
"""An opcode with a payload; where frames are taken apart with a `Part`, an `Unreadable` or `Empty`."""


class Received:
    """Owned by: whoever made it."""

    __slots__ = ("opcodes", "payloads")

    def __init__(self) -> None:
        self.opcodes = bytearray()
        self.payloads: list[Any] = []

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Received:
        """These, each an opcode and what came with it."""
        made = cls()
        made.extend(entries)
        return made

    def add(self, opcode: int, payload: Any) -> None:
        """One more."""
        self.opcodes.append(opcode)
        self.payloads.append(payload)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Some more."""
        for opcode, payload in entries:
            self.add(opcode, payload)

    def __len__(self) -> int:
        return len(self.payloads)

    def __getitem__(self, index: int) -> Entry:
        return self.opcodes[index], self.payloads[index]

    def __iter__(self) -> Iterator[Entry]:
        return zip(self.opcodes, self.payloads)

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Received {list(self)!r}>"
