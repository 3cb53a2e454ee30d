"""Tests of core/pressure.py: the table of policies, pauses, relief and warnings."""

from __future__ import annotations

from typing import Optional

import pytest

from syncstream.core.pressure import WARN_EVERY, Pressure, Verdict

FITS, FAILS, DROPS = Verdict.FITS, Verdict.FAILS, Verdict.DROPS


def pressure(policy: str, maxsize: int = 10, maxbytes: Optional[int] = None) -> Pressure:
    return Pressure(maxsize, policy=policy, block_limit=5.0, maxbytes=maxbytes)


def pause(p: Pressure) -> tuple[Optional[float], Optional[float], int]:
    return p.paused_at, p.deadline(), p.alarm


@pytest.mark.parametrize(
    ("policy", "consumed", "verdict"),
    [
        ("raise", True, FAILS),
        ("raise", False, DROPS),
        ("block", True, FITS),
        ("block", False, FITS),
        ("drop_oldest", True, DROPS),
        ("drop_oldest", False, DROPS),
        ("conflate", True, DROPS),
        ("conflate", False, DROPS),
    ],
)
def test_the_table_of_policies(policy: str, consumed: bool, verdict: Verdict) -> None:
    """Up to the bound a batch fits under every policy; one item above it the policy decides."""
    assert pressure(policy).arrived(10, 0.0, consumed=consumed) is FITS
    assert pressure(policy).arrived(11, 0.0, consumed=consumed) is verdict
    assert pressure(policy, maxbytes=99).arrived(10, 0.0, consumed=consumed, size=99.0) is FITS
    assert pressure(policy, maxbytes=99).arrived(10, 0.0, consumed=consumed, size=100.0) is verdict
    assert pressure(policy, maxbytes=99).arrived(10, 0.0, consumed=consumed, size=100.0, alone=True) is FITS


def test_block_pauses_at_the_bound_until_below_half() -> None:
    """The pause begins when the queue is full and ends below half, not before."""
    p = pressure("block")
    p.arrived(9, 1.0, consumed=True)
    assert pause(p) == (None, None, 0)
    p.arrived(10, 2.0, consumed=True)
    p.arrived(12, 3.0, consumed=True)  # the pause goes on; it does not begin anew
    assert pause(p) == (2.0, 7.0, 5)
    assert p.eased(5) is False
    assert pause(p) == (2.0, 7.0, 5)
    assert p.eased(4) is True
    assert pause(p) == (None, None, 0)
    assert p.eased(3) is False  # told once


def test_only_block_pauses() -> None:
    """Other policies never pause."""
    for policy in ("raise", "drop_oldest", "conflate"):
        p = pressure(policy)
        p.arrived(50, 1.0, consumed=False)
        assert p.paused_at is None


@pytest.mark.parametrize(("consumed", "verdict"), [(True, FAILS), (False, DROPS)])
def test_a_pause_that_takes_too_long(consumed: bool, verdict: Verdict) -> None:
    """At the limit, not before, it fails; while nobody consumes it drops. Then the pause is over."""
    p = pressure("block")
    assert p.expired(99.0, consumed=consumed) is None
    p.arrived(10, 1.0, consumed=consumed)
    assert p.expired(5.999, consumed=consumed) is None
    assert p.expired(6.0, consumed=consumed) is verdict
    assert p.paused_at is None


def test_after_a_pause_in_vain_block_drops_until_somebody_consumes() -> None:
    """Without a consumer it pauses only once; `latest` would stand still else. With one it pauses again."""
    p = pressure("block")
    p.arrived(10, 1.0, consumed=False)
    p.expired(6.0, consumed=False)
    assert p.arrived(10, 7.0, consumed=False) is FITS
    assert p.paused_at is None
    assert p.arrived(11, 7.0, consumed=False) is DROPS
    assert p.arrived(10, 8.0, consumed=True) is FITS
    assert p.paused_at == 8.0


@pytest.mark.parametrize(("maxsize", "below"), [(1, 0), (2, 0), (3, 1), (10, 4), (11, 5)])
def test_half_of_every_size(maxsize: int, below: int) -> None:
    """`below` is the greatest depth that is less than half of the size."""
    p = pressure("drop_oldest", maxsize)
    p.press()
    assert p.eased(below + 1) is False
    assert p.eased(below) is True


def test_the_alarm_of_those_who_wait_for_the_last_item() -> None:
    """With a watcher a take that empties the queue looks closer; under pressure the higher alarm holds."""
    p = pressure("drop_oldest")
    p.watch(+1)
    assert p.alarm == 1
    p.press()
    assert p.alarm == 5
    p.end()
    assert p.alarm == 1
    p.watch(-1)
    assert p.alarm == 0


@pytest.mark.parametrize(
    ("depth", "consumed", "later", "expected"),
    [
        (7, True, None, False),
        (8, True, None, True),
        (8, True, WARN_EVERY - 0.1, False),
        (8, True, WARN_EVERY, True),
        (8, False, None, True),
        (8, False, 10 * WARN_EVERY, False),
    ],
)
def test_when_to_warn(depth: int, consumed: bool, later: Optional[float], expected: bool) -> None:
    """From 80 % on, once a minute; while nobody consumes only once."""
    p = pressure("raise")
    if later is not None:
        assert p.may_warn(8, 100.0, consumed=consumed)
    assert p.may_warn(depth, 100.0 + (later or 0.0), consumed=consumed) is expected


def test_many_who_wait_for_the_last_item_wait_for_the_same() -> None:
    """The alarm is for an empty queue, however many of them there are."""
    pressure = Pressure(10, policy="raise", block_limit=1.0)
    alarms = []
    for change in (1, 1, -1, -1):
        pressure.watch(change)
        alarms.append(pressure.alarm)
    assert alarms == [1, 1, 1, 0]


def test_block_pauses_at_the_bound_in_bytes() -> None:
    """Few items may be many bytes; the pause ends when both are below half, so every take looks."""
    p = pressure("block", maxbytes=1000)
    assert p.arrived(1, 2.0, consumed=True, size=1000.0, alone=True) is FITS
    assert p.paused_at == 2.0
    assert p.alarm > 10**6
    assert p.eased(4, 500.0) is False
    assert p.eased(5, 499.0) is False
    assert p.eased(4, 499.0) is True
    assert pause(p) == (None, None, 0)


def test_an_empty_queue_is_relieved() -> None:
    """Even where half of the bound is no byte at all."""
    assert pressure("block", maxbytes=1).relieved(0, 0.0)
    assert not pressure("block", maxbytes=1).relieved(1, 1.0)


def test_when_to_warn_of_bytes() -> None:
    """At 80 % of either bound."""
    assert not pressure("raise", maxbytes=1000).may_warn(1, 0.0, consumed=True, size=799.0)
    assert pressure("raise", maxbytes=1000).may_warn(1, 0.0, consumed=True, size=800.0)
