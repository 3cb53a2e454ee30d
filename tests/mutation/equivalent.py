"""Those that cannot be noticed, each with the reason. They stand in equivalent.txt, by name.

    counter
    Counter.ready: return None  =>  return 0
    Counter.ready: del self.early[index]  =>  pass
        the caller asks for nothing but its truth

A line without `=>` names the module, one with it a mutant, and an indented one says why, for all mutants since the reason before.
`#` and a blank begin a remark. A name is what `ast.unparse` writes, of Python 3.11 or newer.
"""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parent / "equivalent.txt"


def read(text: str) -> dict[str, dict[str, str]]:
    """The reason of each mutant, by module and name. Raises `ValueError` for a line out of place."""
    found: dict[str, dict[str, str]] = {}
    module = ""
    silent: list[str] = []  # those that wait for their reason
    told: list[str] = []  # those whose reason may go on
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("# "):
            continue
        indented, mutant = line[0].isspace(), "  =>  " in line
        if indented and (silent or told):
            told, silent = (silent or told), []
            found[module].update({name: f"{found[module].get(name, '')} {words}".strip() for name in told})
        elif mutant and not indented and module:
            silent, told = [*silent, words], []
        elif not mutant and not indented and not silent:
            module, told = words, []
            found.setdefault(module, {})
        else:
            raise ValueError(f"line {number} is out of place: {words!r}")
    if silent:
        raise ValueError(f"the last line is out of place: {silent[-1]!r} has no reason")
    return found
