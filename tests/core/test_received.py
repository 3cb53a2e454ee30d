"""`core/received.py`: two lists that are a sequence of pairs."""

from __future__ import annotations

from syncstream.core.frames import BINARY, PING, TEXT
from syncstream.core.received import Received


def test_it_is_a_sequence_of_pairs() -> None:
    """In their order, by number, and equal to a list of the same."""
    made = Received.of([(TEXT, b"a"), (PING, b"")])
    made.add(BINARY, b"b")
    made.extend([(TEXT, b"c")])
    pairs = [(TEXT, b"a"), (PING, b""), (BINARY, b"b"), (TEXT, b"c")]
    assert (len(made), list(made), made[2]) == (4, pairs, (BINARY, b"b"))
    assert [made == other for other in (pairs, Received.of(pairs), pairs[:3], 1)] == [True, True, False, False]
    assert repr(made) == f"<Received {pairs!r}>"
    assert (bytes(made.opcodes), made.payloads) == (bytes([TEXT, PING, BINARY, TEXT]), [b"a", b"", b"b", b"c"])
