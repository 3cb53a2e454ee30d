"""How do I drive a WebSocket by hand, frame by frame? Sends back what comes, until the server closes: python examples/echo.py

Without a URL it runs offline, against a small server of its own. Needs `syncstream[testing]` for that.
"""

import contextlib
import math
import sys

from syncstream import Disconnected, Endpoint, Event, Feed, Liveness, NotConnected, SendUnknown, Stream


def echo(url: str) -> str:
    """Returns why it ended."""
    addresses = iter([Endpoint(url=url, proxy=None)])  # asked before every attempt: there is one connection, and no second
    patient = Liveness(silence=math.inf, maximum_silence=math.inf)  # a server may say nothing for hours, if it answers pings
    feed = Feed(lambda: next(addresses), decode=None, liveness=patient)  # text comes as str, binary as bytes, and goes back so
    with Stream(feed, overflow="block", block_limit=60.0) as stream:
        for item in stream.events():
            if isinstance(item, Disconnected):
                return item.reason
            if not isinstance(item, Event):
                with contextlib.suppress(NotConnected, SendUnknown):  # it has gone: `Disconnected` follows and says why
                    stream.send(item)
    return "closed"


def offline() -> None:
    """A server that says three things, prints what comes back, and closes."""
    import threading

    from websockets.sync.server import ServerConnection, serve

    def handle(connection: ServerConnection) -> None:
        for said in ("text", b"bytes", "grüße"):
            connection.send(said)
            print(f"sent {said!r}, got {connection.recv()!r}")

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        print(echo(f"ws://127.0.0.1:{server.socket.getsockname()[1]}"))
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(echo(sys.argv[1]))
    else:
        offline()
