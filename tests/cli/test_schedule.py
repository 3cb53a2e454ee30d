"""Tests of the schedule: the same seed gives the same plan, the plan fits its time, and it has what was asked for."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.cli.schedule import FAULTS, RESTART_AFTER, Plan, plan
from syncstream.testing import Broker, Faults

SYMBOLS = ("ABC", "XYZ", "KLM", "QRS", "TUV")

seeds = st.integers(min_value=0, max_value=10_000)
durations = st.floats(min_value=1.0, max_value=45.0)
some_faults = st.lists(st.sampled_from(sorted(FAULTS)), unique=True, min_size=1).map(tuple)


def planned(seed: int = 1, duration: float = 20.0, faults: tuple[str, ...] = tuple(FAULTS)) -> Plan:
    return plan(seed=seed, duration=duration, faults=faults, symbols=SYMBOLS, rate=40.0)


@given(seeds, durations, some_faults)
def test_a_seed_is_a_plan(seed: int, duration: float, faults: tuple[str, ...]) -> None:
    """The same arguments give the same plan, to the last detail."""
    assert planned(seed, duration, faults) == planned(seed, duration, faults)


def test_seeds_differ() -> None:
    """Twenty seeds give twenty orders of the faults."""
    assert len({tuple(step.name for step in planned(seed).steps) for seed in range(20)}) == 20


@given(seeds)
def test_every_fault_comes_in_twenty_seconds(seed: int) -> None:
    """The default duration has room for each fault of the table, and nothing is left out."""
    made = planned(seed)

    assert {step.name for step in made.steps} == set(FAULTS)
    assert made.left_out == ()


@given(seeds, durations, some_faults)
def test_a_plan_fits_its_time(seed: int, duration: float, faults: tuple[str, ...]) -> None:
    """Steps follow each other, the first after a quiet moment; only the first may need more time than there is."""
    made = planned(seed, duration, faults)
    ends = [step.at + step.seconds for step in made.steps]

    assert made.steps[0].at >= 0.15
    assert made.calm_at < duration
    assert all(end <= step.at + 0.01 for end, step in zip(ends, made.steps[1:]))
    assert len(ends) == 1 or ends[-1] <= made.calm_at + 0.01


@given(seeds, durations, some_faults)
def test_nothing_comes_twice_before_all_came_once(seed: int, duration: float, faults: tuple[str, ...]) -> None:
    """What was asked for comes once or is left out for want of time; a second round begins after the first."""
    made = planned(seed, duration, faults)
    names = [step.name for step in made.steps]
    first_round = names[: len(faults)]

    assert set(names) | set(made.left_out) == set(faults)
    assert not set(names) & set(made.left_out)
    assert len(set(first_round)) == len(first_round)


@given(seeds, durations, some_faults)
def test_loss_comes_first(seed: int, duration: float, faults: tuple[str, ...]) -> None:
    """If a fault that loses messages was asked for, the first step is one, however short the time."""
    if any(FAULTS[name].loses for name in faults):
        assert FAULTS[planned(seed, duration, faults).steps[0].name].loses


def test_a_newcomer_sees_loss_and_cut_first() -> None:
    """With all faults on, the first two are those that need no explanation."""
    assert [step.name for step in planned(seed=5).steps[:2]] == ["drop", "cut"]


def test_no_faults_no_steps() -> None:
    """Without faults the plan is an empty one."""
    assert planned(faults=()).steps == ()


def test_a_long_run_has_more_rounds() -> None:
    """Three times the time is about three times the faults."""
    assert 40 <= len(planned(duration=60.0).steps) <= 60


def test_restarts_take_turns_and_get_their_time() -> None:
    """No symbol restarts again before all others have, and each restart has time to be noticed at the symbol's rate."""
    made = plan(seed=3, duration=30.0, faults=("restart",), symbols=SYMBOLS, rate=20.0)
    restarted = [step.calls[0].settings["symbol"] for step in made.steps]

    assert len(restarted) >= 10
    assert all(len(set(restarted[at : at + 5])) == 5 for at in range(len(restarted) - 4))
    assert min(step.seconds for step in made.steps) > RESTART_AFTER / 20.0


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_one_of_the_broker(name: str) -> None:
    """Each call a fault makes can be made of a Broker's faults, and says of itself what the venue does."""
    for seed in range(20):
        step = planned(seed, duration=3.0, faults=(name,)).steps[0]
        assert step.says
        for method, settings in step.calls:
            inspect.signature(getattr(Faults, method)).bind(None, **settings)


def test_the_broker_takes_every_fault() -> None:
    """Broker's own checks accept the settings of every fault, whatever the dice say."""
    with Broker(symbols=SYMBOLS, rate=0) as broker:
        for seed in range(20):
            for step in planned(seed).steps:
                for method, settings in step.calls:
                    getattr(broker.faults, method)(**settings)
