"""Worked steps for generated problems, where honest ones can be written from the problem itself.

For the arithmetic chains every intermediate result is a line. For all other families an example
shows the form of the answer and no more: steps that were not worked are not made up.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from pydantic import JsonValue

__all__ = ["worked"]


def worked(family: str, entry: Mapping[str, JsonValue], reference: str) -> str:
    r"""Return steps, where we can write them, and the marked answer.

    Example:
        >>> print(worked("chain_sum", {"expression": "12 + 13 - 4"}, "21"))
        12 + 13 = 25
        25 - 4 = 21
        Answer: 21
    """
    write = _STEPS.get(family)
    lines = write(entry) if write is not None else []
    separator = "\n" if "\n" in reference else " "
    return "\n".join([*lines, f"Answer:{separator}{reference}"])


def _chain(entry: Mapping[str, JsonValue]) -> list[str]:
    expression = str(entry["expression"])
    if not re.fullmatch(r"-?[0-9.]+(?: [+-] -?[0-9.]+)+", expression):
        return []
    first, *rest = expression.split(" ")
    total = Decimal(first)
    lines: list[str] = []
    for operator, term in zip(rest[::2], rest[1::2], strict=True):
        new = total + Decimal(term) if operator == "+" else total - Decimal(term)
        lines.append(f"{total} {operator} {term} = {new}")
        total = new
    return lines


def _product(entry: Mapping[str, JsonValue]) -> list[str]:
    factors = str(entry["expression"]).split(" * ")
    if len(factors) < 2 or not all(re.fullmatch(r"-?[0-9]+", factor) for factor in factors):
        return []
    total = int(factors[0])
    lines: list[str] = []
    for factor in factors[1:]:
        lines.append(f"{total} * {factor} = {total * int(factor)}")
        total *= int(factor)
    return lines


def _gcd(entry: Mapping[str, JsonValue]) -> list[str]:
    numbers = entry["numbers"]
    assert isinstance(numbers, list)
    left, *others = (int(str(number)) for number in numbers)
    lines: list[str] = []
    for right in others:
        larger, smaller = max(left, right), min(left, right)
        while smaller:
            quotient, remainder = divmod(larger, smaller)
            lines.append(f"{larger} = {quotient} * {smaller} + {remainder}")
            larger, smaller = smaller, remainder
        left = larger
    return lines


def _bits(entry: Mapping[str, JsonValue]) -> list[str]:
    return [f"{entry['number']} is {entry['binary']} in binary"]


_STEPS: dict[str, Callable[[Mapping[str, JsonValue]], list[str]]] = {
    "basic_arithmetic": _chain,
    "chain_sum": _chain,
    "count_bits": _bits,
    "decimal_chain_sum": _chain,
    "gcd": _gcd,
    "products": _product,
}
