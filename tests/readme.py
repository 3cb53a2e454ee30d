"""What a program writes into README.md: the part between two markers, `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

README = Path(__file__).parent.parent / "README.md"


def write(name: str, text: str, path: Path = README) -> None:
    """Put `text` between the markers of `name`. Raises `ValueError` unless each of them is there once, in this order."""
    first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    old = path.read_text(encoding="utf-8")
    before, found, rest = old.partition(first)
    _, ended, after = rest.partition(last)
    if not found or not ended or first in rest or last in before + after:
        raise ValueError(f"{path.name} needs the markers <!-- {name} --> and <!-- /{name} -->, each on a line, once")
    path.write_text(f"{before}{first}{text.rstrip()}\n{last}{after}", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells in Markdown; numbers stand to the right."""
    numeric = [bool(rows) and all(isinstance(row[at], (int, float)) for row in rows) for at in range(len(head))]
    lines = [head, ["---:" if right else "---" for right in numeric], *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
