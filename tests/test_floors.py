"""Imports only go down. The floors of the house, and what may come in from outside on each.

Every import counts, also one inside a function and one under TYPE_CHECKING: a name from a higher floor is knowledge of what
stands above, whenever it is read. Only the list of what `core` must not use lets typing pass, because a type is no use of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.imports import Import, imports, modules, resolve

PACKAGE = Path(__file__).parent.parent / "syncstream"

# Lowest first. A name is a module or a folder of `syncstream`; all modules of a folder live on its floor.
FLOORS = (
    ("errors", "events", "secret"),
    ("core",),
    ("feed", "levels", "life", "schema", "sources", "timestamp", "unpacking", "urls"),
    (
        *("clock", "logs", "wake", "tcp", "proxy", "tls", "upgrade", "transport", "snapshots", "delivery"),
        *("book", "journal", "metrics"),
    ),
    (
        *("turnstile", "dialer", "link", "inbox", "watch", "reader", "live", "workers", "handlers", "quarantine"),
        *("callbacks", "views", "books", "handover", "intake", "poll"),
        *("consumer", "stats", "timings", "watchdog", "dispatcher", "notebook"),
    ),
    ("stream", "turns", "merge", "joined", "sharded"),
    ("venues", "testing", "cli", "__main__", "__init__"),
)
LEVEL = {place: level for level, floor in enumerate(FLOORS) for place in floor}

# Who may import a package that is not Python's own. "*" is everybody.
HOMES = {
    "msgspec": ("*",),
    "typing_extensions": ("views",),  # for type checkers only: it is not there when the program runs
    "websocket": ("transport",),
    "requests": ("snapshots",),
    "urllib3": ("snapshots",),
    "websockets": ("testing", "cli"),
    "rich": ("testing", "cli"),
    "pytest": ("testing",),
    "IPython": ("notebook",),
    "pandas": ("notebook",),
}

# core is given bytes, `now` and dice; these would let it do I/O, start threads, read a clock or throw dice by itself.
NOT_IN_CORE = {
    *("socket", "ssl", "select", "selectors", "http", "subprocess"),
    *("threading", "queue", "concurrent", "multiprocessing"),
    *("time", "random", "secrets", "logging"),
}


def place(module: str) -> str:
    """`syncstream.core.engine` stands in `core`, `syncstream.feed` in `feed`, `syncstream` itself in `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def read(package: Path = PACKAGE) -> dict[str, list[Import]]:
    """The imports of every module of the package."""
    return {
        name: imports(path.read_text(encoding="utf-8"), name, is_package=path.name == "__init__.py")
        for name, path in modules(package).items()
    }


def unplaced(house: dict[str, list[Import]]) -> list[str]:
    """Modules and folders that FLOORS does not have."""
    return sorted({place(module) for module in house} - set(LEVEL))


def going_up(house: dict[str, list[Import]]) -> list[str]:
    """Imports of a higher floor. What has no floor yet is the business of `unplaced`."""
    wrong = []
    for module, found in house.items():
        own = LEVEL.get(place(module), len(FLOORS))
        for target, line, _ in found:
            if target.split(".")[0] == "syncstream" and LEVEL.get(place(resolve(target, house)), 0) > own:
                wrong.append(f"{module}:{line} imports {target}, which stands above it")
    return wrong


def cycle(house: dict[str, list[Import]]) -> list[str]:
    """The modules of one circle of imports, or nothing."""
    finished: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished or module not in house:
            return []
        path.append(module)
        for target in sorted({resolve(found.target, house) for found in house[module]} - {module}):
            circle = visit(target)
            if circle:
                return circle
        finished.add(path.pop())
        return []

    for module in house:
        circle = visit(module)
        if circle:
            return circle
    return []


def forbidden_in_core(house: dict[str, list[Import]]) -> list[str]:
    """What core imports and must not use."""
    return [
        f"{module}:{line} imports {target}"
        for module, found in house.items()
        for target, line, typing_only in found
        if place(module) == "core" and target.split(".")[0] in NOT_IN_CORE and not typing_only
    ]


def away_from_home(house: dict[str, list[Import]]) -> list[str]:
    """Imports of foreign packages by modules that HOMES does not allow."""
    wrong = []
    for module, found in house.items():
        for target, line, _ in found:
            homes = HOMES.get(target.split(".")[0], ("*",))
            if "*" not in homes and place(module) not in homes:
                wrong.append(f"{module}:{line} imports {target}; only {' and '.join(homes)} may")
    return wrong


def test_every_module_has_a_floor() -> None:
    """A new module or folder must be placed before it can be built on."""
    assert not unplaced(read()), "place these in FLOORS (tests/test_floors.py), on the lowest floor that has what they import"


def test_imports_go_down() -> None:
    """A module imports its own floor or lower ones."""
    assert going_up(read()) == []


def test_imports_have_no_circle() -> None:
    """The modules of one floor may import each other, but not in a circle."""
    assert cycle(read()) == []


def test_core_is_pure() -> None:
    """core does no I/O, starts no thread, reads no clock, throws no dice, writes no log."""
    assert forbidden_in_core(read()) == []


def test_foreign_packages_stay_at_home() -> None:
    """One module knows the WebSocket library, one knows requests; what belongs to extras stays in testing and cli."""
    assert away_from_home(read()) == []


def test_nobody_imports_asyncio() -> None:
    """The library is synchronous all through."""
    assert [module for module, found in read().items() if any(f.target.split(".")[0] == "asyncio" for f in found)] == []


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with Python 3.10")
def test_every_foreign_package_is_known() -> None:
    """A package that is neither Python's own nor in the table has no place here yet."""
    standard: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
    roots = {found.target.split(".")[0] for module in read().values() for found in module}
    unknown = roots - standard - set(HOMES) - {"syncstream"}
    assert not unknown, "each runtime dependency is a decision: name its home in HOMES (tests/test_floors.py)"


def house(tmp_path: Path, **sources: str) -> dict[str, list[Import]]:
    """A small house with these modules (`core_x` is core/x.py), to see that each rule can fail."""
    for name, source in sources.items():
        path = tmp_path / "syncstream" / f"{name.replace('core_', 'core/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return read(tmp_path / "syncstream")


def test_an_unplaced_module_is_named(tmp_path: Path) -> None:
    """A module that the table does not know is found."""
    assert unplaced(house(tmp_path, feed="", gadget="", __init__="")) == ["gadget"]


@pytest.mark.parametrize(
    "source",
    [
        "from .stream import Stream",
        "from . import stream",
        "import syncstream.stream",
        "from syncstream import stream as s",
        "def f():\n    from .stream import Stream",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .stream import Stream",
        "import importlib\nimportlib.import_module('.stream', __package__)",
        "from syncstream import Stream",
    ],
)
def test_a_way_up_is_found_in_every_form(tmp_path: Path, source: str) -> None:
    """However it is written, an import of a higher floor is found; the same import from above is fine."""
    assert len(going_up(house(tmp_path, feed=source, stream="", __init__=""))) == 1
    assert going_up(house(tmp_path, feed="", cli=source, stream="", __init__="")) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    """Two modules of one floor that import each other are named in their order; one direction alone is fine."""
    assert cycle(house(tmp_path, core_a="from .b import x", core_b="", core___init__="from .a import y")) == []
    assert cycle(house(tmp_path, core_b="from . import a")) == ["syncstream.core.a", "syncstream.core.b", "syncstream.core.a"]


def test_a_clock_in_core_is_found(tmp_path: Path) -> None:
    """core may name a type of `random`, but not use `time`; other floors may."""
    typed = "import typing\nif typing.TYPE_CHECKING:\n    from random import Random\n"
    assert forbidden_in_core(house(tmp_path, core_a=typed, clock="import time")) == []
    assert forbidden_in_core(house(tmp_path, core_a=typed + "else:\n    import time")) == ["syncstream.core.a:5 imports time"]


def test_a_foreign_package_away_from_home_is_found(tmp_path: Path) -> None:
    """`websocket` in any file but transport.py is found, `websockets` is another package, msgspec may be anywhere."""
    sources = {"transport": "import websocket", "cli": "import websockets.sync.server", "feed": "import msgspec"}
    assert away_from_home(house(tmp_path, **sources)) == []
    found = away_from_home(house(tmp_path, reader="import websocket._abnf"))
    assert found == ["syncstream.reader:1 imports websocket._abnf; only transport may"]
