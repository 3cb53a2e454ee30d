"""Every example runs to its end, offline, without a warning, and README names it."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from syncstream import Overflow, Stream
from syncstream.testing import Broker
from tests.stream.setting import PATIENCE

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


def test_readme_names_every_example() -> None:
    """A way to consume that nobody finds is none."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")]
    assert names
    assert [name for name in names if f"(examples/{name})" not in readme] == []


def recorded(stream: Stream[Any], path: Path) -> list[Any]:
    """What the recorder has written of a stream that was closed, or of one that has failed."""
    record: Any = runpy.run_path(str(ROOT / "examples" / "recorder.py"))["record"]
    try:
        record(stream, path)
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
