"""Seeded bugs: put one into the source, load that afresh, run worlds until a rule is broken.

The process that asks never imports what was mutated: `catch` starts `python -m tests.world.mutate`, which writes one line of
JSON for each. There, for each mutant, the core and the world are imported anew, and a hook gives out the mutated text of one
module; nothing is written to the disk, no byte code either.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Optional

from .mutants import STEPS, Mutant

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "syncstream.core"
WORLD = "tests.world"
CHILD = f"{WORLD}.mutate"
_ABIDING = (WORLD, CHILD, f"{WORLD}.mutants")


class NotFound(LookupError):
    """The code has moved on: the line a mutant changes is not there, or not there once. The list has to follow."""


class Caught(NamedTuple):
    """What became of one mutant. `check` is "" if it survived; `steps` were drawn, the last of them perhaps not run."""

    name: str
    check: str
    text: str
    seed: int
    worlds: int
    steps: int
    seconds: float


def source_of(module: str) -> str:
    """The text of a module of the core, as it stands on the disk."""
    return (ROOT / PACKAGE.replace(".", "/") / f"{module}.py").read_text(encoding="utf-8")


def mutated(mutant: Mutant, source: str) -> str:
    """The source with that one line changed. Raises `NotFound` unless it stands exactly once where the mutant says."""
    lines = source.splitlines(keepends=True)
    first, last = _extent(mutant, ast.parse(source), len(lines))
    places = [at for at in range(first, last) if lines[at].strip() == mutant.before]
    if len(places) != 1:
        raise NotFound(f"{mutant.name}: {mutant.place} has {mutant.before!r} {len(places)} times, not once")
    lines[places[0]] = lines[places[0]].replace(mutant.before, mutant.after)
    return "".join(lines)


def _extent(mutant: Mutant, tree: ast.Module, size: int) -> tuple[int, int]:
    """The lines of the function a mutant is in; of the whole module, if it names none."""
    node: ast.AST = tree
    first, last = 0, size
    for name in mutant.function.split(".") if mutant.function else ():
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.ClassDef, ast.FunctionDef))]
        found = [child for child in children if child.name == name]
        if len(found) != 1 or found[0].end_lineno is None:
            raise NotFound(f"{mutant.name}: there is no {mutant.place}")
        node = found[0]
        first, last = found[0].lineno - 1, found[0].end_lineno
    return first, last


class Hook(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Owned by: `fresh`. Gives out the mutated text of one module, and leaves the others to the rest."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def get_source(self, fullname: str) -> str:
        return self.source


@contextlib.contextmanager
def fresh(mutant: Mutant) -> Iterator[ModuleType]:
    """The module `tests.world.run`, around a core with this mutant. Only for a process that needs no other core."""
    hook = Hook(f"{PACKAGE}.{mutant.module}", mutated(mutant, source_of(mutant.module)))
    _forget()
    sys.meta_path.insert(0, hook)
    try:
        yield importlib.import_module(f"{WORLD}.run")
    finally:
        sys.meta_path.remove(hook)
        _forget()


def _forget() -> None:
    for name in list(sys.modules):
        if name.startswith((PACKAGE, f"{WORLD}.")) and name not in _ABIDING:
            del sys.modules[name]
    world = vars(sys.modules[WORLD])
    for name, value in list(world.items()):
        if isinstance(value, ModuleType) and value.__name__ not in sys.modules:
            del world[name]  # or `from . import` would find the old one there


def run(mutant: Mutant) -> Caught:
    """Worlds from its first on, until one breaks a rule or its budget is used up."""
    began, steps = time.monotonic(), 0
    with fresh(mutant) as world:
        for seed in range(mutant.first, mutant.first + mutant.worlds):
            config, script = world.plan(seed, STEPS)
            steps += len(script)
            broken = world.violation_of(config, script, seed)
            if broken is not None:
                spent = time.monotonic() - began
                return Caught(mutant.name, broken.check, broken.text, seed, seed - mutant.first + 1, steps, spent)
    return Caught(mutant.name, "", "", -1, mutant.worlds, steps, time.monotonic() - began)


def catch(mutants: Sequence[Mutant]) -> Iterator[Caught]:
    """Run each in a process of their own; what became of one comes as soon as it is known. Raises what went wrong there."""
    command = [sys.executable, "-m", CHILD, json.dumps(mutants)]
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as child:
            assert child.stdout is not None
            try:
                for line in child.stdout:
                    yield Caught(*json.loads(line))
            finally:
                child.kill()  # it has ended, or nobody wants the rest
        if child.returncode > 0:
            errors.seek(0)
            raise RuntimeError(errors.read())


def main() -> int:
    for fields in json.loads(sys.argv[1]):
        sys.stdout.write(json.dumps(run(Mutant(*fields))) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
