"""Assertions, each split into an expression to evaluate and the value that it must have."""

import ast
from collections.abc import Mapping
from types import EllipsisType
from typing import Literal

from cogitate.errors import DataError
from cogitate.tasks.code.case import Case, Expected

__all__ = ["MAX_TESTS", "Assertions", "parsed"]

MAX_TESTS = 1_000
_DECIDING = frozenset({"all", "any", "bool", "callable", "hasattr", "isinstance"})
"""Builtins that would decide a test beside the program, which can replace them."""
_CONSTRUCTORS = {"set": set, "frozenset": frozenset, "tuple": tuple, "list": list}


def parsed(source: str, mode: Literal["eval", "exec"]) -> ast.AST:
    """Return the tree of a source.

    Raises:
        DataError: It is no Python.
    """
    try:
        return ast.parse(source, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{_short(source)} is not Python: {error}") from None


def _short(source: str) -> str:
    return repr(source if len(source) <= 120 else source[:120] + "…")


class Assertions:
    """Tests that are written in Python, as cases.

    Args:
        source: Lines `assert f(1) == 2`, alone, in `check(candidate)` or in `test...()`.
        entry_point: What `candidate` is, where the source does not say.
        setup: Imports that every call needs.

    Raises:
        DataError: One cannot be split.
    """

    def __init__(self, source: str, entry_point: str, setup: str) -> None:
        self.cases: list[Case] = []
        self._setup = [setup] if setup else []
        self._names: set[str] = set()
        parsed(setup, "exec")
        module = parsed(source, "exec")
        assert isinstance(module, ast.Module)
        self._entry_point = entry_point or _checked(module)
        self._read(module.body, {})

    def _read(self, body: list[ast.stmt], renamed: Mapping[str, str]) -> None:
        for node in body:
            match node:
                case ast.Assert():
                    self._add(node, renamed)
                case ast.Import() | ast.ImportFrom():
                    self._setup.append(ast.unparse(node))
                case ast.Expr(value=ast.Constant()) | ast.Pass():
                    pass
                case ast.Expr(value=ast.Call(func=ast.Name(id="check"))) if not renamed:
                    pass
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self._names.add(name)
                case ast.FunctionDef(name="check", args=ast.arguments(args=[parameter])):
                    if not self._entry_point.isidentifier():
                        raise DataError(
                            "check(candidate) does not say what it checks: "
                            'give metadata={"entry_point": "NAME"}'
                        )
                    self._read(node.body, {parameter.arg: self._entry_point})
                case ast.FunctionDef(name=name, args=ast.arguments(args=[])) if name.startswith(
                    "test"
                ):
                    self._read(node.body, renamed)
                case _:
                    raise _unsplit(node, "tests may have imports and assertions, nothing else")

    def _add(self, node: ast.Assert, renamed: Mapping[str, str]) -> None:
        if isinstance(node.test, ast.Constant) and node.test.value is True:
            return
        for name in ast.walk(node.test):
            if isinstance(name, ast.Name):
                if name.id in self._names:
                    raise _unsplit(node, f"write the value of {name.id!r} where it is used")
                name.id = renamed.get(name.id, name.id)
        if len(self.cases) == MAX_TESTS:
            raise DataError(f"more than {MAX_TESTS} tests: keep fewer")
        call, expected = _split(node)
        self.cases.append(Case(ast.unparse(call), expected, "\n".join(self._setup)))


def _checked(module: ast.Module) -> str:
    """Return what a last line `check(NAME)` names."""
    for node in module.body:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Name(id="check"), args=[ast.Name(id=name)])):
                return name
    return ""


def _split(node: ast.Assert) -> tuple[ast.expr, Expected]:
    """Split an assertion into the expression to evaluate and what it must come to."""
    if isinstance(node.test, ast.Compare):
        return _compared(node, node.test)
    match node.test:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="math"), attr="isclose") | ast.Name(id="isclose"),
            args=[a, b],
            keywords=keywords,
        ):
            bounds = {keyword.arg or "": keyword.value for keyword in keywords}
            return _near(node, a, b, bounds or {"rel_tol": ast.Constant(1e-9)})
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call) if _is_plain(call):
            return _call(node, call), Expected((False,), "truth")
        case ast.Call() as call if _is_plain(call):
            return _call(node, call), Expected((True,), "truth")
    raise _unsplit(node, "write it as `assert CALL == LITERAL`")


def _compared(node: ast.Assert, test: ast.Compare) -> tuple[ast.expr, Expected]:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            for call, side in ((left, right), (right, left)):
                if _is_literal(side) and not _is_literal(call):
                    return _call(node, call), Expected((_literal(side),))
        case ast.Compare(left=call, ops=[ast.Is()], comparators=[ast.Constant(value=value)]) if (
            value is None or isinstance(value, bool)
        ):
            return _call(node, call), Expected((value,), "is")
        case ast.Compare(left=call, ops=[ast.In()], comparators=[right]) if _is_literal(right):
            values = _literal(right)
            if isinstance(values, list | tuple | set) and not _is_literal(call):
                return _call(node, call), Expected(tuple(values))
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=a, op=ast.Sub(), right=b)]),
            ops=[ast.Lt() | ast.LtE()],
            comparators=[bound],
        ):
            return _near(node, a, b, {"abs_tol": bound})
    raise _unsplit(node, "write it as `assert CALL == LITERAL`")


def _near(
    node: ast.Assert, a: ast.expr, b: ast.expr, bounds: Mapping[str, ast.expr]
) -> tuple[ast.expr, Expected]:
    if bounds.keys() <= {"rel_tol", "abs_tol"} and all(map(_is_literal, bounds.values())):
        limits = {name: _literal(bound) for name, bound in bounds.items()}
        for call, side in ((a, b), (b, a)):
            if _is_literal(side) and not _is_literal(call):
                relative, absolute = limits.get("rel_tol", 0.0), limits.get("abs_tol", 0.0)
                if isinstance(relative, int | float) and isinstance(absolute, int | float):
                    value = _literal(side)
                    return _call(node, call), Expected((value,), "near", relative, absolute)
    raise _unsplit(node, "write it as `assert abs(CALL - NUMBER) < NUMBER`")


def _is_plain(call: ast.Call) -> bool:
    """Tell whether a call has literals only: `close(f(1), 2)` would bring in what is expected."""
    return all(map(_is_literal, [*call.args, *(keyword.value for keyword in call.keywords)]))


def _call(node: ast.Assert, call: ast.expr) -> ast.expr:
    """Return an expression that may enter a sandbox: one that does not itself decide the test."""
    for part in ast.walk(call):
        if isinstance(part, ast.Compare | ast.BoolOp | ast.IfExp):
            raise _unsplit(node, "compare once, as in `assert CALL == LITERAL`")
        if isinstance(part, ast.BinOp) and _weighs(part):
            raise _unsplit(node, "move the number to the other side, or write `abs(CALL - NUMBER)`")
    if isinstance(call, ast.Call) and ast.unparse(call.func) in _DECIDING:
        raise _unsplit(node, f"{ast.unparse(call.func)} would decide it beside the program")
    return call


def _weighs(part: ast.BinOp) -> bool:
    """Tell whether it puts a result and a literal together, as in `f(1) - 2 == 0`."""
    for one, other in ((part.left, part.right), (part.right, part.left)):
        if _is_literal(one) and any(isinstance(inner, ast.Call) for inner in ast.walk(other)):
            return True
    return False


def _literal(node: ast.expr) -> object:
    """Return the value of a literal, or of `set([1, 2])`, `float("inf")` and the like.

    Raises:
        ValueError: It is something else.
    """
    match node:
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _CONSTRUCTORS:
            value: object = _literal(inner)
            unordered = isinstance(value, set | frozenset)
            if not isinstance(value, list | tuple | str) and not (unordered and "set" in name):
                raise ValueError("no sequence")
            return _CONSTRUCTORS[name](value)
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return float(text)
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, complex | EllipsisType):
            raise ValueError("no plain value")
    return ast.literal_eval(node)


def _is_literal(node: ast.expr) -> bool:
    try:
        _literal(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _unsplit(node: ast.AST, todo: str) -> DataError:
    return DataError(
        f"the test {_short(ast.unparse(node))} does not split into what the program is given and "
        f"what is expected of it: {todo}"
    )
