"""Tests of a program, split into what the program is given and what is expected of it.

Only the first half ever enters a sandbox. Tests are written as lines `assert f(1) == 2`, as a
function `check(candidate)` of such lines (the form of HumanEval), or as a JSON list of objects
with `call` and `expected`, or `stdin` and `stdout`. They are parsed, never run: an assertion that
does not split into a call and a literal is refused.
"""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from cogitate.errors import DataError
from cogitate.tasks.code.assertions import MAX_TESTS, Assertions, parsed
from cogitate.tasks.code.case import Case, Expected

__all__ = ["parse_cases"]


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
    try:
        if tests.lstrip().startswith("["):
            cases = _from_json(tests, entry_point, setup)
        else:
            cases = Assertions(tests, entry_point, setup).cases
    except RecursionError:
        raise DataError("a test is nested too deeply: write it in a simpler form") from None
    if not cases:
        raise DataError("there is no test: write lines such as `assert f(1) == 2`")
    if len(cases) > MAX_TESTS:
        raise DataError(f"{len(cases)} tests: keep at most {MAX_TESTS}")
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
            cases += Assertions(test, entry_point, setup).cases
        else:
            cases.append(_case(test, number, setup))
    return cases


def _case(test: _Written, number: int, setup: str) -> Case:
    before = "\n".join(filter(None, (setup, test.setup)))
    if test.call is not None and test.stdin is None and test.stdout is None:
        if "expected" not in test.model_fields_set:
            raise DataError(f"test {number} has a call and nothing expected: add `expected`")
        parsed(test.call, "eval")
        parsed(before, "exec")
        relation: Literal["equals", "near"] = "near" if test.tolerance else "equals"
        expected = Expected((test.expected,), relation, test.tolerance, test.tolerance, loose=True)
        return Case(test.call, expected, before)
    if test.call is None and test.stdout is not None and "expected" not in test.model_fields_set:
        return Case(None, None, stdin=test.stdin or "", stdout=test.stdout)
    raise DataError(f"test {number}: give `call` and `expected`, or `stdin` and `stdout`")
