"""The servers. Each is bad to the first who connects and good to the next, so that a stream that may come back does."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional

from syncstream.testing.wire import text_frame
from tests.servers import certificates
from tests.servers.scripted import Peer, Server

ROOT = Path(__file__).parent.parent.parent
MEBIBYTE = 1024 * 1024
_PIECE = 64 * 1024
_LIMIT = 60.0  # seconds for one victim


class Case(NamedTuple):
    """`attack` is what the first connection meets. `told` begins what the user sees first; `recovers`: the next line works.

    `memory` and `seconds` are what may be used until then: bounds of the test, generous on a busy machine.
    """

    name: str
    attack: Callable[[Peer], object]
    told: str
    recovers: bool = True
    seconds: float = 5.0
    memory: int = 24 * MEBIBYTE
    feed: Mapping[str, Any] = MappingProxyType({})
    ends: str = "recover"
    tls: bool = False


class Found(NamedTuple):
    """What came of a case, as the victim measured it."""

    told: list[str]
    told_after: Optional[float]
    recovered: bool
    closed_after: float
    left: list[str]
    memory: int


def run(case: Case) -> Found:
    """A server with this case, and a victim."""
    first = threading.Lock()  # whoever takes it meets the attack

    def script(peer: Peer) -> None:
        if case.tls:
            peer.start_tls(certificates.server_context())
        if first.acquire(blocking=False):
            case.attack(peer)
        else:
            peer.upgrade(more=text_frame(b"well"))
            peer.until_hangup()

    server = Server(script)
    # So that what is not read fills up soon. Before anybody connects: TCP must not take back what it has promised.
    server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    with server, tempfile.TemporaryDirectory() as folder:
        url = f"{'wss' if case.tls else 'ws'}://localhost:{server.port}/"
        asked = {"url": url, "feed": dict(case.feed), "ends": case.ends, "ca": certificates.ca_file(Path(folder))}
        command = [sys.executable, "-m", "tests.hostile.victim", json.dumps(asked)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the victim of {case.name!r} died: {done.stderr[-2000:]}")
    return Found(**json.loads(done.stdout))


def endless(*pieces: bytes) -> Callable[[Peer], None]:
    """A good upgrade, then these pieces, the last of them for ever."""

    def attack(peer: Peer) -> None:
        peer.upgrade()
        for piece in pieces[:-1]:
            peer.send(piece)
        while True:
            peer.send(pieces[-1])

    return attack


def headers(line: Callable[[int], bytes], pause: float = 0.0) -> Callable[[Peer], None]:
    """An answer whose head goes on for ever."""

    def attack(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        for number in _forever():
            peer.send(line(number))
            if pause:
                peer.pause(pause)

    return attack


def interim(peer: Peer) -> None:
    """Answers that only announce one, for ever."""
    peer.request()
    while True:
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" * 100)


def endless_body(peer: Peer) -> None:
    """A refusal with a text that has no end."""
    peer.request()
    peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 1099511627776\r\n\r\n")
    while True:
        peer.send(b"No entry. " * 10_000)


def bomb(peer: Peer) -> None:
    """A message of 1 GiB of nothing, in 1 MiB."""
    peer.upgrade("Sec-WebSocket-Extensions: permessage-deflate")
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)  # it refers to nothing, and may be repeated
    data = (piece * 1024)[:-4]
    peer.send(b"\xc2\x7f" + len(data).to_bytes(8, "big") + data)
    peer.until_hangup()


def a_byte_at_a_time(peer: Peer) -> None:
    """A message that has begun and never ends; every byte proves that the connection is alive."""
    peer.upgrade(more=b"\x81\x7e\x03\xe8")
    while True:
        peer.send(b"x")
        peer.pause(0.2)


def deaf(peer: Peer) -> None:
    """Says hello, answers no goodbye, and keeps the connection open."""
    peer.upgrade(more=text_frame(b"hello"))
    peer.until_hangup()


def deaf_and_loud(peer: Peer) -> None:
    """The same, talking all the time."""
    peer.upgrade(more=text_frame(b"hello"))
    while True:
        peer.send(text_frame(b"x" * 100) * 500)


def stuffed(peer: Peer) -> None:
    """Says hello, and never reads what follows."""
    peer.upgrade(more=text_frame(b"hello"))
    peer.pause(_LIMIT)


def stalled_upgrade(peer: Peer) -> None:
    """Takes the request and says nothing."""
    peer.request()
    peer.until_hangup()


def _forever() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


_FRAGMENT = b"\x00\x01x" * (_PIECE // 3)
_EMPTY_FRAGMENT = b"\x00\x00" * (_PIECE // 2)
_NOISE = random.Random(6).randbytes(_PIECE)
_PING = (b"\x89\x7d" + b"p" * 125) * 500

CASES = [
    Case("a frame that claims 2^62 bytes", endless(b"\x82\x7f\x40" + bytes(7), bytes(_PIECE)), "`Disconnected(code=1009)`"),
    Case("fragments without end", endless(b"\x02\x01x", _FRAGMENT), "`Disconnected(code=1009)`"),
    Case("empty fragments without end", endless(b"\x02\x00", _EMPTY_FRAGMENT), "`Disconnected(code=1009)`"),
    Case("a deflate bomb, 1 GiB in 1 MiB", bomb, "`Disconnected(code=1009)`", memory=64 * MEBIBYTE),
    Case("noise after the upgrade", endless(_NOISE), "`Disconnected(code=1002)`"),
    Case("a close frame, then data without end", endless(b"\x88\x02\x03\xe8", _NOISE), "`Disconnected(code=1000)`"),
    Case(
        "a byte now and then of a message without end, `heartbeat=1`",
        a_byte_at_a_time,
        "`Disconnected(code=None)`",
        seconds=6.0,
        feed={"heartbeat": 1.0},
    ),
    Case("pings without end, pongs not read", endless(_PING), "`Disconnected(code=1006)`", seconds=40.0),
    Case("header lines without end", headers(lambda n: b"X-%d: y\r\n" % n * 500), "`ConnectFailed`", recovers=False),
    Case(
        "one header line without end",
        headers(lambda n: b"X-Long: " if n == 0 else b"y" * _PIECE),
        "`ConnectFailed`",
        recovers=False,
    ),
    Case("early hints without end, and no answer", interim, "`ConnectFailed`", recovers=False),
    Case(
        "a header a second, `dial_timeout=3`",
        headers(lambda n: b"X-%d: y\r\n" % n, pause=1.0),
        "`Disconnected(code=None)`",
        seconds=8.0,
        feed={"dial_timeout": 3.0},
    ),
    Case("no answer to the upgrade, `dial_timeout=2`", stalled_upgrade, "`Disconnected(code=None)`", feed={"dial_timeout": 2.0}),
    Case("a refusal whose text has no end", endless_body, "`ConnectFailed`", recovers=False),
    Case("our goodbye is not answered", deaf, "`close()` returns", recovers=False, ends="close"),
    Case("our goodbye is not answered, data without end", deaf_and_loud, "`close()` returns", recovers=False, ends="close"),
    Case("the same over TLS", deaf_and_loud, "`close()` returns", recovers=False, ends="close", tls=True),
    Case(
        "our goodbye and the 8 MB before it are not read",
        stuffed,
        "`close()` returns",
        recovers=False,
        ends="stuff",
        memory=64 * MEBIBYTE,
    ),
]
