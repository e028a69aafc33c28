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


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 ** 3 ** 2", 512),
        ("2^10", 1024),
        ("-2 ** 2", -4),
        ("2 ** -2", Fraction(1, 4)),
        ("(-2) ** 3", -8),
        ("1.5 * 4 + .25", Fraction(25, 4)),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("17 % 5 * 2", 4),
        ("7.5 // 2", 3),
        ("2 * 3 ** 2", 18),
    ],
)
def test_the_extended_form_reads_what_python_reads(expression: str, value: Fraction) -> None:
    calculation = calculate(expression, extended=True)
    assert calculation is not None and calculation.value == value
    assert calculation.value == Fraction(str(eval(expression.replace("^", "**"))))


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "9 ** 99999",
        "2 ** 0.5",
        "(2 ** 4000) ** 2",
        "0 ** -1",
        "1 % 0",
        "1 // 0",
        "1.2.3",
        "1.",
        "1e9",
        "2 ** ",
        "** 2",
        "-" * 390 + "1",
        "2**" * 130 + "1",
        "(" * 300 + "1" + ")" * 300,
        "__import__('os')",
        "\u0662 + 1",
    ],
)
def test_the_extended_form_is_bounded_too(expression: str) -> None:
    assert calculate(expression, extended=True) is None


@given(st.text(alphabet="0123456789+-*/()%^. ", max_size=200))
def test_no_text_takes_the_extended_form_long(expression: str) -> None:
    calculation = calculate(expression, extended=True)
    assert calculation is None or calculation.value.numerator.bit_length() < 1_000_000


def _parts(expression: str) -> list[str]:
    parts: list[str] = []
    for character in expression:
        if character.isdigit() and parts and parts[-1].isdigit():
            parts[-1] += character
        else:
            parts.append(character)
    # Python has no numbers with leading zeros.
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]
