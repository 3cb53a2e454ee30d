"""Every example runs to its end, offline, without a warning, and README names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example: Path) -> None:
    """It ends by itself, says something, and nothing on standard error."""
    command = [sys.executable, "-X", "dev", "-W", "error", str(example)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # these sources, whatever is installed
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_readme_names_every_example() -> None:
    """A way to consume that nobody finds is none."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")]
    assert names
    assert [name for name in names if f"(examples/{name})" not in readme] == []
