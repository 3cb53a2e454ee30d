"""What a module imports, read from its source without running it. Used by test_floors.py, which also tests it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Collection, Iterator, NamedTuple


class Import(NamedTuple):
    """One imported name, absolute: `from ..errors import FeedError` is `syncstream.errors.FeedError`."""

    target: str
    line: int
    typing_only: bool


def modules(root: Path) -> dict[str, Path]:
    """All modules of the package in folder `root`, by dotted name; a folder's `__init__.py` has the folder's name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """Every import in `source`, wherever it stands: at the top, in a function, under TYPE_CHECKING, by `import_module("x")`."""
    package = module if is_package else module.rpartition(".")[0]
    return list(_walk(ast.parse(source), package, typing_only=False))


def resolve(target: str, known: Collection[str]) -> str:
    """The module that `target` names or comes from: the longest beginning that is `known`, else its first part."""
    name = target
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name


def _walk(node: ast.AST, package: str, *, typing_only: bool) -> Iterator[Import]:
    for target in _targets(node, package):
        yield Import(target, getattr(node, "lineno", 0), typing_only)
    if isinstance(node, ast.If) and _asks_for_type_checking(node.test):
        for child in node.body:
            yield from _walk(child, package, typing_only=True)
        for child in node.orelse:
            yield from _walk(child, package, typing_only=typing_only)
    else:
        for inner in ast.iter_child_nodes(node):
            yield from _walk(inner, package, typing_only=typing_only)


def _targets(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(node.module or "", node.level, package)
        return [base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__") and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            level = len(name.value) - len(name.value.lstrip("."))
            return [_absolute(name.value.lstrip("."), level, package)]
    return []


def _absolute(name: str, level: int, package: str) -> str:
    if not level:
        return name
    parts = package.split(".")
    return ".".join(parts[: len(parts) - level + 1] + ([name] if name else []))


def _asks_for_type_checking(test: ast.expr) -> bool:
    return _name(test) == "TYPE_CHECKING"


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
