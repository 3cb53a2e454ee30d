"""Tests of the package as a whole: what is installed, what importing costs, what README promises, what every file keeps to."""

from __future__ import annotations

import ast
import configparser
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

import syncstream

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "syncstream"


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own, where every warning is an error."""
    return subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def sources(folder: Path, pattern: str = "*.py") -> Iterator[tuple[str, ast.Module]]:
    """(path from the root, parsed source) of each file."""
    for path in sorted(folder.rglob(pattern)):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_the_installed_version_is_that_of_setup_cfg() -> None:
    """setup.cfg is the one place of the version; what is installed and what `__version__` says come from there."""
    try:
        installed = importlib.metadata.version("syncstream")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("syncstream is not installed here, only on the path")

    assert installed == setup_cfg()["metadata"]["version"]
    assert syncstream.__version__ == installed


def test_public_names_exist_and_are_documented() -> None:
    """Every name in `__all__` can be had, and each class and function among them has a docstring of its own."""
    missing = [name for name in syncstream.__all__ if not hasattr(syncstream, name)]
    public = {name: getattr(syncstream, name) for name in syncstream.__all__ if name not in missing}
    explained = {name: thing for name, thing in public.items() if inspect.isclass(thing) or inspect.isroutine(thing)}

    assert missing == []
    assert [name for name, thing in explained.items() if not vars(thing).get("__doc__", thing.__doc__)] == []


def test_importing_is_quiet_and_takes_no_extras() -> None:
    """`import syncstream` prints nothing, warns of nothing, starts no thread and loads nothing that belongs to an extra."""
    done = run_python(
        "import sys, threading, syncstream\n"
        "loaded = {'websockets', 'rich', 'pytest', 'asyncio'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "assert threading.enumerate() == [threading.main_thread()]"
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_pytest_plugin_loads_without_extras() -> None:
    """pytest loads the plugin wherever syncstream is installed, so it must not need websockets or rich to be there."""
    done = run_python("import sys\nsys.modules['websockets'] = sys.modules['rich'] = None\nimport syncstream.testing.plugin")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_loads_without_extras() -> None:
    """Without the extras the command still answers `--help`."""
    done = run_python(
        "import sys\n"
        "sys.modules['websockets'] = sys.modules['rich'] = None\n"
        "sys.argv = ['syncstream', '--help']\n"
        "from syncstream.cli import main\n"
        "sys.exit(main())"
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout


@pytest.mark.parametrize(
    "group",
    ["console_scripts", "pytest11"],
)
def test_entry_points_lead_somewhere(group: str) -> None:
    """What setup.cfg names as an entry point can be imported."""
    lines = setup_cfg()["options.entry_points"][group].strip().splitlines()

    assert lines
    for line in lines:
        module, _, name = line.partition("=")[2].strip().partition(":")
        loaded = importlib.import_module(module)
        assert not name or callable(getattr(loaded, name))


def test_types_are_shipped() -> None:
    """The marker for type checkers exists and is declared as package data."""
    assert (PACKAGE / "py.typed").exists()
    assert "py.typed" in setup_cfg()["options.package_data"]["syncstream"].split()


@pytest.mark.parametrize("folder", ["syncstream", "tests"])
def test_every_folder_is_a_package(folder: str) -> None:
    """A folder of Python files without `__init__.py` would be left out of the wheel; in tests, two files could have one name."""
    folders = {path.parent for path in (ROOT / folder).rglob("*.py")}

    assert sorted(str(path.relative_to(ROOT)) for path in folders if not (path / "__init__.py").exists()) == []


@pytest.mark.parametrize(
    "command",
    [
        r"python3 -m venv \.venv && \.venv/bin/pip install -q -e '\.\[demo\]' && \.venv/bin/syncstream demo",
        r"python3 -m venv \.venv && \.venv/bin/pip install -q -e '\.\[dev\]' && \.venv/bin/python -m pytest",
    ],
)
def test_readme_has_each_command_once(command: str) -> None:
    """Each of the two commands stands on one line of README, once: .ci/run takes them from there and runs them."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert len([line for line in lines if re.fullmatch(command, line)]) == 1


def test_every_module_says_what_it_is() -> None:
    """Each module of the package that holds anything begins with a docstring."""
    assert [path for path, tree in sources(PACKAGE) if tree.body and not ast.get_docstring(tree)] == []


def test_every_test_says_what_it_proves() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in sources(ROOT / "tests", "test_*.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """No tracked file holds an absolute path of the machine it was written on."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git work tree")
    paths = [ROOT / name.decode() for name in listing.stdout.split(b"\0") if name]
    places = [f"/{name}/".encode() for name in ("work", "root", "home")]

    assert [path.name for path in paths if path.is_file() and any(place in path.read_bytes() for place in places)] == []
