"""`core/placement.py`: a counter that speaks for many keys, and numbers that start anew."""

from __future__ import annotations

import pytest

from .rig import AGAIN, BY_CHANNEL, BY_CONNECTION, HEALED, Rig, change, delta, run_of, snap


@pytest.mark.parametrize(("number", "said"), [(2, ["resynced A at 1 +0", "resynced B at 1 +0"]), (3, [])])
def test_a_shared_counter_speaks_for_all_its_keys(number: int, said: list[str]) -> None:
    """Whether it goes on or not; a key that is complete already is not told again."""
    rig = Rig(change(BY_CHANNEL, source=False, splice=None))
    rig.open()
    rig.send(delta("A", 0, v=1, c="c"), delta("B", 1, v=1, c="c"), delta("C", 1, v=1, c="another"))
    rig.reopen()
    rig.said()
    rig.send(delta("C", number, v=1, c="c"))
    assert [word for word in rig.said() if word.startswith("resynced") and " C " not in word] == said
    rig.cut()
    rig.said()
    for _ in range(2):
        rig.keys.prove(rig.keys.syncs["A"], rig.now)
    assert [word[:10] for word in rig.said()] == ["resynced A"]


@pytest.mark.parametrize(("position", "said"), [(500, []), (600, ["snapshot A at 600"])])
def test_messages_that_stay_below_a_snapshot_make_it_doubtful(position: int, said: list[str]) -> None:
    """The line may be that late; so it is only asked again, and again while it lasts."""
    rig = Rig(change(HEALED, verify_after=5.0))
    rig.open()
    rig.send(delta("A", 1))
    rig.answer("A", 500)
    rig.wait(4.9)
    rig.send(delta("A", 2))
    assert rig.asked() == ["A"]
    rig.wait(0.1)
    rig.said()
    rig.send(delta("A", 3))
    assert (rig.state("A"), rig.asked()) == ("unproven", ["A"])
    rig.answer("A", position)
    assert rig.said() == [*said, f"resynced A at {position} +0"]
    rig.wait(4.9)
    rig.send(delta("A", 4), delta("A", position + 1))
    assert (rig.said(), rig.asked()) == ([f"A{position + 1}"], [])


def test_numbers_that_start_anew_below_a_snapshot_are_found() -> None:
    """Else the key would be mute for ever: all that comes is below it."""
    rig = Rig(change(HEALED, verify_after=5.0), chance=0.0)
    rig.open()
    rig.send(delta("A", 1))
    rig.answer("A", 500)
    rig.said()
    for number in range(2, 80):
        rig.wait(1.0)
        rig.send(delta("A", number))
        if rig.asked():
            rig.answer("A", number)
    assert rig.said()[0] == "gap A restart 500..66 healing"
    assert (rig.state("A"), rig.keys.latest["A"]) == ("live", delta("A", 79))


def test_a_restart_while_the_consumer_is_behind() -> None:
    """A dropped key forgets its old position too: else no snapshot would ever be new enough."""
    rig = Rig(change(HEALED, restart_after=3))
    rig.live("A", 500)
    rig.drop("A")
    rig.send(*run_of("A", 1, 5))
    assert (rig.asked(), rig.keys.held, rig.state("A")) == ([], 0, "dropped")
    rig.relieve()
    rig.wait(1.0)
    rig.send(delta("A", 6))
    assert rig.said() == ["gap A drop 500..None healing", "gap A restart 500..4 healing"]
    rig.answer("A", 5)
    assert rig.said() == ["snapshot A at 5", "A6", "resynced A at 6 +1"]


def by_connection() -> Rig:
    """A is live at version 500, by numbers of the connection."""
    rig = Rig(change(BY_CONNECTION, restart_after=3, verify_after=1.0))
    rig.live("A", 500)
    rig.said()
    return rig


def test_versions_that_start_anew_with_a_connection() -> None:
    """The connection's numbers cannot show that; the key's own do, by the same rule as everywhere."""
    rig = by_connection()
    rig.reopen()
    rig.said()
    rig.send(*(delta("A", number, v=number) for number in range(1, 5)))
    assert rig.said() == ["gap A restart 500..4 healing"]
    rig.answer("A", 3)
    assert rig.said() == ["snapshot A at 3", "A4", "resynced A at 4 +1"]


def test_versions_behind_a_snapshot_are_no_restart() -> None:
    """A line that is late shows old versions, but they advance."""
    rig = by_connection()
    rig.send(delta("A", 502, v=502))
    rig.answer("A", 520)
    rig.said()
    rig.send(*(delta("A", number, v=number) for number in range(503, 522)))
    assert rig.said() == ["A521"]


def test_a_new_key_waits_for_what_its_subscription_begins_with() -> None:
    """Where that comes by itself; what was asked on a line that is lost is asked again."""
    rig = Rig(AGAIN, topics=("A",))
    rig.open()
    rig.send(delta("A", 1))
    assert rig.keys.syncs["A"].fetch_at == rig.now + 4.0
    rig.wait(4.0)
    assert rig.keys.syncs["A"].fetching
    rig.cut()
    assert (rig.keys.syncs["A"].fetching, rig.keys.syncs["A"].fetch_at) == (False, rig.now)


def test_numbers_that_start_anew_by_right_are_no_doubt_of_a_live_key() -> None:
    """What was held in the old ones goes, and what was not proved is in doubt."""
    rules = change(HEALED, reset=lambda message: message.get("r"))
    rig = Rig(rules)
    rig.live("A", 50)
    rig.send(delta("A", 51), delta("A", 1, r=True), delta("A", 3), delta("A", 4), delta("A", 1, r=True), delta("A", 2))
    assert rig.said() == ["A51", "A1", "gap A hole 1..3 healing"]
    assert rig.keys.held == 2
    rig.wait(1.0)
    rig.answer("A", 2)
    rig.reopen()
    rig.said()
    rig.send(delta("A", 1, r=True))
    assert rig.said() == ["gap A restart 2..1 healing"]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("healed", [False, True])
def test_numbers_that_start_anew_behind_a_loss_of_the_line(healed: bool, joined: bool) -> None:
    """What was held was of the line before: what came between nobody has seen, unless one more has joined on the new line."""
    rig = Rig(change(HEALED, reset=lambda message: message.get("r"), fetch_attempts=2))
    rig.live("A", 50)
    rig.send(delta("A", 51), delta("A", 53))
    rig.fail("A")  # what is asked for when the line is lost is cut off there
    rig.asked()
    rig.reopen()
    last = 54 if joined else 53
    rig.send(*[delta("A", 54)] * joined)
    while not rig.asked():
        rig.step()
    if healed:
        rig.answer("A", 52)
    else:
        rig.fail("A")
    assert rig.state("A") == "live"
    rig.said()
    rig.send(delta("A", 1, r=True))
    assert rig.said() == (["A1"] if joined else [f"gap A restart {last}..1 healing"])


def test_numbers_that_start_anew_by_right_do_not_hurry_a_source() -> None:
    """A snapshot that was of no use is asked for again when the back-off is over."""
    rig = Rig(change(HEALED, reset=lambda message: message.get("r")))
    rig.live("A", 50)
    rig.send(delta("A", 51), delta("A", 53))
    rig.answer("A", 51)
    rig.said()
    rig.asked()
    rig.send(delta("A", 1, r=True))
    assert rig.asked() == []
    rig.wait(8.0)
    assert rig.asked() == ["A"]


def test_a_hole_before_the_first_snapshot_of_a_line_waits_for_that() -> None:
    """And so does a restart: it comes in the order of the line, in whatever numbers those are."""
    rig = Rig(change(AGAIN, restart_after=3), topics=("A",))
    rig.open()
    rig.send(snap("A", 500), delta("A", 501))
    rig.reopen()
    rig.send(delta("A", 510))
    planned = rig.keys.syncs["A"].fetch_at
    assert planned == rig.now + 5.0
    rig.send(*run_of("A", 1, 4))
    assert [word for word in rig.said() if word.startswith("gap")] == [
        "gap A hole 501..510 healing",
        "gap A restart 510..4 healing",
    ]
    assert rig.keys.syncs["A"].fetch_at == planned
    rig.send(snap("A", 4))
    assert rig.said() == ["snapshot A at 4", "resynced A at 4 +0"]
