"""Every example runs to its end, offline, without a warning, and README names it."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from syncstream import Feed, Overflow, Stream
from syncstream.clock import now
from syncstream.testing import Broker
from syncstream.venues import binance as binance_venue
from syncstream.venues import gemini as gemini_venue
from tests.stream.setting import PATIENCE
from tests.venues import run
from tests.venues.sessions import binance, binance_usdm

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example: Path) -> None:
    """It ends by itself, says something, and nothing on standard error."""
    command = [sys.executable, "-X", "dev", "-W", "error", str(example)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # these sources, whatever is installed
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_echo_waits_for_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the server closes: pings that are answered are enough, however long nothing is said."""
    told: list[Feed] = []

    class Watched(Stream):
        def __init__(self, feed: Feed, **options: Any) -> None:
            told.append(feed)
            super().__init__(feed, **options)

    echo: Any = runpy.run_path(str(ROOT / "examples" / "echo.py"))["echo"]
    monkeypatch.setitem(echo.__globals__, "Stream", Watched)
    assert echo("ws://127.0.0.1:9/")  # nobody is there, and that is told
    assert told[0].liveness.silence == told[0].liveness.maximum_silence == float("inf")
    assert told[0].liveness.ping_after < 60.0


def test_readme_names_every_example() -> None:
    """A way to consume that nobody finds is none."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")]
    assert names
    assert [name for name in names if f"(examples/{name})" not in readme] == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("live_book", "binance"),
        ("live_book", "--help"),
        ("live_book", "alpaca AAPL"),
        ("live_book", "nowhere BTCUSDT"),
        ("live_book", "binance BTC/USDT"),
        ("recorder", "binance BTCUSDT"),
        ("recorder", "massive AAPL file"),
        ("spread", "binance:BTCUSDT"),
        ("spread", "binance:BTCUSDT gemini"),
        ("spread", "binance:BTCUSDT massive:AAPL"),
    ],
)
def test_wrong_arguments_are_told_in_a_line(name: str, arguments: str) -> None:
    """How it is called, and what was wrong: no traceback."""
    with pytest.raises(SystemExit) as raised:
        example(name)["asked"](arguments.split())
    said = str(raised.value)
    assert said.startswith(f"usage: {name}.py VENUE")
    assert "\n" not in said


def test_arguments_name_any_venue_with_books() -> None:
    """Also one that has a symbol a line."""
    feed, key = example("live_book")["asked"](["gemini", "BTCUSD"])
    assert (feed.endpoint.partition("?")[0], key) == ("wss://api.gemini.com/v1/marketdata/BTCUSD", "BTCUSD")
    here, there, keys = example("spread")["asked"](["binance:BTCUSDT", "gemini:BTCUSD"])
    assert (here, there, keys) == (binance_venue.depth(["BTCUSDT"]), gemini_venue.depth(["BTCUSD"]), ("BTCUSDT", "BTCUSD"))
    feed, path = example("recorder")["asked"](["binance", "BTCUSDT,ETHUSDT", "today.jsonl"])
    assert (feed, path) == (binance_venue.depth(["BTCUSDT", "ETHUSDT"]), Path("today.jsonl"))


def example(name: str) -> dict[str, Any]:
    """What is defined in it; nothing is run."""
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"))


def recorded(stream: Stream[Any], path: Path) -> list[Any]:
    """What the recorder has written of a stream that was closed, or of one that has failed."""
    try:
        example("recorder")["record"](stream, path)
    finally:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return lines


def test_the_recorder_writes_all_that_has_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits when the stream is closed is written, each line whole; the figures at the end are those of the file."""
    with Broker(rate=0, heartbeat=None) as broker, Stream(broker.feed(snapshot=None, book=None)) as stream:
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC", 3000)
        broker.publish("XYZ", 2000)
        broker.wait_for(lambda: stream.status.messages == 5000, PATIENCE)
        stream.close(drain=True)
        lines = recorded(stream, tmp_path / "recorded.jsonl")
    numbers = {
        symbol: [line["message"]["seq"] for line in lines if line.get("message", {}).get("symbol") == symbol]
        for symbol in broker.symbols
    }
    assert numbers == {"ABC": list(range(1, 3001)), "XYZ": list(range(1, 2001))}
    assert [line["at_ns"] for line in lines] == sorted(line["at_ns"] for line in lines)
    assert Counter(line.get("marker") for line in lines) == {None: 5000, "Connected": 1, "Subscribed": 2, "Closed": 1}
    assert f"{len(lines):,} lines" in (said := capsys.readouterr().out)
    assert "0 items were not written" in said


def test_the_recorder_is_loud_when_it_was_too_slow(tmp_path: Path) -> None:
    """What fitted is in the file, then the failure is raised."""
    with Broker(rate=0, heartbeat=None) as broker:
        stream = Stream(broker.feed(snapshot=None, book=None), queue_size=10)
        stream.events()  # somebody consumes, so that nothing is thrown away before
        broker.wait_for(lambda: any(broker.subscriptions.values()), PATIENCE)
        broker.publish("ABC", 1000)
        broker.wait_for(lambda: stream.closed, PATIENCE)
        with pytest.raises(Overflow):
            recorded(stream, tmp_path / "recorded.jsonl")
        assert (tmp_path / "recorded.jsonl").read_bytes().endswith(b"}\n")


# ---------------------------------------------------------------- with the adapters of venues, along recorded sessions


def test_a_live_book_of_a_venue(capsys: pytest.CaptureFixture[str]) -> None:
    """Five levels a side, of a symbol that was recorded."""
    with run.play(binance.part("@depth@100ms"), rate=3000.0) as server:
        example("live_book")["watch"](binance.depth(server), "ZILUSDT", 2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * 11
    assert re.fullmatch(r"ZILUSDT at \d+", lines[0])
    assert all(re.fullmatch(r" +\d+\.\d+ +\d+\.\d+", line) for line in lines[1:11])


def test_a_recorded_venue(tmp_path: Path) -> None:
    """All messages of the session, as the venue sent them; what began as a snapshot is one."""
    history = binance.part("@depth@100ms")
    expected = sum(delta is not None for delta in history.deltas)
    with run.play(history, rate=3000.0) as server, Stream(binance.depth(server), queue_size=100_000) as stream:
        end = now() + PATIENCE
        while {key: book.position for key, book in stream.books.items() if book.live} != history.final:
            assert now() < end, stream
            Event().wait(0.01)
        stream.close(drain=True)
        lines = recorded(stream, tmp_path / "recorded.jsonl")
    messages = [line["message"]["data"] for line in lines if "message" in line]
    snapshots = [line for line in lines if line.get("marker") == "Snapshot"]
    assert len(snapshots) == 10
    assert 0 < len(messages) <= expected
    assert messages[-1].keys() == {"s", "U", "u", "E", "b", "a"}
    last = {message["s"]: message["u"] for message in messages}
    assert last == {symbol: history.final[symbol] for symbol in last}


def test_the_spread_between_two_venues(capsys: pytest.CaptureFixture[str]) -> None:
    """Spot against futures, on the same day: the prices are near each other."""
    here, there = binance.part("@depth@100ms"), binance.part("@depth@100ms", binance_usdm.CAPTURE)
    with run.play(here, rate=2000.0) as spot, run.play(there, rate=2000.0) as futures:
        example("spread")["watch"](binance.depth(spot), binance_usdm.depth(futures), ("NEOUSDC", "NEOUSDT"), 3.0)
    lines = capsys.readouterr().out.splitlines()
    spreads = [float(figure) for line in lines for figure in re.findall(r"here: ([-+][\d.]+)", line)]
    assert spreads
    assert max(map(abs, spreads)) < 1.0  # of some 50
