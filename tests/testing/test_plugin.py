"""The pytest plugin and the package as others import them: in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NO_WEBSOCKETS = "import sys; sys.modules['websockets'] = None\n"


def python(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", ["from syncstream.testing import Broker", "import syncstream.testing as t; t.Replica"])
def test_without_the_extra_there_is_one_clear_error(way: str) -> None:
    """Any use of the package says what to install."""
    done = python("-c", NO_WEBSOCKETS + way)
    assert done.returncode == 1
    assert done.stderr.rstrip().splitlines()[-1] == (
        "ImportError: syncstream.testing needs the package websockets: pip install 'syncstream[testing]'"
    )


def test_the_plugin_loads_without_the_extra_and_loads_little() -> None:
    """pytest imports it in every project; it must neither fail there nor pull in a server."""
    script = "import syncstream.testing.plugin\nprint(*sorted(m for m in sys.modules if m.startswith('syncstream.testing')))"
    done = python("-c", NO_WEBSOCKETS + script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["syncstream.testing", "syncstream.testing.plugin"]


def test_the_names_of_the_package() -> None:
    """Those it promises are there, and no others are made up."""
    import syncstream.testing as package

    assert {"Broker", "Counts", "Faults", "Replica", "State"} <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = package.Nothing


def test_the_fixture_is_a_running_broker(tmp_path: Path) -> None:
    """By hand unless marked otherwise, stopped after the test, and its mark is known to strict runs."""
    (tmp_path / "test_mine.py").write_text(
        """
import pytest

used = []

def test_plain(broker):
    used.append(broker)
    broker.publish("ABC", 3)
    assert broker.state("ABC").version == 3
    assert broker.rate == 0
    assert broker.url.startswith("ws://127.0.0.1:")

@pytest.mark.broker(symbols=("Q",), rate=200.0)
def test_marked(broker):
    assert broker.symbols == ("Q",)
    broker.wait_for(lambda: broker.counts["published"])

def test_the_first_one_was_stopped():
    with pytest.raises(RuntimeError, match="runs once"):
        used[0].start()
"""
    )
    done = python(
        "-m", "pytest", "-q", "--strict-markers", "-p", "syncstream.testing.plugin", "-p", "no:cacheprovider", folder=tmp_path
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
