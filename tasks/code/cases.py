"""Tests of a program, split into what the program is given and what is expected of it.

Only the first half ever enters a sandbox. Tests are written as lines `assert f(1) == 2`, as a
function `check(candidate)` of such lines (the form of HumanEval), or as a JSON list of objects
with `call` and `expected`, or `stdin` and `stdout`. They are parsed, never run: an assertion that
does not split into a call and a literal is refused.
"""

import ast
import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from cogitate.errors import DataError
from cogitate.tasks.code.values import is_near, matches, truth

__all__ = ["Case", "Expected", "parse_cases"]

_MAX_TESTS = 1_000
_DECIDING = frozenset({"abs", "all", "any", "bool", "callable", "hasattr", "isinstance"})
"""Builtins whose result is easily guessed, and which a program can replace."""
_CONSTRUCTORS = {"set": set, "frozenset": frozenset, "tuple": tuple, "list": list}


class Expected(NamedTuple):
    """What a call must return. It never enters a sandbox."""

    values: tuple[object, ...]
    """One of them is right."""
    relation: Literal["equals", "is", "truth", "near"] = "equals"
    relative: float = 0.0
    absolute: float = 0.0
    loose: bool = False
    """It came from JSON, which has no tuples: a tuple is taken for a list."""

    def met_by(self, given: object) -> bool:
        """Tell whether a value that `cogitate.tasks.code.values.parse` read is right."""
        if self.relation == "truth":
            return truth(given) is self.values[0]
        if self.relation == "is":
            return given is self.values[0]
        if self.relation == "near":
            return is_near(
                self.values[0],
                given,
                relative=self.relative,
                absolute=self.absolute,
                loose=self.loose,
            )
        return any(matches(value, given, loose=self.loose) for value in self.values)

    def __str__(self) -> str:
        return " or ".join(map(repr, self.values))


class Case(NamedTuple):
    """One test: an expression to evaluate, or an input to read."""

    call: str | None
    expected: Expected | None
    setup: str = ""
    """Statements that come before the call: imports."""
    stdin: str = ""
    stdout: str = ""
    """What must be printed, where there is no call."""


class _Written(BaseModel):
    """A test as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: str | None = None
    expected: JsonValue = None
    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False)
    stdin: str | None = None
    stdout: str | None = None
    setup: str = ""


_WRITTEN = TypeAdapter(list[_Written | str])


def parse_cases(tests: str, *, entry_point: str = "", setup: str = "") -> list[Case]:
    """Split tests into cases.

    Args:
        tests: Lines of Python, or a JSON list.
        entry_point: What a function `check(candidate)` is given, where the tests do not say.
        setup: Imports that every call needs.

    Raises:
        DataError: A test cannot be split, or there is none.

    Example:
        >>> [case] = parse_cases("assert add(1, 2) == 3")
        >>> case.call, case.expected.values
        ('add(1, 2)', (3,))
    """
    if tests.lstrip().startswith("["):
        cases = _from_json(tests, entry_point, setup)
    else:
        cases = _Assertions(tests, entry_point, setup).cases
    if not cases:
        raise DataError("there is no test: write lines such as `assert f(1) == 2`")
    if len(cases) > _MAX_TESTS:
        raise DataError(f"{len(cases)} tests: give at most {_MAX_TESTS}")
    return cases


def _from_json(tests: str, entry_point: str, setup: str) -> list[Case]:
    try:
        written = _WRITTEN.validate_python(json.loads(tests))
    except (ValidationError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"the tests are no JSON list of tests ({reason}): write "
            '[{"call": "f(1)", "expected": 2}] or [{"stdin": "1\\n", "stdout": "2\\n"}]'
        ) from None
    cases: list[Case] = []
    for number, test in enumerate(written, 1):
        if isinstance(test, str):
            cases += _Assertions(test, entry_point, setup).cases
        else:
            cases.append(_case(test, number, setup))
    return cases


def _case(test: _Written, number: int, setup: str) -> Case:
    before = "\n".join(filter(None, (setup, test.setup)))
    if test.call is not None and test.stdin is None and test.stdout is None:
        if "expected" not in test.model_fields_set:
            raise DataError(f"test {number} has a call and nothing expected: add `expected`")
        _parsed(test.call, "eval")
        _parsed(before, "exec")
        relation: Literal["equals", "near"] = "near" if test.tolerance else "equals"
        expected = Expected((test.expected,), relation, test.tolerance, test.tolerance, loose=True)
        return Case(test.call, expected, before)
    if test.call is None and test.stdout is not None and "expected" not in test.model_fields_set:
        return Case(None, None, stdin=test.stdin or "", stdout=test.stdout)
    raise DataError(f"test {number}: give `call` and `expected`, or `stdin` and `stdout`")


def _parsed(source: str, mode: Literal["eval", "exec"]) -> ast.AST:
    try:
        return ast.parse(source, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{_short(source)} is not Python: {error}") from None


def _short(source: str) -> str:
    return repr(source if len(source) <= 120 else source[:120] + "…")


class _Assertions:
    """Reads tests that are written in Python."""

    def __init__(self, source: str, entry_point: str, setup: str) -> None:
        self.cases: list[Case] = []
        self._setup = [setup] if setup else []
        self._names: set[str] = set()
        _parsed(setup, "exec")
        module = _parsed(source, "exec")
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
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call(args=given) as call) if all(
            map(_is_literal, given)
        ):
            return _call(node, call), Expected((False,), "truth")
        case ast.Call(args=given) as call if all(map(_is_literal, given)):
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


def _call(node: ast.Assert, call: ast.expr) -> ast.expr:
    """Return an expression that may enter a sandbox: one that does not itself decide the test."""
    if any(isinstance(part, ast.Compare | ast.BoolOp | ast.IfExp) for part in ast.walk(call)):
        raise _unsplit(node, "compare once, as in `assert CALL == LITERAL`")
    if isinstance(call, ast.Call) and ast.unparse(call.func) in _DECIDING:
        raise _unsplit(node, f"{ast.unparse(call.func)} would decide it beside the program")
    return call


def _literal(node: ast.expr) -> object:
    """Return the value of a literal, or of `set([1, 2])` and the like.

    Raises:
        ValueError: It is something else.
    """
    match node:
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _CONSTRUCTORS:
            value = _literal(inner)
            if not isinstance(value, list | tuple | set | frozenset | str):
                raise ValueError("no sequence")
            return _CONSTRUCTORS[name](value)
    value = ast.literal_eval(node)
    if isinstance(value, complex) or value is Ellipsis:
        raise ValueError("no plain value")
    return value


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
