"""One mutant in a process of its own: the module's own test files, until the first one fails. POSIX only: it forks.

Two ways. What is changed within a function: pytest has collected the tests already; a fork puts the mutant's code into that
function and runs them. What is changed elsewhere (tables, defaults, enumerations): a fork loads everything anew, with the mutant
in the place of its module. That way is much slower, and it has the last word about whatever survives the first one, because
what the tests made of the module while they were collected (parameters, rules) was not made by the mutant.

How long a trial may take is reckoned in its own processor time: how busy the machine is must not kill a mutant.
"""

from __future__ import annotations

import enum
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import math
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Callable, NoReturn, Optional

import pytest
from hypothesis import Phase, settings

from .mutants import Mutant

_MEMORY = 4 * 1024**3
"""Bytes. A mutant that collects for ever fails, and takes nobody else's memory."""

_EXAMPLES = 40
_LONGEST = 600
_NOT_TRIED = 99


class Fate(enum.Enum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


def load() -> None:
    """Load what the forks share: all that syncstream and the tests need of others."""
    for name in ("hypothesis.strategies", "hypothesis.stateful", "syncstream"):
        importlib.import_module(name)


class Trials:
    """Owned by: the caller. One module and its own tests. Raises `RuntimeError` if they do not pass as they stand."""

    def __init__(self, module: Path, tests: Sequence[Path], *, quick: bool = False, quiet: bool = True) -> None:
        self.name = ".".join(("syncstream", module.parent.name, module.stem))
        self.module = module
        self.tests = [str(test) for test in tests]
        self.quick = quick  # only the first way
        self.quiet = quiet
        self._limit = 0

    def run(self, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Fate]]:
        """The fate of each, in order."""
        quick = self._collected([mutant for mutant in mutants if mutant.within])
        for mutant in mutants:
            fate = next(quick) if mutant.within else Fate.SURVIVED
            yield mutant, self._anew(mutant.code) if fate is Fate.SURVIVED and not self.quick else fate

    def _anew(self, code: CodeType) -> Fate:
        """Load everything anew."""
        if not self._limit:
            unchanged = compile(self.module.read_bytes(), str(self.module), "exec")
            fate, seconds = fork(lambda: self._pytest(unchanged), _LONGEST, quiet=self.quiet)
            if fate is not Fate.SURVIVED:
                raise RuntimeError(f"the tests of {self.name} do not pass as they stand")
            self._limit = _limit(seconds)
        return fork(lambda: self._pytest(code), self._limit, quiet=self.quiet)[0]

    def _collected(self, mutants: Sequence[Mutant]) -> Iterator[Fate]:
        """Collect the tests once, in a process that tells the fates through a pipe."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            _end(lambda: self._pytest(None, _EachMutant(self.name, mutants, writer, quiet=self.quiet)), quiet=self.quiet)
        os.close(writer)
        with open(reader, encoding="ascii") as pipe:
            for _ in mutants:
                told = pipe.readline().strip()
                if not told:
                    raise RuntimeError(f"the tests of {self.name} cannot be collected, or do not pass as they stand")
                yield Fate(told)
        os.waitpid(child, 0)

    def _pytest(self, code: Optional[CodeType], *plugins: object) -> int:
        """Run the tests, with this code in the place of the module. Returns the exit code."""
        for name in [name for name in sys.modules if name.split(".")[0] in ("syncstream", "tests")]:
            del sys.modules[name]
        instead = None
        if code is not None:
            instead = _Instead(self.name, self.module, code)
            sys.meta_path.insert(0, instead)
            importlib.import_module(self.name)  # now: pytest's own finder will stand before ours
        # hypothesis was loaded before pytest could rewrite it, which is the point.
        # A watchdog is a thread for each test: many switches, and the trial has a limit of its own.
        options = [
            "-x",
            "-s",
            "-p",
            "no:cacheprovider",
            "-o",
            "faulthandler_timeout=0",
            "--tb=short" if not self.quiet else "--tb=no",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        status = pytest.main([*options, *self.tests], plugins=[_FewExamples(), *plugins])
        if instead is not None and sys.modules[self.name].__loader__ is not instead:
            return _NOT_TRIED
        return int(status)


class _EachMutant:
    """Owned by: the process that has collected the tests. A plugin: a fork for each mutant runs them; here nothing runs.

    The quickest tests come first, and before them those that found a mutant, the latest foremost: it stood nearby.
    """

    def __init__(self, name: str, mutants: Sequence[Mutant], writer: int, *, quiet: bool) -> None:
        self.name = name
        self.mutants = mutants
        self.writer = writer
        self.quiet = quiet

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests as often as there are mutants."""
        gc.freeze()  # what is here stays: no fork need look through it
        items = dict(enumerate(session.items))
        board = mmap.mmap(-1, 8 * len(items))  # shared with the forks: how long each test took; in a trial: not 0 if it failed
        fate, seconds = self._fork(None, session, items, board, _LONGEST)
        if fate is Fate.SURVIVED:
            took = struct.unpack(f"{len(items)}d", board)
            items = {index: items[index] for index in sorted(items, key=lambda index: took[index])}
            for mutant in self.mutants:
                board[:] = bytes(len(board))
                fate, _ = self._fork(mutant, session, items, board, _limit(seconds))
                os.write(self.writer, f"{fate.value}\n".encode())
                found = [index for index, failed in enumerate(struct.unpack(f"{len(items)}d", board)) if failed]
                items = {index: items[index] for index in (*found, *(other for other in items if other not in found))}
        return True

    def _fork(
        self, mutant: Optional[Mutant], session: pytest.Session, items: dict[int, pytest.Item], board: mmap.mmap, limit: int
    ) -> tuple[Fate, float]:
        def work() -> int:
            if mutant is not None:
                _exchange(sys.modules[self.name], mutant)
            return _until_failure(session, items, board, timed=mutant is None)

        return fork(work, limit, quiet=self.quiet)


def _until_failure(session: pytest.Session, items: dict[int, pytest.Item], board: mmap.mmap, *, timed: bool) -> int:
    """What pytest's own loop does, without the end of the session."""
    for (index, item), following in zip(items.items(), [*list(items.values())[1:], None]):
        began = time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if timed or session.testsfailed:
            struct.pack_into("d", board, 8 * index, time.process_time() - began + 1e-9)
        if session.testsfailed:
            return 1
    return 0


def _exchange(module: ModuleType, mutant: Mutant) -> None:
    """Give the function that `mutant` changes the mutant's code."""
    assert mutant.within is not None
    thing: Any = module
    code = mutant.code
    for name in mutant.within.split("."):
        thing = vars(thing)[name]
        (code,) = [inner for inner in code.co_consts if isinstance(inner, CodeType) and inner.co_name == name]
    function = thing.fget if isinstance(thing, property) else thing
    assert isinstance(function, FunctionType), mutant.within
    function.__code__ = code


def _limit(seconds: float) -> int:
    return math.ceil(3 * seconds) + 2


def fork(work: Callable[[], int], limit: int, *, quiet: bool) -> tuple[Fate, float]:
    """Do this work in a fork, for so many seconds of processor time at most. The fate is that of a mutant whose tests return 0
    where they pass. Returns it, and the seconds the fork took."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        _end(work, quiet=quiet)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == _NOT_TRIED:
        raise RuntimeError("the tests have loaded another module than the mutant")
    fate = Fate.KILLED if code else Fate.SURVIVED
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        fate = Fate.TIMED_OUT
    return fate, used.ru_utime + used.ru_stime


def _end(work: Callable[[], int], *, quiet: bool) -> NoReturn:
    """Do the work of a fork; its exit code is all that is left of it."""
    if quiet:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    status = 1
    try:
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _FewExamples:
    """A plugin: the same few examples every time, and no time spent on making a failure small."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        few = settings(settings.get_profile("ci"), max_examples=_EXAMPLES, phases=(Phase.explicit, Phase.generate))
        settings.register_profile("mutation", few)
        settings.load_profile("mutation")


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Owned by: the process of one trial. Finds other code for one module."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self.name = name
        self.path = path
        self.code = code

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, vars(module))
