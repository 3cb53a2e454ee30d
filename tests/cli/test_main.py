"""Tests of the command as users start it: exit codes, what stands on stdout, what is missing, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from syncstream.cli import main

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-W", "error", "-m", "syncstream", "demo")


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which does not outlive the test."""
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_json_of_a_short_run() -> None:
    """Exit code 0, one JSON object and nothing else on stdout, plain lines without codes on stderr."""
    with started("--json", "--duration", "2", "--seed", "4", "--symbols", "2") as process:
        out, err = process.communicate(timeout=50)
    result = json.loads(out)

    assert process.returncode == 0, err
    assert (result["verdict"], result["seed"], result["differences"]) == ("equal", 4, [])
    assert set(result["symbols"]) == {"ABC", "XYZ"}
    assert all(symbol["equal"] and symbol["messages"] for symbol in result["symbols"].values())
    assert result["faults"]["drop"] == 1
    assert 2.0 <= result["duration"] < 40.0
    assert "VENUE   loses" in err
    assert "VERDICT: equal" in err
    assert "\x1b" not in err


def test_ctrl_c() -> None:
    """SIGINT in the middle: exit code 130, the verdict says so, and no traceback."""
    with started("--duration", "60") as process:
        assert process.stdout is not None
        seen = ""
        while "complete" not in seen:
            seen = process.stdout.readline()
            assert seen, "it ended before it began"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, err) == (130, "")
    assert "VERDICT: interrupted" in out


def test_a_reader_that_goes_away() -> None:
    """`syncstream demo | head -1` ends without a traceback."""
    with started("--duration", "60") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 1
        assert process.stderr.read() == ""


def test_without_websockets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The venue needs an extra: one line says how to get it, exit code 2."""
    monkeypatch.setitem(sys.modules, "websockets", None)

    assert main(["demo", "--duration", "1"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "pip install 'syncstream[demo]'" in captured.err


def test_help_and_version_need_no_extra() -> None:
    """`--help` and `--version` are answered where neither websockets nor rich is there, and load neither."""
    code = (
        "import sys\n"
        "sys.modules['websockets'] = sys.modules['rich'] = None\n"
        "from syncstream.cli import main\n"
        "for option in ('--help', '--version'):\n"
        "    try: main([option])\n"
        "    except SystemExit as ended: assert ended.code == 0\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout
    assert "syncstream " in done.stdout.splitlines()[-1]
