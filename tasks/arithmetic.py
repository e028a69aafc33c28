"""Arithmetic expressions from a model, calculated without running them.

The four operations, brackets, a sign, and whole numbers; in the extended form also decimals,
powers, whole division and remainder; nothing else is an expression. Values are exact fractions, so
8 / (3 - 8/3) is 24. Length, depth and the size of powers are bounded before they are calculated.
"""

import re
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Calculation", "calculate"]

_MAX_CHARACTERS = 400
_MAX_DEPTH = 50
_MAX_BITS = 4096
_TOKEN = re.compile(r"\s*([0-9]{1,12}|[-+*/()])")
_EXTENDED = re.compile(
    r"\s*([0-9]{1,12}\.[0-9]{1,12}|\.[0-9]{1,12}|[0-9]{1,12}|\*\*|//|\^|%|[-+*/()])"
)
_SAME = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "[": "(", "]": ")"})  # noqa: RUF001


class Calculation(NamedTuple):
    """What an expression comes to, and what it is made of."""

    value: Fraction
    numbers: tuple[int, ...]
    """Every whole number written in it, in order of appearance."""


def calculate(expression: str, *, extended: bool = False) -> Calculation | None:
    """Calculate an expression exactly; None if it is not one, or divides by zero.

    Args:
        expression: At most 400 characters.
        extended: Whether decimals, `**` or `^` (whole exponents), `//` and `%` are read as well,
            as Python reads them.

    Example:
        >>> calculate("8 / (3 - 8 / 3)")
        Calculation(value=Fraction(24, 1), numbers=(8, 3, 8, 3))
        >>> calculate("__import__('os')"), calculate("9**9**9")
        (None, None)
    """
    if len(expression) > _MAX_CHARACTERS:
        return None
    expression = expression.translate(_SAME).replace("\\times", "*").replace("\\div", "/").strip()
    token = _EXTENDED if extended else _TOKEN
    tokens: list[str] = []
    position = 0
    while position < len(expression):
        match = token.match(expression, position)
        if match is None:
            return None
        tokens.append(match[1])
        position = match.end()
    try:
        parser = _Parser(tokens)
        value = parser.sum(0)
        parser.end()
    except (_NotAnExpression, ZeroDivisionError):
        return None
    return Calculation(value, tuple(int(number) for number in tokens if number.isdigit()))


class _NotAnExpression(Exception):
    pass


class _Parser:
    """Recursive descent, one method per level of precedence."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def end(self) -> None:
        if self._peek():
            raise _NotAnExpression

    def sum(self, depth: int) -> Fraction:
        value = self.product(depth)
        while self._peek() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            value += sign * self.product(depth)
        return value

    def product(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while self._peek() in ("*", "/", "//", "%"):
            match self._take():
                case "*":
                    value *= self.factor(depth)
                case "/":
                    value /= self.factor(depth)
                case "//":
                    value = Fraction(value // self.factor(depth))
                case _:
                    value %= self.factor(depth)
        return value

    def factor(self, depth: int) -> Fraction:
        if depth > _MAX_DEPTH:
            raise _NotAnExpression
        if self._peek() in ("+", "-"):
            return (1 if self._take() == "+" else -1) * self.factor(depth + 1)
        value = self.atom(depth)
        if self._peek() in ("**", "^"):
            self._take()
            value = _power(value, self.factor(depth + 1))
        return value

    def atom(self, depth: int) -> Fraction:
        token = self._take()
        if token == "(":
            value = self.sum(depth + 1)
            if self._take() != ")":
                raise _NotAnExpression
            return value
        if token[-1:].isdigit():
            return Fraction(token)
        raise _NotAnExpression


def _power(value: Fraction, exponent: Fraction) -> Fraction:
    """A whole power whose size is known to be bounded before it is calculated."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if exponent.denominator != 1 or bits * abs(exponent.numerator) > _MAX_BITS:
        raise _NotAnExpression
    return Fraction(value**exponent.numerator)
