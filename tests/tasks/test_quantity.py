from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.tasks.quantity import Quantity, parse_number, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000", Fraction(1000)),
        ("1000.0", Fraction(1000)),
        ("1e3", Fraction(1000)),
        ("1/2", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("-0.10", Fraction(-1, 10)),
        ("−7", Fraction(-7)),  # noqa: RUF001  a real minus sign
        ("+3.", Fraction(3)),
        (" 42 ", Fraction(42)),
        ("$42$", Fraction(42)),
    ],
)
def test_a_number_is_read_exactly_however_it_is_written(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("$42", Quantity(Fraction(42), "$")),
        ("-$1,250.50", Quantity(Fraction(-2501, 2), "$")),
        ("$-3", Quantity(Fraction(-3), "$")),
        (r"\$5", Quantity(Fraction(5), "$")),
        ("42%", Quantity(Fraction(42), "%")),
        (r"12.5 \%", Quantity(Fraction(25, 2), "%")),
        ("42 apples", Quantity(Fraction(42), "apples")),
        ("3 square metres", Quantity(Fraction(3), "square metres")),
    ],
)
def test_one_unit_is_told_apart_from_the_number(text: str, quantity: Quantity) -> None:
    assert parse_quantity(text) == quantity


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "abc",
        "1,00",
        "1,0000",
        "12,34",
        "1/0",
        "1/2/3",
        "1 2",
        "--1",
        "+-1",
        "- -1",
        "3 million",
        "2 pi",
        "2 x",
        "2x",
        "5 or 6",
        "5 and up",
        "4 not 5",
        "two",
        "1 000",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "$5 dollars",
        "12 apples, so 13 - 1",
        "3 times 4",
        "1e5e5",
        "٣",
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    assert parse_quantity(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "1e999999999",
        "1e-999999999",
        "9" * 10**6,
        "0." + "1" * 10**6,
        "1/" + "3" * 10**6,
        "1" * 401,
        "1e" + "9" * 300,
        "," * 10**5,
        "$" * 10**5,
        "-" * 10**5,
        "1 " * 10**5,
    ],
)
def test_a_monstrous_number_is_refused_before_any_arithmetic(text: str) -> None:
    assert parse_quantity(text) is None


@given(st.integers(-(10**30), 10**30))
def test_every_integer_is_read_with_and_without_separators(number: int) -> None:
    assert parse_number(str(number)) == parse_number(f"{number:,}") == number


@given(st.fractions(max_denominator=10**12))
def test_every_fraction_is_read_as_itself(number: Fraction) -> None:
    assert parse_number(str(number)) == number


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1e12, max_value=1e12)
)
def test_every_decimal_is_read_exactly(number: object) -> None:
    assert parse_number(str(number)) == Fraction(str(number))


@given(st.text() | st.text(alphabet="0123456789.,/eE+-$% apples\u2212"))
def test_any_text_is_a_number_or_none(text: str) -> None:
    quantity = parse_quantity(text)
    assert quantity is None or isinstance(quantity.value, Fraction)
