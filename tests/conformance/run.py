"""The echo example through the cases of the suite, and what came of it as a table."""

from __future__ import annotations

import importlib.metadata
import itertools
import platform
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Sequence

from tests.readme import table

from .suite import Result, Suite, loaded

ECHO = Path(__file__).parent.parent.parent / "examples" / "echo.py"

_GROUPS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close handshake",
    "9": "large messages, many fragments",
    "10": "automatic fragmentation",
    "12": "compression, 5 kinds of data",
    "13": "compression, 7 sets of parameters",
}
_HEAD = ("group", "cases", "OK", "non-strict", "informational", "failed", "wrong close")


def run(cases: Sequence[str], progress: Callable[[int, int], None] = lambda done, count: None, *, jobs: int = 1) -> list[Result]:
    """Run these cases ("*" is all, "6.*" a group), on `jobs` servers side by side, each of which has a processor's worth to do.

    Each takes the next case when it is done with one. `progress` is told how many of how many are done. Raises `suite.Missing`.
    """
    echo: Any = loaded(ECHO)
    numbers, done = itertools.count(1), itertools.count(1)

    def share() -> list[Result]:
        with Suite(cases) as suite:
            count = _count(suite.url)
            took = False
            while (number := next(numbers)) <= count:
                took = True
                echo.echo(f"{suite.url}/runCase?case={number}&agent=syncstream")
                progress(next(done), count)
            if not took:
                return []
            echo.echo(f"{suite.url}/updateReports?agent=syncstream")
            return suite.results()

    with ThreadPoolExecutor(jobs) as pool:
        shares = [pool.submit(share) for _ in range(jobs)]
        return sorted(itertools.chain.from_iterable(one.result() for one in shares), key=Result.place)


def _count(url: str) -> int:
    from syncstream import Endpoint, Feed, Stream

    with Stream(Feed(Endpoint(url=f"{url}/getCaseCount", proxy=None), decode=int)) as stream:
        return int(stream.get(timeout=30.0))


def report(results: Sequence[Result]) -> str:
    """The table, a row for each group, and a line that says with what it was made."""
    rows: list[list[object]] = []
    for group, title in _GROUPS.items():
        own = [result for result in results if result.case.split(".")[0] == group]
        if own:
            rows.append([f"{group} {title}", *_figures(own)])
    rows.append(["all", *_figures(results)])
    version = importlib.metadata.version("websocket-client")
    made = f"Autobahn TestSuite 0.8.2, Python {platform.python_version()}, websocket-client {version}"
    when = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{table(_HEAD, rows)}\n\n{made}; {when}."


def _figures(results: Sequence[Result]) -> list[int]:
    found = Counter(result.behavior for result in results)
    failed = len(results) - found["OK"] - found["NON-STRICT"] - found["INFORMATIONAL"]
    close = sum(result.close not in ("OK", "INFORMATIONAL") for result in results)
    return [len(results), found["OK"], found["NON-STRICT"], found["INFORMATIONAL"], failed, close]
