"""A stream in a process of its own, so that its memory can be measured: `python -m tests.hostile.victim JSON`.

The argument: `url`, `ca` (a file), `feed` (options of `Feed`), `ends` ("recover": until the message "well"; "close": close after
"hello"; "stuff": the same, with more on its way than the system takes). What came of it is printed as JSON: see `cases.Found`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
from typing import Any

from syncstream import Backoff, Disconnected, Endpoint, Feed, SendUnknown, Stream, StreamFailed


def peak() -> int:
    """The most memory this process has had, in bytes."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def stuff(stream: Stream) -> None:
    """Send more than the system takes."""
    with contextlib.suppress(SendUnknown):
        stream.send(bytes(8_000_000), timeout=60.0)


def main() -> None:
    asked = json.loads(sys.argv[1])
    logging.getLogger("syncstream").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {"backoff": Backoff(base=0.05, maximum=0.05), **asked["feed"]}
    feed = Feed(Endpoint(url=asked["url"], proxy=None, sslopt={"ca_certs": asked["ca"]}), decode=None, **options)
    found: dict[str, Any] = {"told": [], "told_after": None, "recovered": False}
    before, began = peak(), time.monotonic()

    def tell(words: str) -> None:
        if found["told_after"] is None:
            found["told_after"] = time.monotonic() - began
        found["told"].append(words)

    stream = Stream(feed)
    try:
        for item in stream.events():
            if isinstance(item, Disconnected):
                tell(f"`Disconnected(code={item.code})`: {item.reason}")
            elif item == "hello" and asked["ends"] != "recover":
                if asked["ends"] == "stuff":
                    sender = threading.Thread(target=stuff, args=(stream,))
                    sender.start()
                    sender.join(0.5)
                began = time.monotonic()
                stream.close(timeout=5.0)
                tell("`close()` returns")
            elif item == "well":
                found["recovered"] = True
                break
    except StreamFailed as failure:
        tell(f"`{type(failure).__name__}`: {failure}")
    closing = time.monotonic()
    report = stream.close(timeout=5.0)
    found["closed_after"] = time.monotonic() - closing
    found["left"] = list(report.threads)
    found["memory"] = peak() - before
    print(json.dumps(found))


if __name__ == "__main__":
    main()
