"""`core/connections.py`: what a connection begins with, and what a failure says of the last attempt."""

from __future__ import annotations

from syncstream.core.engine import Call
from syncstream.errors import CallableError, FeedFailed, Severity

from .rig import AGAIN, PLAIN, Rig, delta


def test_a_new_connection_begins_with_snapshots_and_is_given_their_time() -> None:
    """From when it is open; what was to be asked before that is not."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(delta("A", 1))
    rig.wait(3.0)
    rig.cut()
    rig.redial()
    rig.open()
    rig.did()
    rig.wait(3.9)
    assert rig.did(Call) == []
    rig.wait(0.1)
    assert len(rig.did(Call)) == 1


def test_a_callable_that_fails_has_no_close_code() -> None:
    """No venue was asked."""
    rig = Rig(PLAIN)
    rig.start()
    rig.engine.refused(0, rig.dials[0].epoch, CallableError("endpoint: raised KeyError", severity=Severity.FATAL), rig.now)
    assert isinstance(rig.engine.failure, FeedFailed)
    assert not hasattr(rig.engine.failure, "code")
