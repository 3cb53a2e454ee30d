"""`core/keys.py`: a key that is wrong, as the venue's own checksum says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.engine import Call
from syncstream.core.rules import Rules
from syncstream.events import Gap

from .rig import AGAIN, BY_CONNECTION, GROWING, HEALED, NUMBERED, PLAIN, WHOLE, Rig, change, delta, snap


def wrong(rig: Rig, key: str = "A") -> None:
    rig.engine.mismatched(key, rig.now)
    rig.gather()


@pytest.mark.parametrize("rules", [HEALED, WHOLE, GROWING, BY_CONNECTION])
def test_a_wrong_key_is_healed_as_after_a_hole(rules: Rules) -> None:
    """It is asked for, what comes meanwhile is held, and the snapshot may stand just where the key does."""
    rig = Rig(rules)
    rig.live("A", 5)
    rig.wait(60.0)
    wrong(rig)
    assert (rig.said(), rig.asked(), rig.state("A")) == (["gap A checksum 5..None healing"], ["A"], "syncing")
    assert "A" not in rig.keys.plain
    if rules is not WHOLE:
        rig.send(delta("A", 6, v=6))
    rig.answer("A", None if rules is WHOLE else 5)
    position = None if rules is WHOLE else 5
    said = [] if rules is WHOLE else ["A6"]
    assert rig.said()[: 1 + len(said)] == [f"snapshot A at {position}", *said]
    assert rig.state("A") == "live"


def test_what_it_tells_has_no_size() -> None:
    """Nothing is missing."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    wrong(rig)
    (gap,) = [item for item in rig.items if isinstance(item, Gap)]
    assert (gap.missing, gap.after, gap.before, gap.since_ns) == (None, 5, None, None)


def test_over_the_line_too() -> None:
    """By a new subscription; without any numbers, for it is checksums that such venues have."""
    rules = change(PLAIN, classify=AGAIN.classify, source=True, ask=AGAIN.ask, comes_within=4.0, fetch_limit=4.0, leaves=True)
    rig = Rig(rules, topics=("A",))
    rig.open()
    rig.send(snap("A"), delta("A", 1))
    rig.wait(60.0)
    rig.said()
    wrong(rig)
    assert (rig.said(), rig.did(Call)) == (["gap A checksum None..None healing"], [Call(0, 1, ("A",), ("A",))])
    rig.send(delta("A", 2), snap("A"), delta("A", 3))
    assert rig.said() == ["snapshot A at None", "resynced A at None +0", "A3"]


def test_without_a_source_it_is_told_and_goes_on() -> None:
    """Nobody can say what is right."""
    rig = Rig(NUMBERED)
    rig.live("A", 5)
    wrong(rig)
    rig.send(delta("A", 6))
    assert rig.said() == ["gap A checksum 5..None told", "A6"]
    assert (rig.keys.unhealed, rig.state("A")) == (1, "live")


def test_it_is_healed_at_most_once_per_interval() -> None:
    """Even if no back-off is to be waited for."""
    rig = Rig(change(HEALED, resync_interval=5.0), chance=0.0)
    rig.live("A", 5)
    for _ in range(2):
        wrong(rig)
        rig.wait(4.9)
        assert rig.asked() == []
        rig.wait(0.1)
        assert rig.asked() == ["A"]
        rig.answer("A", 5)


def test_one_that_is_wrong_again_soon_waits_longer_each_time() -> None:
    """By the back-off of the source; what is right for longer than its longest wait begins anew."""
    rig = Rig(change(HEALED, resync_interval=0.0), chance=0.5)  # half of 1, 2, 4, 8 at most
    rig.live("A", 5)
    rig.wait(8.1)
    waited = []
    for _ in range(6):
        wrong(rig)
        began = rig.now
        while not rig.asked():
            rig.step()
        waited.append(rig.now - began)
        rig.answer("A", 5)
    assert waited == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0]
    rig.wait(8.1)
    wrong(rig)
    assert rig.asked() == ["A"]


def test_a_key_that_is_not_complete_is_left_alone() -> None:
    """It is being healed, or waits for a consumer, or nobody wants it; or the stream is over."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.send(delta("A", 9))
    rig.said()
    rig.asked()
    wrong(rig)
    wrong(rig, "X")
    rig.live("B", 5)
    rig.drop("B")
    rig.said()
    wrong(rig, "B")
    assert (rig.said(), rig.asked()) == ([], [])
    rig.live("C", 5)
    rig.engine.close(rig.now)
    rig.said()
    wrong(rig, "C")
    assert rig.said() == []


def test_a_key_to_be_proved_cannot_be_any_more() -> None:
    """That it goes on does not make it right."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.reopen()
    assert rig.state("A") == "unproven"
    rig.said()
    wrong(rig)
    rig.send(delta("A", 6))
    assert (rig.said(), rig.state("A")) == (["gap A checksum 5..None healing"], "syncing")


def test_a_hole_meanwhile_and_a_loss_change_nothing() -> None:
    """The key stays in doubt until a snapshot comes."""
    rig = Rig(HEALED)
    rig.live("A", 5)
    rig.wait(60.0)
    wrong(rig)
    rig.send(delta("A", 9))
    rig.reopen()
    rig.send(delta("A", 10))
    assert [word for word in rig.said() if word.startswith(("gap", "A", "resynced"))] == [
        "gap A checksum 5..None healing",
        "gap A hole 5..9 healing",
    ]
    rig.answer("A", 9)
    assert rig.said() == ["snapshot A at 9", "A10", "resynced A at 10 +1"]


@given(moments=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=12), interval=st.sampled_from([0.0, 1.0, 3.0]))
def test_however_often_it_is_wrong_it_is_healed_and_not_too_often(moments: list[float], interval: float) -> None:
    """Between two requests lies the interval; each doubt is told once, and ends with a snapshot."""
    rig = Rig(change(HEALED, resync_interval=interval, fetch_attempts=1000), chance=0.5)  # never given up
    rig.live("A", 5)
    healed_at = rig.now
    for seconds in moments:
        rig.wait(seconds)
        wrong(rig)
        wrong(rig)
        assert [word for word in rig.said() if word.startswith("gap")] == ["gap A checksum 5..None healing"]
        began = rig.now
        while not rig.asked():
            rig.step()
        assert rig.now >= healed_at + interval - 1e-9
        assert rig.now - began <= max(interval, 8.0)
        rig.answer("A", 5)
        healed_at = rig.now
        assert rig.state("A") == "live"
        rig.said()


@pytest.mark.parametrize("rules", [HEALED, WHOLE])
def test_one_that_is_never_right_is_given_up(rules: Rules) -> None:
    """So that it is told, in every view; then it is tried from time to time, and given up at once if it is wrong still."""
    rig = Rig(change(rules, fetch_attempts=3), chance=0.0)
    position = None if rules is WHOLE else 5
    rig.live("A", 5)
    rig.wait(60.0)
    for _ in range(3):
        wrong(rig)
        rig.wait(rules.resync_interval)
        rig.answer("A", position)
    rig.said()
    wrong(rig)
    assert rig.said() == ["gap A checksum 5..None healing", "gap A unhealed 5..None told"]
    assert (rig.state("A"), rig.keys.status()["A"].state) == ("live", "incomplete")
    rig.asked()
    rig.wait(8.0)
    assert rig.asked() == ["A"]
    rig.answer("A", position)
    rig.said()
    wrong(rig)
    assert rig.said()[-1] == "gap A unhealed 5..None told"
