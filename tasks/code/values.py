"""Comparing what a program returned with what was expected, without trusting the former.

The text is parsed strictly and compared part by part, along the expected value: nothing of it is
built into a set or a dict, so that values with colliding hashes cost no time, and there is no
object of the program's whose `__eq__` could be asked.
"""

import json
import math
from typing import NamedTuple

__all__ = ["Tagged", "is_near", "matches", "parse", "truth"]

_TAGS = frozenset({"int", "float", "tuple", "set", "dict", "bytes"})
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_MAX_KEY = 1_000
"""Elements of a set within a set: the one place where a returned value is hashed."""


class Tagged(NamedTuple):
    """A value that JSON has no form for."""

    tag: str
    parts: list[object]


def parse(text: str) -> object:
    """Read what the encoder wrote.

    Raises:
        ValueError: It is something else.

    Example:
        >>> parse('{"tuple": [1, "a"]}')
        Tagged(tag='tuple', parts=[1, 'a'])
    """
    try:
        return json.loads(
            text, object_pairs_hook=_tagged, parse_int=_integer, parse_constant=_constant
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _tagged(pairs: list[tuple[str, object]]) -> object:
    if len(pairs) != 1 or pairs[0][0] not in _TAGS:
        raise ValueError("an object that the encoder does not write")
    [(tag, value)] = pairs
    if tag == "int" and isinstance(value, str):
        return int(value, 16)
    if tag == "float" and isinstance(value, str) and value in _FLOATS:
        return _FLOATS[value]
    if tag == "bytes" and isinstance(value, str):
        return bytes.fromhex(value)
    if tag in ("tuple", "set", "dict") and isinstance(value, list):
        return Tagged(tag, value)
    raise ValueError(f"no value of a {tag}")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("an integer that the encoder does not write so")
    return int(digits)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def matches(expected: object, given: object, *, loose: bool = False) -> bool:
    """Tell whether a parsed value equals an expected one, as Python's `==` on plain values does.

    Args:
        expected: Made of None, bool, int, float, str, bytes, list, tuple, set and dict.
        given: What `parse` returned.
        loose: Take a tuple for the list of the same elements: JSON has no tuples.

    Example:
        >>> matches((1, 2), parse("[1, 2]")), matches([1, 2], parse("[1, 2.0]"))
        (False, True)
    """
    if isinstance(expected, list | tuple):
        parts = _sequence(expected, given, loose)
        return parts is not None and all(
            matches(e, g, loose=loose) for e, g in zip(expected, parts, strict=True)
        )
    if isinstance(expected, set | frozenset):
        return _same_set(expected, given)
    if isinstance(expected, dict):
        return _same_dict(expected, given, loose)
    if isinstance(given, Tagged | list):
        return False
    return bool(expected == given)


def _sequence(
    expected: list[object] | tuple[object, ...], given: object, loose: bool
) -> list[object] | None:
    is_tuple = isinstance(given, Tagged) and given.tag == "tuple"
    parts = given.parts if isinstance(given, Tagged) and is_tuple else given
    if not isinstance(parts, list) or len(parts) != len(expected):
        return None
    return parts if loose or is_tuple == isinstance(expected, tuple) else None


def _same_set(expected: set[object] | frozenset[object], given: object) -> bool:
    if not isinstance(given, Tagged) or given.tag != "set" or len(given.parts) != len(expected):
        return False
    places = {element: place for place, element in enumerate(expected)}
    try:
        found = {places.get(_key(part), -1) for part in given.parts}
    except ValueError:
        return False
    return -1 not in found and len(found) == len(expected)


def _same_dict(expected: dict[object, object], given: object, loose: bool) -> bool:
    if not isinstance(given, Tagged) or given.tag != "dict" or len(given.parts) != len(expected):
        return False
    places = {key: place for place, key in enumerate(expected)}
    found = set()
    for pair in given.parts:
        if not isinstance(pair, list) or len(pair) != 2:
            return False
        try:
            key = _key(pair[0])
        except ValueError:
            return False
        if key not in places or not matches(expected[key], pair[1], loose=loose):
            return False
        found.add(places[key])
    return len(found) == len(expected)


def _key(given: object) -> object:
    """Return a value that can be looked up."""
    if isinstance(given, Tagged) and given.tag == "tuple":
        return tuple([_key(part) for part in given.parts])
    if isinstance(given, Tagged) and given.tag == "set" and len(given.parts) <= _MAX_KEY:
        return frozenset([_key(part) for part in given.parts])
    if isinstance(given, Tagged | list):
        raise ValueError("it cannot be in a set")
    return given


def truth(given: object) -> bool:
    """Tell whether a parsed value counts as true."""
    return bool(given.parts) if isinstance(given, Tagged) else bool(given)


def is_near(
    expected: object, given: object, *, relative: float, absolute: float, loose: bool = False
) -> bool:
    """Tell whether numbers, or the numbers of equal lists and tuples, are near each other."""
    if isinstance(expected, list | tuple):
        parts = _sequence(expected, given, loose)
        return parts is not None and all(
            is_near(e, g, relative=relative, absolute=absolute, loose=loose)
            for e, g in zip(expected, parts, strict=True)
        )
    if not isinstance(expected, int | float) or not isinstance(given, int | float):
        return matches(expected, given, loose=loose)
    try:
        return math.isclose(expected, given, rel_tol=relative, abs_tol=absolute)
    except OverflowError:
        return expected == given
