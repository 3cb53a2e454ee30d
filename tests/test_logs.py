"""What leaves the loggers of the library has no secret in it, and is unchanged otherwise."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

import syncstream
from syncstream import Secret, logs

KEY = Secret("a-key-for-the-log")


def test_message_arguments_and_traceback_are_scrubbed(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever handler and formatter the user has set up."""
    log = logs.logger("syncstream.of-a-test")
    try:
        raise KeyError(str(KEY))
    except KeyError:
        log.exception("failed with %s and %r", str(KEY), {"key": str(KEY)})
    record = caplog.records[0]
    assert record.getMessage() == "failed with *** and {'key': '***'}"
    shown = logging.Formatter("%(message)s").format(record)
    assert "a-key-for-the-log" not in shown
    assert "KeyError: '***'" in shown
    assert "a-key-for-the-log" not in caplog.text


def test_a_logger_is_made_once() -> None:
    """However often it is asked for."""
    assert logs.logger("syncstream.twice") is logs.logger("syncstream.twice")
    assert len(logs.logger("syncstream.twice").filters) == 1


def test_every_module_takes_its_logger_from_here() -> None:
    """One that made its own would not be scrubbed."""
    package = Path(syncstream.__file__).parent
    own = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "getLogger"
    }
    assert own == {"logs.py", "stream.py", "snapshots/client.py", "cli/demo.py"}  # a NullHandler, a filter, a view of the log
