"""What goes out on a line, in which order, and what senders are told: a scripted connection, and real sockets, plain and TLS."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import ssl
from pathlib import Path
from typing import Any, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream import NotConnected, SendUnknown
from syncstream.clock import now
from syncstream.core.deflate import Agreed, Inflate
from syncstream.core.engine import Payload
from syncstream.core.frames import BINARY, CLOSE, PING, PONG, TEXT
from syncstream.link import OUT_LIMIT, SEND_LIMIT, Link, Ticket
from syncstream.transport import Connection, frame
from tests.deadlines import SLACK
from tests.servers import certificates

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Wire(Connection):
    """A connection whose kernel takes `room` bytes. Like TLS it insists that what was offered once is offered again, in front."""

    freezes = True

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.taken = b""
        self.error: Optional[OSError] = None
        self.closed = False
        self.wants_read = self.wants_write = False
        self._offered = b""

    def unread_limit(self) -> int:
        return 0

    def send(self, data: Union[bytes, memoryview]) -> int:
        if self.error is not None:
            raise self.error
        offered = bytes(data)
        assert offered[: len(self._offered)] == self._offered, "other bytes than those that were offered before"
        count = min(self.room, len(offered))
        self._offered = offered[count:]
        self.room -= count
        self.taken += offered[:count]
        return count

    def end_tls(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


def link_on(wire: Connection) -> Link:
    return Link(0, 1, wire)


def unmask(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each whole frame; what is left of one at the end has the opcode -1."""
    found: list[tuple[int, bytes]] = []
    while data:
        if len(data) < 6:
            return [*found, (-1, data)]
        opcode, size, at = data[0] & 15, data[1] & 127, 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        key, payload = data[at : at + 4], data[at + 4 : at + 4 + size]
        if len(payload) < size:
            return [*found, (-1, data)]
        found.append((opcode, plain(payload, key)))
        data = data[at + 4 + size :]
    return found


def plain(payload: bytes, key: bytes) -> bytes:
    """The payload without its mask."""
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")


def said(wire: Wire) -> list[bytes]:
    return [payload for _, payload in unmask(wire.taken)]


def send(link: Link, text: str) -> Ticket:
    """As a user's message comes."""
    ticket = Ticket()
    link.put_frame(frame(TEXT, text), ticket)
    return ticket


def verdict(ticket: Ticket) -> Any:
    """What the sender has been told: nothing yet, done, or the kind of error."""
    if not ticket.done.is_set():
        return "waits"
    return type(ticket.error) if ticket.error is not None else "done"


def test_what_the_kernel_takes_goes_out_in_order() -> None:
    """Frames leave one after the other, each ticket is settled once its last byte is taken, and nothing is waiting then."""
    wire = Wire(room=1000)
    link = link_on(wire)
    link.put(TEXT, "one")
    ticket = send(link, "two")
    link.put(BINARY, b"three")
    assert verdict(ticket) == "waits"
    link.flush(0.0)
    assert unmask(wire.taken) == [(TEXT, b"one"), (TEXT, b"two"), (BINARY, b"three")]
    assert (verdict(ticket), link.waiting, link.deadline()) == ("done", 0, None)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_partial_sends_join_to_whole_frames(step: int) -> None:
    """However few bytes are taken at a time, the venue reads the frames as they were put."""
    wire = Wire()
    link = link_on(wire)
    sent = [f"message {n}" for n in range(5)]
    tickets = [send(link, text) for text in sent]
    size = link.waiting
    while link.waiting:
        before = len(wire.taken)
        wire.room = step
        link.flush(0.0)
        assert link.waiting == size - len(wire.taken)
        assert len(wire.taken) > before
    assert said(wire) == [text.encode() for text in sent]
    assert [verdict(ticket) for ticket in tickets] == ["done"] * 5


def test_an_urgent_frame_goes_behind_the_one_that_is_half_out_and_before_others() -> None:
    """A pong does not break a frame in two, and does not wait for those behind it; pongs keep their order."""
    wire = Wire(room=4)
    link = link_on(wire)
    link.put(TEXT, "half out")
    link.put(TEXT, "not begun")
    link.flush(0.0)
    link.put(PONG, b"1", urgent=True)
    link.put(PONG, b"2", urgent=True)
    wire.room = 1000
    link.flush(0.0)
    assert said(wire) == [b"half out", b"1", b"2", b"not begun"]


def test_bytes_that_were_offered_are_frozen_though_none_was_taken() -> None:
    """TLS has encrypted what it was offered: another frame in its place would go out as that one."""
    wire = Wire(room=0)
    link = link_on(wire)
    link.put(TEXT, "offered")
    link.flush(0.0)
    link.put(PONG, b"urgent", urgent=True)
    wire.room = 1000
    link.flush(0.0)
    assert said(wire) == [b"offered", b"urgent"]


def test_no_progress_for_too_long_is_an_error() -> None:
    """The time runs from the first send that took nothing, and anew after each byte."""
    wire = Wire(room=3)
    link = link_on(wire)
    link.put(TEXT, "stuck")
    link.flush(100.0)
    assert link.deadline() == 100.0 + SEND_LIMIT
    link.flush(100.0 + SEND_LIMIT - 0.1)
    wire.room = 1
    link.flush(100.0 + SEND_LIMIT)
    assert link.deadline() == 100.0 + 2 * SEND_LIMIT
    with pytest.raises(TimeoutError, match="took no bytes for 10 s"):
        link.flush(100.0 + 2 * SEND_LIMIT)


def test_progress_ends_being_stuck() -> None:
    """Once all is out there is no deadline any more, and a later one counts from its own beginning."""
    wire = Wire(room=0)
    link = link_on(wire)
    link.put(TEXT, "slow")
    link.flush(0.0)
    wire.room = 1000
    link.flush(9.0)
    assert link.deadline() is None
    wire.room = 0
    link.put(TEXT, "slow again")
    link.flush(50.0)
    assert link.deadline() == 50.0 + SEND_LIMIT


def test_what_is_ours_may_not_pile_up() -> None:
    """A venue that takes nothing of what is said to it, while topics change, would fill the memory: it is given up."""
    wire = Wire(room=0)
    link = link_on(wire)
    link.put(TEXT, bytes(100))
    link.flush(0.0)
    for _ in range(OUT_LIMIT // 100):
        link.put(TEXT, bytes(100))
    with pytest.raises(OSError, match="more than 4194304 bytes wait"):
        link.flush(0.1)


def test_one_message_of_any_size_is_no_reason_to_lose_the_line() -> None:
    """A large message of the user's may wait as a whole, and so may the next; then more are refused, and the line goes on."""
    wire = Wire(room=10)
    link = link_on(wire)
    large = send(link, "x" * (OUT_LIMIT + 1000))
    link.flush(0.0)
    second = send(link, "x" * (OUT_LIMIT + 1000))
    refused = send(link, "one more")
    link.put(PONG, b"", urgent=True)
    link.flush(1.0)
    assert [verdict(large), verdict(second), verdict(refused)] == ["waits", "waits", NotConnected]
    wire.room = 3 * OUT_LIMIT
    link.flush(2.0)
    assert [verdict(large), verdict(second)] == ["done", "done"]
    assert verdict(send(link, "welcome again")) == "waits"


def test_a_broken_connection_raises_what_broke_it() -> None:
    """The reader hears the reason; the tickets are settled when it closes the link."""
    wire = Wire()
    link = link_on(wire)
    ticket = send(link, "x")
    wire.error = ConnectionResetError("reset by peer")
    with pytest.raises(ConnectionResetError):
        link.flush(0.0)
    link.close()
    assert (verdict(ticket), wire.closed) == (SendUnknown, True)


def test_closing_tells_each_sender_what_is_known() -> None:
    """Nobody knows of the one that had begun; those behind it were not sent."""
    wire = Wire(room=4)
    link = link_on(wire)
    tickets = [send(link, text) for text in ("begun", "waiting", "waiting too")]
    link.flush(0.0)
    link.close()
    assert [verdict(ticket) for ticket in tickets] == [SendUnknown, NotConnected, NotConnected]
    assert (link.waiting, wire.closed) == (0, True)
    link.flush(1.0)
    assert len(wire.taken) == 4


def test_nothing_goes_out_after_a_send_that_failed() -> None:
    """Not even a pong, though the system would take it; senders hear at once, and there is no deadline any more."""
    wire = Wire(room=4)
    link = link_on(wire)
    tickets = [send(link, text) for text in ("begun", "waiting")]
    link.flush(0.0)
    link.more = False
    link.fail("sending failed: broken pipe")
    assert [verdict(ticket) for ticket in tickets] == [SendUnknown, NotConnected]
    late = send(link, "late")
    for opcode in (TEXT, PING, PONG, CLOSE):
        link.put(opcode, b"", urgent=opcode != TEXT)
    wire.room = 1000
    link.flush(1.0)
    assert (len(wire.taken), link.waiting, link.deadline(), link.more) == (4, 0, None, True)
    assert verdict(late) == NotConnected
    assert "sending failed: broken pipe" in str(late.error)


def test_so_much_is_read_after_a_send_that_failed_as_can_have_come_before() -> None:
    """A venue that goes on, and takes nothing, is not read for ever."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        link = link_on(Connection(near, b"with the upgrade", {}, None))
        limit = near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) + len(b"with the upgrade")
        link.fail("sending failed: stuck")
        read = 0
        while True:
            with contextlib.suppress(BlockingIOError):
                far.send(bytes(65536))
            data = link.receive(65536)
            if data is None:
                break
            read += len(data)
        assert limit <= read < limit + 65536
        link.close()
        link.fail("closed already")
        assert link.receive(65536) is None


def test_nothing_follows_a_close_frame() -> None:
    """Messages that have not begun are refused at once; the one that has is completed, its sender need not wait for it."""
    wire = Wire(room=4)
    link = link_on(wire)
    link.put(TEXT, "subscription, half out")
    link.flush(0.0)
    ticket = send(link, "waiting")
    link.put(TEXT, "waiting too")
    link.put(PONG, b"pong", urgent=True)
    link.put(CLOSE, b"\x03\xe8", urgent=True)
    assert verdict(ticket) == NotConnected
    wire.room = 1000
    link.flush(0.0)
    assert said(wire) == [b"subscription, half out", b"pong", b"\x03\xe8"]


def test_the_sender_of_a_message_that_is_half_out_does_not_wait_for_the_goodbye() -> None:
    """It hears at the close frame that nobody will know."""
    wire = Wire(room=4)
    link = link_on(wire)
    ticket = send(link, "half out")
    link.flush(0.0)
    link.put(CLOSE, b"\x03\xe8", urgent=True)
    assert verdict(ticket) == SendUnknown
    first = ticket.error
    wire.room = 1000
    link.flush(0.0)
    link.close()
    assert ticket.error is first
    assert said(wire) == [b"half out", b"\x03\xe8"]


def test_messages_that_come_together_are_not_refused_for_their_size() -> None:
    """Nothing is stuck as long as nothing was tried."""
    wire = Wire(room=10 * OUT_LIMIT)
    link = link_on(wire)
    tickets = [send(link, "x" * OUT_LIMIT) for _ in range(4)]
    link.flush(0.0)
    assert [verdict(ticket) for ticket in tickets] == ["done"] * 4


@pytest.mark.parametrize(
    ("out", "reading", "wants_read", "wants_write", "mask"),
    [
        (False, True, False, False, READ),
        (False, False, False, False, 0),
        (True, True, False, False, READ | WRITE),
        (True, False, False, False, WRITE),
        (False, True, False, True, WRITE),
        (False, False, False, True, 0),
        (True, True, True, False, READ),
        (True, False, True, False, READ),
    ],
)
def test_what_the_selector_waits_for(out: bool, reading: bool, wants_read: bool, wants_write: bool, mask: int) -> None:
    """Only what can bring it forward: else the selector would return at once, again and again."""
    wire = Wire()
    wire.wants_read, wire.wants_write = wants_read, wants_write
    link = link_on(wire)
    if out:
        link.put(TEXT, "x")
    assert link.events(reading=reading) == mask


def test_a_message_whose_time_is_over_is_taken_back() -> None:
    """While it has not begun: those before it and behind it go out, and it never does; its sender knows that."""
    wire = Wire(room=4)
    link = link_on(wire)
    before, late, behind = (send(link, text) for text in ("before", "late", "behind"))
    link.flush(0.0)
    assert not link.withdraw(late, 0.5)
    assert verdict(late) == NotConnected
    assert str(late.error) == "nothing was sent: the line was busy for 0.5 s"
    wire.room = 1000
    link.flush(1.0)
    assert said(wire) == [b"before", b"behind"]
    assert [verdict(before), verdict(behind), link.waiting] == ["done", "done", 0]


def test_a_message_that_has_begun_cannot_be_taken_back() -> None:
    """Half of it is with the venue: nobody knows, and the line cannot go on."""
    wire = Wire(room=4)
    link = link_on(wire)
    ticket = send(link, "half out")
    link.flush(0.0)
    assert link.withdraw(ticket, 0.5)
    assert verdict(ticket) == SendUnknown
    assert str(ticket.error) == "the venue did not take all of the message within 0.5 s"


@pytest.mark.parametrize(
    ("tls", "compressed", "begun"),
    [(False, False, False), (True, False, True), (False, True, True)],
    ids=["plain", "encrypted", "compressed"],
)
def test_what_was_offered_and_not_taken_is_taken_back_where_nothing_leans_on_it(tls: bool, compressed: bool, begun: bool) -> None:
    """TLS has encrypted it, the next compressed message refers to it; otherwise no byte of it has left."""
    wire = Wire(room=0)
    wire.freezes = tls
    wire.deflate = Agreed(send=compressed)
    link = link_on(wire)
    ticket = Ticket()
    link.put_frame(frame(TEXT, "offered"), ticket, Payload(TEXT, b"offered"))
    link.flush(0.0)
    assert link.withdraw(ticket, 0.0) is begun
    assert verdict(ticket) == (SendUnknown if begun else NotConnected)
    assert (link.waiting == 0, link.deadline() is None) == (not begun, not begun)


def test_who_was_told_already_takes_nothing_back() -> None:
    """The time was over just as it went out; another's message is not touched."""
    wire = Wire(room=1000)
    link = link_on(wire)
    ticket = send(link, "out")
    link.flush(0.0)
    wire.room = 0
    other = send(link, "another")
    assert not link.withdraw(ticket, 0.5)
    assert [verdict(ticket), verdict(other)] == ["done", "waits"]


def test_a_compressed_message_that_is_taken_back_is_not_missed_by_the_next() -> None:
    """It is compressed when its turn comes, so what goes out refers only to what went out."""
    wire = Wire(room=0)
    wire.deflate = Agreed(send=True)
    link = link_on(wire)
    tickets = [Ticket() for _ in range(3)]
    for ticket, text in zip(tickets, (b"one word, one word", b"another word, one word", b"another word, another word")):
        link.put_frame(frame(TEXT, text), ticket, Payload(TEXT, text))
    link.flush(0.0)
    assert not link.withdraw(tickets[1], 0.5)
    wire.room = 1000
    link.flush(0.0)
    inflate = Inflate(Agreed())
    assert [inflate.message(payload, 1000) for payload in said(wire)] == [b"one word, one word", b"another word, another word"]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.integers(0, 300)),
        st.tuples(st.just("send"), st.integers(0, 300)),
        st.tuples(st.just("ping"), st.integers(0, 125)),
        st.tuples(st.just("flush"), st.integers(0, 400)),
        st.tuples(st.just("withdraw"), st.integers(0, 39)),
    ),
    max_size=40,
)


@given(moves, st.sampled_from(["run dry", "close"]))
def test_whatever_comes_the_venue_reads_whole_frames(moves: list[tuple[str, int]], ending: str) -> None:
    """Each kind of frame keeps its order, nothing is lost or doubled, and each sender is told what became of its message."""
    wire = Wire()
    link = link_on(wire)
    put: dict[str, list[bytes]] = {"text": [], "ping": []}
    tickets: list[tuple[bytes, Ticket]] = []
    for number, (move, size) in enumerate(moves):
        payload = f"{number}:".encode() + b"x" * size
        if move == "flush":
            wire.room = size
            link.flush(0.0)
        elif move == "ping":
            put["ping"].append(payload[:125])
            link.put(PING, payload[:125], urgent=True)
        elif move == "withdraw":
            if tickets:
                late, ticket = tickets[size % len(tickets)]
                if link.withdraw(ticket, 0.0):
                    ending = "lost"
                    break
                if verdict(ticket) == NotConnected and late in put["text"]:
                    put["text"].remove(late)
        elif move == "send":
            put["text"].append(payload)
            tickets.append((payload, Ticket()))
            link.put_frame(frame(TEXT, payload), tickets[-1][1])
        else:
            put["text"].append(payload)
            link.put(TEXT, payload)
    if ending == "lost":
        link.fail("a message was late")
    elif ending == "run dry":
        wire.room = 100_000
        link.flush(0.0)
        assert link.waiting == 0
    link.close()
    read = unmask(wire.taken)
    for kind, opcode in (("text", TEXT), ("ping", PING)):
        got = [payload for found, payload in read if found == opcode]
        assert got == put[kind][: len(got)]
        assert ending != "run dry" or len(got) == len(put[kind])
    whole = {payload for _, payload in read}
    for payload, ticket in tickets:
        assert (verdict(ticket) == "done") == (payload in whole)
        assert verdict(ticket) != "waits"


def test_of_many_pings_the_latest_are_answered_first() -> None:
    """While nothing goes out, only so many wait as the feed allows; then the latest comes first, and later ones as usual."""
    wire = Wire(room=0)
    link = Link(0, 1, wire, max_pings=3)
    link.put(TEXT, "half out")
    link.flush(0.0)
    for number in range(1000):
        link.put(PONG, b"%d" % number, urgent=True)
    assert link.waiting < 100
    wire.room = 1000
    link.flush(0.0)
    assert said(wire) == [b"half out", b"999", b"998", b"997"]
    assert link.waiting == 0
    wire.taken, wire.room = b"", 1000
    for number in range(3):
        link.put(PONG, b"%d" % number, urgent=True)
    link.flush(0.0)
    assert said(wire) == [b"0", b"1", b"2"]


def test_pings_that_wait_are_answered_before_the_goodbye() -> None:
    """They came before it, and nothing follows a close frame."""
    wire = Wire(room=1000)
    link = link_on(wire)
    link.put(PING, b"ours", urgent=True)
    link.put(PONG, b"theirs", urgent=True)
    link.put(CLOSE, b"\x03\xe8", urgent=True)
    link.flush(0.0)
    assert unmask(wire.taken) == [(PONG, b"theirs"), (PING, b"ours"), (CLOSE, b"\x03\xe8")]


def test_what_is_sent_compressed_can_be_read_in_the_order_in_which_it_goes_out() -> None:
    """Ours and the users', with one that was refused between them; control frames and empty messages go as they are."""
    wire = Wire(room=0)
    wire.deflate = Agreed(send=True)
    link = link_on(wire)
    inflate = Inflate(Agreed())
    link.put(TEXT, "subscribe " * 20)
    link.flush(0.0)
    link.put(BINARY, bytes(100_000))
    big, noise = Ticket(), random.Random(1).randbytes(OUT_LIMIT + 1)
    link.put_frame(frame(BINARY, noise), big, Payload(BINARY, noise))
    refused, ticket = Ticket(), Ticket()
    link.put_frame(frame(TEXT, "refused"), refused, Payload(TEXT, b"refused"))
    wire.room = 10 * OUT_LIMIT
    link.flush(0.0)
    link.put_frame(frame(TEXT, "subscribe"), ticket, Payload(TEXT, b"subscribe"))
    link.put(TEXT, "")
    link.put(PING, b"ping", urgent=True)
    link.flush(0.0)
    assert [verdict(big), verdict(refused), verdict(ticket)] == ["done", NotConnected, "done"]
    read = unmask(wire.taken)
    control = [payload for opcode, payload in read if payload in (b"", b"ping")]
    assert control == [b"ping", b""]
    inflated = [inflate.message(payload, 2 * OUT_LIMIT) for _, payload in read if payload not in (b"", b"ping")]
    assert inflated == [b"subscribe " * 20, bytes(100_000), noise, b"subscribe"]


def test_an_urgent_message_passes_compressed_ones_and_both_can_be_read() -> None:
    """The answer to a challenge goes before what was compressed earlier, so it must not lean on that: it goes as it is."""
    wire = Wire(room=0)
    wire.deflate = Agreed(send=True)
    link = link_on(wire)
    for text in (b"one word, one word", b"one word more, one word"):
        link.put_frame(frame(TEXT, text), Ticket(), Payload(TEXT, text))
    link.put(TEXT, "one word, at once", urgent=True)
    wire.room = 1000
    link.flush(0.0)
    (_, first), *others = unmask(wire.taken)
    assert first == b"one word, at once"
    inflate = Inflate(Agreed())
    assert [inflate.message(payload, 1000) for _, payload in others] == [b"one word, one word", b"one word more, one word"]


def fill(link: Link) -> int:
    """Send until the kernel takes no more; how many messages that were."""
    count = 0
    while link.stuck_at is None:
        link.put(BINARY, bytes([count % 256]) * 10_000)
        link.flush(0.0)
        count += 1
    return count


def drain(link: Link, peer: socket.socket, until: bytes) -> bytes:
    """Read at the other end what the link sends until it has said `until`."""
    data = bytearray()
    peer.settimeout(10)
    while not unmask_last(data, until):
        link.flush(0.0)
        data += peer.recv(65536)
    return bytes(data)


def unmask_last(data: bytearray, until: bytes) -> bool:
    """Whether the last frame says `until`."""
    size = len(frame(TEXT, until))
    return len(data) >= size and unmask(bytes(data[-size:])) == [(TEXT, until)]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_venue_that_stops_reading_and_goes_on_gets_whole_frames(tls: bool, tmp_path: Path) -> None:
    """Over real sockets: what was stuck is completed, the urgent frame follows it, and no byte is out of place."""
    near, far = socket.socketpair()
    with near, far:
        for sock in (near, far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sock, peer = (near, far) if not tls else secure(near, far, tmp_path)
        sock.setblocking(False)
        link = link_on(Connection(sock, b"", {}, None))
        count = fill(link)
        link.put(PONG, b"pong", urgent=True)
        link.put(TEXT, "the end")
        link.flush(0.0)
        read = unmask(drain(link, peer, b"the end"))
        link.close()
        peer.close()
    assert [opcode for opcode, _ in read if opcode not in (BINARY, PONG)] == [TEXT]
    assert [payload for opcode, payload in read if opcode == BINARY] == [bytes([n % 256]) * 10_000 for n in range(count)]
    assert [payload for opcode, payload in read if opcode == PONG] == [b"pong"]
    assert read.index((PONG, b"pong")) < len(read) - 1


@pytest.mark.parametrize("state", ["idle", "half out", "gone"])
def test_the_end_of_a_line_is_the_end_of_its_tls(state: str, tmp_path: Path) -> None:
    """The other side can tell our goodbye from a line that was cut. Nothing waits for it, and a broken line is no trouble."""
    near, far = socket.socketpair()
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sock, peer = secure(near, far, tmp_path)
        peer.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        link = link_on(Connection(sock, b"", {}, None))
        if state == "half out":
            fill(link)
        elif state == "gone":
            peer.close()
        began = now()
        link.close()
        assert now() - began < SLACK
        if state == "idle":
            assert peer.recv(1) == b""
        peer.close()


def secure(near: socket.socket, far: socket.socket, folder: Path) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Both ends with TLS."""
    context = ssl.create_default_context(cafile=certificates.ca_file(folder))
    client = context.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    server = certificates.server_context().wrap_socket(far, server_side=True, do_handshake_on_connect=False)
    for sock in (client, server):
        sock.setblocking(False)
    waiting = [client, server]
    while waiting:
        for sock in list(waiting):
            try:
                sock.do_handshake()
                waiting.remove(sock)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
    return client, server
