"""What is changed, and how: from a source to its mutants. Pure.

Comparisons by one (`<`, `<=`), and turned round; a condition always or never true; an operand of `and`/`or` left out; a number
one more; a truth turned round; a text changed; arithmetic turned round; a statement left out; a keyword argument, an element of a
table, a bound of a slice left out; `min` for `max`, `any` for `all`. Not changed: annotations, docstrings, `assert` and
`TYPE_CHECKING` (both are for type checkers), `__slots__`, the texts of enumerations and f-strings, and what a module imports.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple, Optional, Union

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TESTS = (ast.If, ast.IfExp, ast.While)
_LEFT_OUT = (ast.AugAssign, ast.Delete, ast.Break, ast.Continue)


class Mutant(NamedTuple):
    """One change. Its name has no line number: it must outlive edits elsewhere in the file."""

    place: str  # the class and function it stands in
    within: Optional[str]  # the outermost function, if it stands in the body of one
    before: str  # the statement, a compound one without its body
    after: str
    number: int  # 1, unless the same change of the same statement was met there before
    line: int
    code: CodeType

    @property
    def name(self) -> str:
        again = f"  #{self.number}" if self.number > 1 else ""
        return f"{self.place}: {self.before}  =>  {self.after}{again}"


def mutants(source: str, filename: str) -> Iterator[Mutant]:
    """Each mutant of a module, in the order of the source."""
    for told, tree in _each(source):
        yield told._replace(code=compile(tree, filename, "exec"))


def names(source: str) -> Iterator[str]:
    """The name of each mutant of a module. Much faster than making them."""
    for told, _ in _each(source):
        yield told.name


def _each(source: str) -> Iterator[tuple[Mutant, ast.Module]]:
    """What is told of each mutant, without its code, and the tree that is the mutant until the next one."""
    tree = ast.parse(source)
    nothing = compile("", "", "exec")
    seen: Counter[tuple[str, str, str]] = Counter()
    walk = _Walk(tree)
    for place, statement, owner, field, index, replacement in walk.changes():
        before = _text(statement)
        ast.fix_missing_locations(ast.copy_location(replacement, statement))
        original = _swap(owner, field, index, replacement)
        after = _text(replacement if original is statement else statement)
        seen[place, before, after] += 1
        yield Mutant(place, walk.within, before, after, seen[place, before, after], statement.lineno, nothing), tree
        _swap(owner, field, index, original)


def _swap(owner: ast.AST, field: str, index: Optional[int], new: Any) -> Any:
    """Put `new` there; returns what was there."""
    if index is None:
        old = getattr(owner, field)
        setattr(owner, field, new)
        return old
    items = getattr(owner, field)
    old, items[index] = items[index], new
    return old


def _text(statement: ast.stmt) -> str:
    """A statement on one line; a compound one without its body."""
    if hasattr(statement, "body"):
        statement = copy.copy(statement)
        vars(statement).update({field: [] for field in ("orelse", "handlers", "finalbody") if hasattr(statement, field)})
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            statement.decorator_list = []
        vars(statement)["body"] = [ast.Pass()]
        return ast.unparse(statement).rsplit("\n", 1)[0].strip()
    return ast.unparse(statement).replace("\n", "\\n")


Change = tuple[str, ast.stmt, ast.AST, str, Optional[int], Any]


class _Walk:
    """Owned by: one call of `mutants`. Where it is in the tree."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.names: list[str] = []
        self.within: Optional[str] = None
        self.table = False  # within an assignment outside any function, or the right side of an `in`

    def changes(self) -> Iterator[Change]:
        for index, statement in enumerate(self.tree.body):
            yield from self._statement(self.tree, "body", index, statement)

    @property
    def _place(self) -> str:
        return ".".join(self.names) or "(module)"

    def _statement(self, owner: ast.AST, field: str, index: int, node: ast.stmt) -> Iterator[Change]:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert)) or _is_docstring(node) or _is_for_types(node):
            return
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "__slots__" in ast.unparse(node):
            return
        if isinstance(node, ast.ClassDef):
            if not any(ast.unparse(base) == "enum.Enum" for base in node.bases):
                yield from self._named(node)
            return
        if isinstance(node, ast.FunctionDef):
            # The defaults belong to the function's own name.
            self.names.append(node.name)
            yield from self._expressions(node, node.args, ("defaults", "kw_defaults"))
            self.names.pop()
            yield from self._named(node)
            return
        if _may_be_left_out(node):
            yield self._place, node, owner, field, index, ast.Pass()
        if isinstance(node, ast.Continue):
            yield self._place, node, owner, field, index, ast.Break()
        outside = not self.names or self.names[-1].lstrip("_")[:1].isupper()
        self.table = outside and isinstance(node, (ast.Assign, ast.AnnAssign))
        yield from self._expressions(node, node, tuple(name for name in node._fields if name != "annotation"))
        self.table = False
        if isinstance(node, ast.If) and any(isinstance(one, (ast.ClassDef, ast.FunctionDef)) for one in node.body):
            yield from self._block(node, "orelse")
            return
        for block in ("body", "orelse", "finalbody"):
            yield from self._block(node, block)
        for handler in getattr(node, "handlers", ()):
            yield from self._block(handler, "body")

    def _named(self, node: Union[ast.ClassDef, ast.FunctionDef]) -> Iterator[Change]:
        self.names.append(node.name)
        outermost = isinstance(node, ast.FunctionDef) and self.within is None
        if outermost:
            self.within = self._place
        yield from self._block(node, "body")
        if outermost:
            self.within = None
        self.names.pop()

    def _block(self, owner: ast.AST, field: str) -> Iterator[Change]:
        for index, statement in enumerate(getattr(owner, field, ())):
            yield from self._statement(owner, field, index, statement)

    def _expressions(self, statement: ast.stmt, owner: ast.AST, fields: tuple[str, ...]) -> Iterator[Change]:
        """The changes of every expression below `owner`, without those in nested statements."""
        for field in fields:
            value = getattr(owner, field, None)
            several = isinstance(value, list)
            for index, node in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(node, ast.AST) or isinstance(node, (ast.stmt, ast.ExceptHandler)):
                    continue
                at = index if several else None
                for replacement in _variants(node, owner, field, table=self.table):
                    yield self._place, statement, owner, field, at, replacement
                if isinstance(node, ast.JoinedStr):
                    for part in node.values:
                        if isinstance(part, ast.FormattedValue):
                            yield from self._expressions(statement, part, ("value",))
                    continue
                before, self.table = self.table, self.table or (field == "comparators")
                yield from self._expressions(statement, node, node._fields)
                self.table = before


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse


def _may_be_left_out(node: ast.stmt) -> bool:
    """Whether the rest still makes sense without it. (Without a name nothing would; that shows by itself.)"""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets)
    if isinstance(node, ast.Return):
        return node.value is None
    return isinstance(node, _LEFT_OUT) or (isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.YieldFrom)))


def _variants(node: ast.AST, owner: ast.AST, field: str, *, table: bool) -> Iterator[ast.AST]:
    """What may stand in the place of `node`, which is `owner.field` or one of it."""
    if (isinstance(owner, _TESTS) and field == "test") or (isinstance(owner, ast.comprehension) and field == "ifs"):
        if not isinstance(node, ast.Constant) and ast.unparse(node) != "TYPE_CHECKING":
            yield ast.Constant(False)
            if not isinstance(owner, ast.While):
                yield ast.Constant(True)
    elif isinstance(node, ast.Compare):
        yield from _other_comparisons(node, whole=False)
    if isinstance(node, ast.Compare) and isinstance(owner, (*_TESTS, ast.comprehension)):
        yield from _other_comparisons(node, whole=True)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for left_out in node.values:
            rest = [value for value in node.values if value is not left_out]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.operator) and isinstance(owner, ast.AugAssign):
        yield _ARITHMETIC[type(node)]()
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node, owner)
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            yield ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])
    elif isinstance(node, ast.Name) and node.id in _NAMES and field == "func":
        yield ast.Name(_NAMES[node.id], ast.Load())
    elif isinstance(node, ast.Slice):
        for bound in ("lower", "upper"):
            if getattr(node, bound) is not None:
                yield ast.Slice(**{**{name: getattr(node, name) for name in node._fields}, bound: None})
    elif table:
        yield from _shorter(node)


def _other_comparisons(node: ast.Compare, *, whole: bool) -> Iterator[ast.AST]:
    """`whole`: it is a condition by itself, which is made always and never true anyway, so turning it round adds nothing."""
    for index, op in enumerate(node.ops):
        others = _COMPARISONS[type(op)]
        if whole and len(node.ops) == 1:
            others = others[:1] if len(others) > 1 else ()
        for other in others:
            yield ast.Compare(node.left, [*node.ops[:index], other(), *node.ops[index + 1 :]], node.comparators)


def _other_constants(node: ast.Constant, owner: ast.AST) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
    elif isinstance(value, (str, bytes)):
        yield ast.Constant(value + "~" if isinstance(value, str) else value + b"~")
    elif value is None and isinstance(owner, (ast.Return, ast.Assign, ast.AnnAssign)):
        yield ast.Constant(0)


def _shorter(node: ast.AST) -> Iterator[ast.AST]:
    """A table without one of its elements."""
    if (
        isinstance(node, (ast.Tuple, ast.List, ast.Set))
        and len(node.elts) > 1
        and not isinstance(getattr(node, "ctx", None), ast.Store)
    ):
        for left_out in node.elts:
            shorter = copy.copy(node)
            shorter.elts = [other for other in node.elts if other is not left_out]
            yield shorter
    elif isinstance(node, ast.Dict):
        for place in range(len(node.keys)):
            yield ast.Dict(node.keys[:place] + node.keys[place + 1 :], node.values[:place] + node.values[place + 1 :])
