"""A calculator for agents: exact, bounded, and it runs nothing that a model wrote."""

import re
from decimal import Context, Decimal
from fractions import Fraction

from cogitate.tasks.arithmetic import calculate

__all__ = ["Calculator"]

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MOST_DIGITS = 40
_DIGITS = 12


class Calculator:
    """Arithmetic on numbers: + - * / // % ** and brackets.

    Example:
        >>> import asyncio
        >>> asyncio.run(Calculator().call("(1,200 - 0.5) * 2"))
        '2399'
        >>> asyncio.run(Calculator().call("1 / 3"))
        '1/3 = 0.333333333333'
    """

    name = "calculator"
    description = "calculates an expression such as (3 + 4) * 2; only numbers and + - * / // % **"

    async def call(self, text: str, /) -> str:
        """Calculate an expression.

        Raises:
            ValueError: It is none, divides by zero, or has too large a power.
        """
        expression = _THOUSANDS.sub("", text.strip().strip("`$").removesuffix("=").strip())
        found = calculate(expression, extended=True)
        if found is None:
            raise ValueError(
                "it cannot be calculated: write numbers, brackets and + - * / // % ** alone, do "
                "not divide by zero, and keep powers small"
            )
        return _shown(found.value)


def _shown(value: Fraction) -> str:
    """Whole numbers and short decimals exactly; others as a fraction, where short, and rounded."""
    if max(abs(value.numerator), value.denominator) >= 10**_MOST_DIGITS:
        return f"about {_divided(value, _DIGITS)}"
    decimal = _divided(value, 2 * _MOST_DIGITS)
    if Fraction(decimal) == value:
        return f"{decimal:f}"
    return f"{value} = {_divided(value, _DIGITS):f}"


def _divided(value: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))
