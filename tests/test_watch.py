"""`watch.py`: who holds up the reader is named in the log."""

from __future__ import annotations

import logging

import pytest

from syncstream import watch


def test_a_slow_callable_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its field and how long it took; also when it raises."""
    moments = iter([0.0, 0.051, 1.0, 1.2])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    with caplog.at_level(logging.WARNING, "syncstream.reader"):
        assert watch.watched("key", lambda message: message + 1)(1) == 2
        with pytest.raises(ZeroDivisionError):
            watch.watched("decode", lambda message: message / 0)(1)
    assert [record.getMessage() for record in caplog.records] == [
        "key= took 51 ms on the reader thread; nothing was received meanwhile",
        "decode= took 200 ms on the reader thread; nothing was received meanwhile",
    ]


def test_a_quick_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """It keeps its name, for what is told of it elsewhere."""

    def symbol(message: object) -> object:
        return message

    watched = watch.watched("key", symbol)
    assert (watched("x"), watched.__name__, caplog.records) == ("x", "symbol", [])
