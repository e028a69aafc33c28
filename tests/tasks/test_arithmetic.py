from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.tasks.arithmetic import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("8 / (3 - 8/3)", 24),
        ("-3 + +5", 2),
        ("1 / 2 / 2", Fraction(1, 4)),
        ("3 × 4 ÷ 2", 6),  # noqa: RUF001  signs that models write
        ("[1 + 2] * 3", 9),
    ],
)
def test_an_expression_is_calculated_exactly(expression: str, value: Fraction) -> None:
    calculation = calculate(expression)
    assert calculation is not None and calculation.value == value


def test_the_numbers_are_listed_as_they_were_written() -> None:
    calculation = calculate("(12 - 4) * 12")
    assert calculation is not None and calculation.numbers == (12, 4, 12)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "()",
        "1 +",
        "1 2",
        "(1",
        "1)",
        "1 / 0",
        "2 ** 3",
        "2^3",
        "2.5 * 2",
        "x + 1",
        "1,000 + 1",
        "__import__('os')",
        "1 if 1 else 2",
        "9" * 13,
        "1//2",
        "1 + \ud800",
        "1\0",
        "(" * 300 + "1" + ")" * 300,
        "(" * 100_000,
        "-" * 390 + "1",
        "1" + "+1" * 100_000,
    ],
)
def test_anything_else_is_no_expression(expression: str) -> None:
    assert calculate(expression) is None


@given(st.text(alphabet="0123456789+-*/() ", max_size=200))
def test_an_expression_agrees_with_python_on_fractions(expression: str) -> None:
    calculation = calculate(expression)
    if calculation is not None and "**" not in expression and "//" not in expression:
        python = "".join(
            f"Fraction({part})" if part.isdigit() else part for part in _parts(expression)
        )
        assert calculation.value == eval(python, {"Fraction": Fraction})


def _parts(expression: str) -> list[str]:
    parts: list[str] = []
    for character in expression:
        if character.isdigit() and parts and parts[-1].isdigit():
            parts[-1] += character
        else:
            parts.append(character)
    # Python has no numbers with leading zeros.
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]
