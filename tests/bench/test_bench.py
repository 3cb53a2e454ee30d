"""The benchmark itself: what is sent is what is said, every client counts all of it, and the figures are taken as told."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import msgspec
import pytest

from syncstream.core.frames import Frames

from . import __main__ as bench
from . import market
from .client import Measured
from .market import Quote
from .picture import svg


@pytest.mark.parametrize("deflate", [False, True])
def test_a_burst_is_what_it_says(deflate: bool) -> None:
    """Every quote of every symbol, in order, in the size that was asked for."""
    received = Frames(max_message_size=10_000).receive(b"".join(market.burst(500, 200))) if not deflate else _inflated()
    quotes = [msgspec.json.decode(payload, type=Quote) for _, payload in received]
    assert {len(payload) for _, payload in received} == {200}
    assert [(quote.symbol, quote.seq) for quote in quotes] == [(f"SYM{n % 50:06d}", n // 50 + 1) for n in range(500)]


def _inflated() -> list[tuple[int, bytes]]:
    """The same by zlib alone: frames of less than 126 bytes have a head of two."""
    data, window, found = b"".join(market.burst(500, 200, deflate=True)), zlib.decompressobj(-15), []
    while data:
        head, length = (4, int.from_bytes(data[2:4], "big")) if data[1] == 126 else (2, data[1])
        found.append((1, window.decompress(data[head : head + length] + b"\x00\x00\xff\xff")))
        data = data[head + length :]
    return found


def test_stamps_have_as_many_digits() -> None:
    """So that a message is as long at any time."""
    assert len(str(market.stamp())) == len(str(market.EPOCH))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["burst", "tls", "deflate", "busy", "paced-5000"])
def test_every_way_of_ours_reads_all(name: str) -> None:
    """A small load of each kind, through the processes of the benchmark; nothing is out of order."""
    scenario = bench.SCENARIOS[name]
    path = scenario.path.replace(f"count={scenario.most}", "count=2000")
    small = scenario._replace(path=path, most=2000, seconds=60.0)  # WebSocketApp beside a busy thread: 240 a second
    with bench.Source() as source:
        source.build(small)
        runs = [source.measure(small, peer) for peer in scenario.peers if peer in ("loop", "get", "get_many", "workers", "app")]
    assert [(run.count, run.wrong) for run in runs] == [(2000, 0)] * len(runs)
    assert all(0 < run.p50 <= run.p99 <= run.p999 for run in runs if scenario.timed)


def _runs(*rates: float) -> list[Measured]:
    return [Measured(peer="x", count=1000, seconds=1000 / rate, cpu=1.0, p50=5.0, p99=rate) for rate in rates]


def test_ratios_are_taken_within_a_round() -> None:
    """What disturbs one round disturbs both of its runs; the median of the ratios is judged."""
    goal = bench.Goal("of a test", "burst", "rate", "app", 2.0)
    found = {"burst": {"loop": _runs(100, 400, 300), "app": _runs(50, 100, 200)}}
    assert bench.ratios(found, goal) == pytest.approx([2.0, 4.0, 1.5])
    assert bench.met(goal, bench.ratios(found, goal)) is True
    assert bench.met(goal._replace(most=True, number=1.9), bench.ratios(found, goal)) is False
    assert bench.met(goal, bench.ratios({}, goal)) is None


def test_what_is_not_installed_is_left_out() -> None:
    """It is named in the table, and has no bar and no ratio."""
    found = {"burst": {"loop": _runs(100), "picows": [Measured(peer="picows", missing="picows")]}}
    assert "picows is not installed" in bench.details("burst", found)
    assert bench.ratios(found, bench.GOALS[0]) == []
    assert "picows" not in svg(found)


def test_the_picture_is_a_picture() -> None:
    """Well-formed, with a bar for each client."""
    drawn = svg({"of <this>": {"loop": _runs(100, 120), "app": _runs(10, 12)}})
    bars = [each for each in ElementTree.parse(io.StringIO(drawn)).iter() if each.tag.endswith("rect")]
    assert len(bars) == 3  # and the sheet


def test_the_clients_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that cannot be imported is named, and no traceback is shown."""
    from .client import measure
    from .peers import Job

    monkeypatch.setitem(sys.modules, "lomond", None)
    assert measure("lomond", Job("ws://localhost:1", 1, 1.0), timed=False, busy=False).missing == "lomond"
