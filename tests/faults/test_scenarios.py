"""The scenarios of the catalogue, played once, all that were asked for side by side; and that the judge can say no."""

from __future__ import annotations

from typing import Any

import pytest

from tests.together import asked

from . import __main__ as command
from . import table
from .__main__ import main
from .catalogue import SCENARIOS
from .run import Outcome, play, play_all
from .scenario import Record, Scenario, judge

NAMES = [scenario.name for scenario in SCENARIOS]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    """What became of each scenario that this run of pytest will ask for."""
    names = asked(request, "name")
    found = play_all(scenario for scenario in SCENARIOS if scenario.name in names)
    return {outcome.scenario.name: outcome for outcome in found}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", NAMES)
def test_the_fault_is_noticed_and_mended_in_time(outcomes: dict[str, Outcome], name: str) -> None:
    """Within its pass mark, with what the user is promised to see, and with nothing lost that was not told."""
    outcome = outcomes[name]
    assert outcome.failures == [], outcome.record


# ---------------------------------------------------------------- the judge

GOOD = Record(0.5, 1.5, ("Disconnected", "Connected", "Snapshot"), dials=2)
MARKS = Scenario("made up", lambda: GOOD, "", "", 1.0, 2.0, ("Disconnected", "Connected"), ("Stale",), dials=2)

BAD: dict[str, dict[str, Any]] = {
    "noticed late": {"noticed": 1.1},
    "never noticed": {"noticed": None},
    "whole late": {"whole": 2.1},
    "never whole": {"whole": None},
    "unseen": {"saw": ("Disconnected", "Snapshot")},
    "seen in the wrong order": {"saw": ("Connected", "Disconnected")},
    "seen what should not be": {"saw": ("Disconnected", "Connected", "Stale")},
    "too many dials": {"dials": 3},
    "wrong": {"wrong": ("ABC: position 3, true 4",)},
}


def test_a_good_record_passes() -> None:
    """Also exactly at its marks."""
    assert judge(MARKS, GOOD) == []
    assert judge(MARKS, GOOD._replace(noticed=1.0, whole=2.0)) == []


@pytest.mark.parametrize("what", BAD)
def test_a_bad_record_does_not(what: str) -> None:
    """Each thing a record can show is judged."""
    assert len(judge(MARKS, GOOD._replace(**BAD[what]))) >= 1


def test_something_measured_where_nothing_should_be_is_a_failure() -> None:
    """A market that was only quiet was taken for dead."""
    assert judge(MARKS._replace(notice_within=None), GOOD) == ["noticed: measured 0.5, the mark is None"]


def test_a_scenario_that_raises_has_failed() -> None:
    """With its traceback; the others go on."""

    def broken() -> Record:
        raise LookupError("in the scenario")

    outcome = play(MARKS._replace(play=broken))
    assert outcome.record is None
    assert "LookupError: in the scenario" in outcome.failures[0]


# ---------------------------------------------------------------- the table


def test_the_table_shows_the_longest_run() -> None:
    """Of those that were made; what took no time that one would feel is at once."""
    runs = [Outcome(MARKS, GOOD, []), Outcome(MARKS, GOOD._replace(noticed=0.004, whole=1.97), [])]
    assert table.rows([MARKS], {"made up": runs})[-1] == "| made up | default |  | 0.5 s | 2.0 s |"
    assert table.rows([MARKS], {"made up": runs[1:]})[-1] == "| made up | default |  | at once | 2.0 s |"


def test_the_table_goes_between_its_markers() -> None:
    """And nowhere else; without them nothing is written."""
    text = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    assert table.written(text, "new") == f"before\n{table.BEGIN}\n\nnew\n\n{table.END}\nafter\n"
    with pytest.raises(ValueError, match="needs one line"):
        table.written("nothing here", "new")


def test_the_command_plays_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Those whose name holds the text, as often as it is told, with a line of progress for each."""
    assert main(["--only", "a callback raises", "--repeat", "2"]) == 0
    out, err = capsys.readouterr()
    assert err.count(" passed: a callback raises once") == 4
    assert "run 2/2,  2/2 passed" in err
    assert out.startswith("Longest of 2 runs on ")
    assert out.count("| a callback raises once") == 2


def test_the_command_stops_at_the_first_run_that_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With why, and an exit code that says so; nothing is written."""
    monkeypatch.setattr(command, "SCENARIOS", (MARKS._replace(whole_within=0.1),))
    before = table.README.read_bytes()
    assert main(["--repeat", "3", "--write"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("made up: whole again after 1.50 s, the mark is 0.1 s")
    assert err.count("FAILED") == 1
    assert table.README.read_bytes() == before


def test_the_readme_shows_every_scenario_of_the_catalogue() -> None:
    """By its name and in its order: the table was written from a run of them."""
    text = table.README.read_text(encoding="utf-8")
    between = text.partition(table.BEGIN)[2].partition(table.END)[0]
    shown = [line.split(" | ")[0][2:] for line in between.splitlines() if line.startswith("| ")][2:]
    assert shown == NAMES
