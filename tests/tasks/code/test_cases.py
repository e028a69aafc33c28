"""Tests are split into what a program is given and what is expected of it, or refused."""

import ast
import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.errors import DataError
from cogitate.tasks.code import Case, Expected, parse_cases


def only(tests: str, *, entry_point: str = "", setup: str = "") -> Case:
    [case] = parse_cases(tests, entry_point=entry_point, setup=setup)
    return case


@pytest.mark.parametrize(
    ("test", "call", "expected"),
    [
        ("assert f(1, [2]) == -3", "f(1, [2])", Expected((-3,))),
        ("assert (1, 'a') == f()", "f()", Expected(((1, "a"),))),
        ("assert f(x=1) == {'a': {1, 2}}, 'why'", "f(x=1)", Expected(({"a": {1, 2}},))),
        ("assert f() == set([1, 1])", "f()", Expected(({1},))),
        ("assert f() == tuple('ab')", "f()", Expected((("a", "b"),))),
        ("assert f() == float('-inf')", "f()", Expected((float("-inf"),))),
        ("assert set(f()) == {1}", "set(f())", Expected(({1},))),
        ("assert f()[0].x == 1", "f()[0].x", Expected((1,))),
        ("assert f() + f() == 2", "f() + f()", Expected((2,))),
        ("assert f(10**9 + 7) == 0", "f(10 ** 9 + 7)", Expected((0,))),
        ("assert f() is None", "f()", Expected((None,), "is")),
        ("assert f() is True", "f()", Expected((True,), "is")),
        ("assert f('a')", "f('a')", Expected((True,), "truth")),
        ("assert not f('a')", "f('a')", Expected((False,), "truth")),
        ("assert f() in [1, 2]", "f()", Expected((1, 2))),
        ("assert abs(f(2) - 0.5) < 1e-3", "f(2)", Expected((0.5,), "near", 0.0, 1e-3)),
        ("assert abs(0.5 - f(2)) <= 1", "f(2)", Expected((0.5,), "near", 0.0, 1)),
        ("assert math.isclose(f(), 2.0)", "f()", Expected((2.0,), "near", 1e-9, 0.0)),
        (
            "assert isclose(f(), 2, rel_tol=0.1, abs_tol=0.2)",
            "f()",
            Expected((2,), "near", 0.1, 0.2),
        ),
    ],
)
def test_an_assertion_is_split(test: str, call: str, expected: Expected) -> None:
    assert only(test) == Case(call, expected)


@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) == g(1)",
        "assert f(1) != 2",
        "assert f(1) > 2",
        "assert 1 < f(1) < 3",
        "assert f(1) == 1 == 1",
        "assert f(1) is not None",
        "assert f(1) is x",
        "assert 2 in f(1)",
        "assert f() in 'abc'",
        "assert f(1) == 2 and f(2) == 3",
        "assert (f(1) == 2) == True",
        "assert f(1) - 2 == 0",
        "assert int(2 - f(1)) == 0",
        "assert (1 if f(1) == 2 else 0) == 1",
        "assert (lambda: f(1) == 2)()",
        "assert all(f(i) == i for i in range(3))",
        "assert isinstance(f(1), int)",
        "assert isinstance(f(1), int) == True",
        "assert bool(f(1)) is True",
        "assert close(f(1), 2)",
        "assert close(a=f(1), b=2)",
        "assert np.allclose(f(1), 2)",
        "assert abs(f(1) - g(1)) < 1e-6",
        "assert f() == [1j]",
        "assert f() == ...",
        "assert f() == [...]",
        "assert f() == list({1, 2})",
        "assert f",
        "assert 1 == 1",
        "x = 2\nassert f(1) == x",
        "for i in range(3):\n    assert f(i) == i",
        "import os\nos.system('true')",
        "def helper(): pass",
        "with open('x') as f: pass",
        "while True: pass",
        "exec('1')",
        "x: int = 3",
        "f(1) == 2",
    ],
)
def test_what_does_not_split_is_refused_and_said(test: str) -> None:
    with pytest.raises(DataError, match=r"does not split into what .*: \w+"):
        parse_cases(test)


def test_a_function_check_is_read_with_the_name_that_it_is_given() -> None:
    tests = "METADATA = {'x': 1}\ndef check(candidate):\n    assert candidate(1) == 2\n"
    assert only(tests, entry_point="g").call == "g(1)"
    assert only(tests + "check(h)").call == "h(1)"
    with pytest.raises(DataError, match="does not say what it checks"):
        parse_cases(tests)


def test_imports_of_the_tests_and_the_setup_come_before_each_call() -> None:
    tests = "import math\nassert f(math.pi) == 3\nfrom a import b\nassert f(b) == 4"
    assert [case.setup for case in parse_cases(tests, setup="x = 1")] == [
        "x = 1\nimport math",
        "x = 1\nimport math\nfrom a import b",
    ]


def test_tests_of_pytest_are_read() -> None:
    assert (
        only("def test_f():\n    '''Why.'''\n    assert f(1) == 2\n    assert True").call == "f(1)"
    )


def test_a_list_of_assertions_is_read() -> None:
    tests = json.dumps(["assert f(1) == 2", "assert f(2) == 3"])
    assert [case.call for case in parse_cases(tests)] == ["f(1)", "f(2)"]


def test_calls_and_inputs_are_read_from_json() -> None:
    tests = [
        {"call": "f(1)", "expected": [1, None]},
        {"call": "f(2)", "expected": 0.5, "tolerance": 0.1, "setup": "import math"},
        {"stdin": "1\n", "stdout": "2\n"},
        {"stdout": ""},
    ]
    assert parse_cases(json.dumps(tests), setup="import os") == [
        Case("f(1)", Expected(([1, None],), loose=True), "import os"),
        Case("f(2)", Expected((0.5,), "near", 0.1, 0.1, loose=True), "import os\nimport math"),
        Case(None, None, stdin="1\n", stdout="2\n"),
        Case(None, None, stdout=""),
    ]


@pytest.mark.parametrize(
    "tests",
    [
        "",
        "   \n",
        "import math",
        "assert True",
        "[]",
        "[",
        "[1]",
        '[{"call": "f(1)"}]',
        '[{"expected": 1}]',
        '[{"stdin": "1"}]',
        '[{"call": "f(1)", "expected": 1, "stdout": "1"}]',
        '[{"call": "f(1)", "expected": 1, "verified": true}]',
        '[{"call": "f(1)", "expected": 1, "tolerance": -1}]',
        '[{"call": "f(1)", "expected": 1, "tolerance": NaN}]',
        '[{"call": "f(", "expected": 1}]',
        '[{"call": "x = 1", "expected": 1}]',
        '[{"call": "f(1)", "expected": 1, "setup": "def"}]',
        "assert f(1) ==",
        "\0",
        "\ud800",
    ],
)
def test_tests_that_are_none_are_refused(tests: str) -> None:
    with pytest.raises(DataError):
        parse_cases(tests)


def test_too_many_tests_are_refused_at_once() -> None:
    with pytest.raises(DataError, match="1000"):
        parse_cases("assert f(1) == 1\n" * 1_001)
    with pytest.raises(DataError, match="1000"):
        parse_cases(json.dumps(["assert f(1) == 1"] * 1_001))
    assert len(parse_cases("assert f(1) == 1\n" * 1_000)) == 1_000


@pytest.mark.parametrize(
    "tests",
    [
        "assert f" + "()" * 50_000 + " == 1",
        "assert f() == " + "-" * 50_000 + "1",
        "assert f() == " + "[" * 50_000,
        "assert f() == " + "1 + " * 20_000 + "1",
        "assert f()" + ".a" * 3_000 + " == 1",
        "assert f(" + "-" * 900 + "1) == 1",
        "assert f() == " + "9" * 50_000,
        "[" * 50_000,
        '[{"call": "f()", "expected": ' + "[" * 5_000 + "]" * 5_000 + "}]",
    ],
)
def test_nesting_without_end_is_refused_soon(tests: str) -> None:
    start = time.monotonic()
    with contextlib.suppress(DataError):
        parse_cases(tests)
    assert time.monotonic() - start < 5


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tests: str) -> None:
    for prefix in ("", "[", "assert f(1) == "):
        with contextlib.suppress(DataError):
            parse_cases(prefix + tests)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_any_literals_are_split_and_the_expected_one_does_not_enter(
    argument: object, expected: object
) -> None:
    case = only(f"assert f({argument!r}) == {expected!r}")
    assert case.expected == Expected((expected,))
    assert case.call is not None
    [given_argument] = ast.parse(case.call, mode="eval").body.args  # type: ignore[attr-defined]
    assert ast.literal_eval(given_argument) == argument
