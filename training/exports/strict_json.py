"""JSON from anywhere: each name once in an object, and numbers of a size that makes sense."""

import json
import math
from typing import NoReturn

from cogitate.errors import DataError

__all__ = ["checked_json", "parsed"]


def checked_json(text: bytes) -> str:
    """Return a JSON object as it was written, once it is known to be sound.

    Raises:
        DataError: It is not.
    """
    try:
        parsed(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no sound JSON: {str(error)[:200]}") from None
    return text.decode("utf-8")


def parsed(text: bytes) -> dict[str, object]:
    """Return a JSON object.

    Raises:
        ValueError: It is none, a name stands twice in it, or a number is none or too large.
        RecursionError: It is nested too deeply.
    """
    found = json.loads(
        text.decode("utf-8"),
        object_pairs_hook=_once,
        parse_constant=_no_number,
        parse_int=_integer,
        parse_float=_float,
    )
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError(f"the integer {digits[:20]}... is too large")
    return int(digits)


def _float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value
