"""A stream in a real notebook: the example is executed, a cell is interrupted, run again, and the kernel's loop goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel are not installed")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "notebook.ipynb"
LONG = 50

# What asyncio and zmq leave behind in the process that drives a kernel is not ours.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is this very Python, whatever is registered on this machine; nothing is written to the user's folders."""
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": arguments, "display_name": "Python 3", "language": "python", "interrupt_mode": "signal"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def outputs(notebook: Any, kind: str) -> str:
    """All outputs of this MIME type, and what was printed."""
    found = []
    for one in notebook.cells:
        for output in one.get("outputs", []):
            found.append(output.get("text", "") if kind == "text/plain" else "")
            found.append(output.get("data", {}).get(kind, ""))
    return "\n".join(found)


def run(notebook: Any) -> Any:
    client = nbclient.NotebookClient(notebook, timeout=LONG, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    return client.execute()


def cells(*sources: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_the_example_notebook_runs() -> None:
    """Every cell, in order; there are messages, tables and the card in it, and no output is kept in the repository."""
    example = nbformat.read(EXAMPLE, as_version=4)
    nbformat.validate(example)
    assert all(not one.get("outputs") and one.get("execution_count") is None for one in example.cells)
    done = run(example)
    html = outputs(done, "text/html")
    assert html.count('class="syncstream"') == 2  # the stream, and the live card
    assert "latency p50 / p99" in html
    assert html.count('class="dataframe"') == 2
    assert "Snapshot(key='ABC'" in outputs(done, "text/plain")


BEGIN = """
from syncstream import *
from syncstream.testing import Broker
broker = Broker(symbols=("ABC",), rate=0, heartbeat=0.2).start()
"""
AGAIN = """
stream = Stream(Feed(broker.url, subscribe=broker.subscribe, key="symbol"), name="quotes")
stream
"""


FIRST = "first = stream"
SECOND = "print('again:', first.closed, stream.closed, len(streams()))"

INTERRUPTED = """
import os, signal, threading
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()  # what the notebook's stop button sends
try:
    stream.get()
except KeyboardInterrupt:
    print("interrupted")
"""
GOES_ON = """
broker.publish("ABC")
print("goes on:", stream.closed, stream.get(timeout=10)["version"])
"""


LOOP = """
import asyncio
ticks = []
async def tick():
    while True:
        ticks.append(1)
        await asyncio.sleep(0.01)
task = asyncio.get_running_loop().create_task(tick())
broker.publish("ABC", 3)
print([stream.get(timeout=10)["version"] for _ in range(3)])
"""
AWAIT = """
before = len(ticks)
broker.publish("ABC")
print(await asyncio.get_running_loop().run_in_executor(None, stream.get, 10))
await asyncio.sleep(0.05)
task.cancel()
print("ticked", len(ticks) > before)
"""


END = "stream.close()\nbroker.stop()"


def test_what_a_notebook_does_to_a_stream() -> None:
    """A cell run again closes its stream, though the output cache keeps it; the stop button ends a wait and not the stream;
    the loop of the kernel is no trouble, neither in a cell that blocks it nor beside one that awaits.
    """
    done = run(cells(BEGIN, AGAIN, FIRST, AGAIN, SECOND, INTERRUPTED, GOES_ON, LOOP, AWAIT, END))
    text = outputs(done, "text/plain")
    for part in ("again: True False 1", "interrupted", "goes on: False 1", "[2, 3, 4]", "'version': 5", "ticked True"):
        assert part in text
