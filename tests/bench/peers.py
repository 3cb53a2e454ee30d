"""The clients that are compared: each reads the same quotes, decodes them, and checks the number of every symbol.

A peer is a function `(Job, Tally) -> None` that reads until the tally has enough. Those of other libraries are written as their
documentation shows it, with `msgspec` where they leave the decoding to the user and with nothing in the loop but the check; ours
has the check within. Libraries are imported where they are used: a peer that is not installed is left out of the table.
"""

from __future__ import annotations

import importlib
import json
import ssl
import threading
import time
from typing import Any, Callable, NamedTuple, Optional

import msgspec

from . import market
from .market import Quote

_EVERY = 255  # quotes between two looks at the clock, and 1


class Job(NamedTuple):
    """What to read: `most` quotes, or as many as come in `seconds`. `ca`: of a server with TLS."""

    url: str
    most: int
    seconds: float
    ca: Optional[str] = None
    deflate: bool = False


class Tally:
    """Owned by: its peer, one thread. What was read. Latencies are kept if they are wanted; the first tenth is warming up."""

    def __init__(self, job: Job, *, timed: bool) -> None:
        self.job = job
        self.timed = timed
        self.count = self.wrong = 0
        self.began = self.ended = self.cpu_began = self.cpu_ended = 0.0
        self.latencies: list[int] = []
        self._positions: dict[str, int] = {}

    def start(self) -> None:
        """The first quote is here."""
        self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def take(self, quote: Quote) -> bool:
        """Count one that was checked. False: enough."""
        if not self.count:
            self.start()
        self.count += 1
        if self.timed:
            self.latencies.append(market.stamp() - quote.ts)
        return self._goes_on()

    def check(self, quote: Quote) -> bool:
        """Check the number of one, and count it. False: enough."""
        positions = self._positions
        if quote.seq != positions.get(quote.symbol, 0) + 1:
            self.wrong += 1
        positions[quote.symbol] = quote.seq
        return self.take(quote)

    def _goes_on(self) -> bool:
        if self.count < self.job.most and (self.count & _EVERY or time.perf_counter() < self.began + self.job.seconds):
            return True
        self.ended, self.cpu_ended = time.perf_counter(), time.process_time()
        return False


Peer = Callable[[Job, Tally], None]

_DECODER = msgspec.json.Decoder(Quote)


def _context(job: Job) -> Optional[ssl.SSLContext]:
    return ssl.create_default_context(cafile=job.ca) if job.ca else None


# -------------------------------------------------------------------- syncstream


def _stream(job: Job) -> Any:
    from syncstream import Contiguous, Deflate, Endpoint, Feed, Stream

    sslopt = {"ca_certs": job.ca} if job.ca else {}
    endpoint = Endpoint(url=job.url, sslopt=sslopt, proxy=None, compression=Deflate() if job.deflate else None)
    feed = Feed(endpoint, decode=Quote, key="symbol", sequence=Contiguous("seq"))
    return Stream(feed, overflow="block", block_limit=600.0)


def ours_loop(job: Job, tally: Tally) -> None:
    """`for quote in stream`."""
    with _stream(job) as stream:
        take = tally.take
        for quote in stream:
            if type(quote) is not Quote:
                tally.wrong += 1
            elif not take(quote):
                return


def ours_get(job: Job, tally: Tally) -> None:
    """`stream.get()`."""
    with _stream(job) as stream:
        while True:
            quote = stream.get(timeout=10.0)
            if type(quote) is not Quote:
                tally.wrong += 1
            elif not tally.take(quote):
                return


def ours_get_many(job: Job, tally: Tally) -> None:
    """`stream.get_many()`."""
    with _stream(job) as stream:
        while True:
            for quote in stream.get_many(500, timeout=10.0):
                if type(quote) is not Quote:
                    tally.wrong += 1
                elif not tally.take(quote):
                    return


def ours_workers(job: Job, tally: Tally) -> None:
    """`stream.run(workers=2)`, the tally under a lock."""
    lock, done = threading.Lock(), threading.Event()
    with _stream(job) as stream:

        def handle(quote: Quote) -> None:
            with lock:
                if not done.is_set() and not tally.take(quote):
                    done.set()

        stream.on(Quote)(handle)
        stream.start(workers=2, markers="ignore")
        done.wait(job.seconds + 30.0)


# -------------------------------------------------------------------- the others


def picows_uvloop(job: Job, tally: Tally) -> None:
    """picows on uvloop: a listener that decodes each frame where it lies."""
    asyncio, picows, uvloop = (importlib.import_module(name) for name in ("asyncio", "picows", "uvloop"))
    decode, check = _DECODER.decode, tally.check

    def on_ws_frame(self: Any, transport: Any, frame: Any) -> None:
        if not tally.ended and not check(decode(frame.get_payload_as_memoryview())):
            transport.disconnect()

    listener = type("Listener", (picows.WSListener,), {"on_ws_frame": on_ws_frame})

    async def main() -> None:
        transport, _ = await picows.ws_connect(listener, job.url, ssl_context=_context(job))
        await transport.wait_disconnected()

    uvloop.install()
    asyncio.run(main())


def aiohttp_uvloop(job: Job, tally: Tally) -> None:
    """aiohttp on uvloop: `async for`."""
    asyncio, aiohttp, uvloop = (importlib.import_module(name) for name in ("asyncio", "aiohttp", "uvloop"))
    decode, check = _DECODER.decode, tally.check

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            options = {"ssl": _context(job)} if job.ca else {}
            async with session.ws_connect(job.url, compress=15 if job.deflate else 0, **options) as ws:
                async for message in ws:
                    if not check(decode(message.data)):
                        return

    uvloop.install()
    asyncio.run(main())


def websockets_sync(job: Job, tally: Tally) -> None:
    """websockets' threaded client: `for`."""
    client = importlib.import_module("websockets.sync.client")
    decode, check = _DECODER.decode, tally.check
    options = {"ssl": _context(job)} if job.ca else {}
    with client.connect(job.url, compression="deflate" if job.deflate else None, close_timeout=0.1, **options) as ws:
        for text in ws:
            if not check(decode(text)):
                return


def websocket_client_recv(job: Job, tally: Tally) -> None:
    """websocket-client: `ws.recv()`."""
    websocket = importlib.import_module("websocket")
    decode, check = _DECODER.decode, tally.check
    ws = websocket.create_connection(job.url, sslopt={"ca_certs": job.ca} if job.ca else None)
    while check(decode(ws.recv())):
        pass
    ws.shutdown()


def websocket_app(job: Job, tally: Tally) -> None:
    """websocket-client's `WebSocketApp`, with `json`, as most people use it."""
    websocket = importlib.import_module("websocket")
    check = tally.check

    def on_message(app: Any, text: str) -> None:
        if not tally.ended and not check(Quote(**json.loads(text))):
            app.close()

    websocket.WebSocketApp(job.url, on_message=on_message).run_forever(sslopt={"ca_certs": job.ca} if job.ca else None)


def lomond(job: Job, tally: Tally) -> None:
    """lomond: `for event in websocket.connect()`."""
    library = importlib.import_module("lomond")
    decode, check = _DECODER.decode, tally.check
    socket = library.WebSocket(job.url, compress=job.deflate)
    for event in socket.connect(ping_rate=0):
        if event.name == "text" and not check(decode(event.text)):
            return


def limit(job: Job, tally: Tally) -> None:
    """Only `msgspec`, in one thread, no socket: what is there to win at all."""
    size = int(job.url.partition("size=")[2].partition("&")[0])
    payloads = [market.text(number, size) for number in range(min(job.most, 200_000))]
    decode, rounds = _DECODER.decode, max(1, job.most // len(payloads))
    tally.start()
    for _ in range(rounds):
        for payload in payloads:
            decode(payload)
    tally.count = rounds * len(payloads)
    tally.ended, tally.cpu_ended = time.perf_counter(), time.process_time()


PEERS: dict[str, tuple[str, Peer]] = {
    "loop": ("syncstream, `for`", ours_loop),
    "get": ("syncstream, `get`", ours_get),
    "get_many": ("syncstream, `get_many`", ours_get_many),
    "workers": ("syncstream, `run(workers=2)`", ours_workers),
    "picows": ("picows + uvloop", picows_uvloop),
    "aiohttp": ("aiohttp + uvloop", aiohttp_uvloop),
    "websockets": ("websockets.sync", websockets_sync),
    "recv": ("websocket-client, `recv`", websocket_client_recv),
    "app": ("`WebSocketApp` + json", websocket_app),
    "lomond": ("lomond", lomond),
    "limit": ("msgspec alone", limit),
}
"""What the table calls each, and what it does."""

NO_DEFLATE = frozenset({"picows", "recv", "app"})
NO_PRIVATE_CA = frozenset({"lomond"})
