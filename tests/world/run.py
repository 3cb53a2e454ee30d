"""Runs worlds: one from a seed, many in a row; shrinks what fails, and says how to run it again. Pure."""

from __future__ import annotations

import random
from collections import Counter
from typing import Callable, NamedTuple, Optional

from . import checks
from .calm import calm
from .config import NAMED, OTHER_KINDS, OVER_THE_LINE, Config, draw_config, draw_named, draw_over_the_line, other_kind
from .script import Step, draw_script, perform
from .violation import Violation
from .world import World

LINE_SEEDS = 1_000_000_000
"""From this seed on snapshots come over the line."""


class Report(NamedTuple):
    """What one world was like."""

    steps: int
    faults: Counter[str]
    items: int
    met: int
    seconds: float  # virtual, until everything was well again


class Found(NamedTuple):
    """A violation, with all that is needed to see it again."""

    violation: Violation
    seed: int
    length: int
    config: Config
    script: list[Step]

    def __str__(self) -> str:
        plain = Config()
        told = {name: value for name, value in self.config._asdict().items() if value != getattr(plain, name)}
        config = ", ".join(f"{name}={value!r}" for name, value in told.items())
        lines = "".join(f"    {step!r},\n" for step in self.script)
        return (
            f"{self.violation}\nConfig({config})\nseed={self.seed}, script=[\n{lines}]\n"
            f"again: python -m tests.world --seed {self.seed} --steps {self.length} --worlds 1"
        )


def run_script(config: Config, script: list[Step], seed: int = 0) -> Report:
    """One world, step by step, and then the calm after it. Raises `Violation`."""
    world = World(config, seed)
    for step in script:
        perform(world, step)
    seconds = calm(world)
    checks.totals(world.engine, world.fold, world.now)
    return Report(world.steps, world.faults, sum(fold.items for fold in world.folds), world.fold.met, seconds)


def plan(seed: int, length: int) -> tuple[Config, list[Step]]:
    """The world of a seed."""
    dice = random.Random(seed)
    if seed >= NAMED:
        config = draw_named(dice)
        script = draw_script(dice, length, mistakes=config.source in OVER_THE_LINE)
        return config, [("stands", dice.randrange(5)) if config.idle and dice.random() < 0.1 else step for step in script]
    if seed >= LINE_SEEDS:
        return draw_over_the_line(dice), draw_script(dice, length, mistakes=True)
    config, script = draw_config(dice), draw_script(dice, length)
    if seed < OTHER_KINDS:
        return config, script
    config = other_kind(config, dice)
    return config, [("stands", dice.randrange(5)) if config.idle and dice.random() < 0.1 else step for step in script]


def violation_of(config: Config, script: list[Step], seed: int) -> Optional[Violation]:
    """What goes wrong in a world. An exception from the engine is a violation too."""
    try:
        run_script(config, script, seed)
    except Violation as violation:
        return violation
    except Exception as error:
        raised = Violation("raised", f"{type(error).__name__}: {error}")
        raised.__cause__ = error
        return raised
    return None


def shrink(config: Config, script: list[Step], seed: int, check: str) -> tuple[Violation, list[Step]]:
    """The same violation with as few steps as leaving some out can reach."""
    found = violation_of(config, script, seed)
    assert found is not None
    size = len(script) // 2
    while size:
        at = 0
        while at < len(script):
            shorter = script[:at] + script[at + size :]
            violation = violation_of(config, shorter, seed)
            if violation is not None and violation.check == check:
                script, found = shorter, violation
            else:
                at += size
        size //= 2
    return found, script


def run_worlds(
    seed: int, worlds: int, steps: int, told: Callable[[Report], None] = lambda report: None, *, shrinks: bool = True
) -> Optional[Found]:
    """Worlds `seed`, `seed + 1`, ... The first violation, shrunk; `None` if there is none."""
    for each in range(seed, seed + worlds):
        config, script = plan(each, steps)
        try:
            told(run_script(config, script, each))
        except Exception:
            violation = violation_of(config, script, each)
            assert violation is not None  # a world is the same each time
            if shrinks:
                violation, script = shrink(config, script, each, violation.check)
            return Found(violation, each, steps, config, script)
    return None
