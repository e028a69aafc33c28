"""Numbers as people and models write them, read exactly and cheaply.

A number becomes a `Fraction`, so that 0.5 and 1/2 are the same and 0.1 + 0.2 is 0.3. Digits and
exponents are bounded before any arithmetic: a text of a million digits or `1e999999999` costs
nothing and is no number here. Left out: words for numbers, mixed numbers ("1 1/2"), and LaTeX,
which is the maths grader's work.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Quantity", "parse_number", "parse_quantity"]

_MAX_CHARACTERS = 400
_MAX_EXPONENT = 400

_SAME = str.maketrans({"−": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " "})  # noqa: RUF001
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s?
    (?P<currency>[$€£¥]?)\s?
    (?P<late_sign>[+-]?)
    (?P<value>{_DECIMAL}(?:[eE][+-]?[0-9]+)?)
    (?:\s?/\s?(?P<denominator>{_DIGITS}))?
    (?P<unit>\s?%|\s[^\W\d_]+(?:\s[^\W\d_]+)?)?
    """,
    re.VERBOSE,
)

# Words after a number that change its value or join it to something else, so are no units.
_NOT_UNITS = (
    "and or to minus plus times over not per less more than squared cubed half halves third thirds "
    "quarter quarters percent pi hundred thousand thousands million millions billion billions "
    "trillion dozen dozens mod sqrt sin cos tan log ln exp st nd rd th"
)


class Quantity(NamedTuple):
    """A number with what stood around it."""

    value: Fraction
    unit: str
    """`%`, a currency sign, the words after the number, or nothing."""


def parse_quantity(text: str) -> Quantity | None:
    """Read a whole text as one number with at most one unit; None if it is anything else.

    A unit is a currency sign before the number, or a percent sign or one or two words after it
    ("$42", "42%", "42 square metres"). It is told apart and never converted. Words that would
    change the number ("3 million", "2 pi", "5 or 6") make the text no number, as does a single
    letter, which may be a variable.

    Example:
        >>> parse_quantity("1,250.50 apples")
        Quantity(value=Fraction(2501, 2), unit='apples')
        >>> parse_quantity("3 million"), parse_quantity("1e999999999")
        (None, None)
    """
    return None if len(text) > _MAX_CHARACTERS else _parsed(text)


@lru_cache(maxsize=4096)  # the samples of a problem share few answers, and its reference one
def _parsed(text: str) -> Quantity | None:
    text = text.translate(_SAME).strip().replace("\\$", "$").replace("\\%", "%")
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text[1:-1].strip()
    match = _NUMBER.fullmatch(text.removesuffix(".").rstrip())
    if match is None or (match["sign"] and match["late_sign"]):
        return None
    unit = (match["unit"] or "").strip().casefold()
    words = unit.split()
    if any(word in _NOT_UNITS.split() or (len(word) < 2 and word != "%") for word in words):
        return None
    if unit and match["currency"]:
        return None
    value = _exact(match["value"], match["denominator"])
    if value is None:
        return None
    negative = "-" in (match["sign"], match["late_sign"])
    return Quantity(-value if negative else value, unit or match["currency"])


def parse_number(text: str) -> Fraction | None:
    """Read a whole text as one number without a unit; None if it is anything else.

    Example:
        >>> parse_number("1,000") == parse_number("1000.0") == parse_number("1e3")
        True
        >>> parse_number("1/2") == parse_number(".5"), parse_number("12 apples")
        (True, None)
    """
    quantity = parse_quantity(text)
    return quantity.value if quantity is not None and not quantity.unit else None


def _exact(value: str, denominator: str | None) -> Fraction | None:
    mantissa, _, exponent = value.replace(",", "").lower().partition("e")
    if exponent and (len(exponent) > 5 or abs(int(exponent)) > _MAX_EXPONENT):
        return None
    number = Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(exponent or 0)
    if denominator is None:
        return number
    below = int(denominator.replace(",", ""))
    return number / below if below else None
