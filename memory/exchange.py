"""Lessons and examples as lines of JSON: what leaves a memory, and comes into another.

What comes in is unverified, whatever it says: a flag in a file proves nothing. Who trusts it runs
the trial again, and lets the memory learn what came of it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from cogitate.agents import Lesson, Provenance
from cogitate.errors import DataError, StoreError
from cogitate.memory.remembered import Kept, Sort

__all__ = ["Imported", "read_lessons", "write_lessons"]

_LONGEST_LINE = 1_000_000


class Imported(NamedTuple):
    """Something from another memory."""

    sort: Sort
    lesson: Lesson


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sort: Sort
    lesson: Lesson


def write_lessons(path: str | Path, items: Iterable[Kept]) -> int:
    """Write one item a line, and return how many there are.

    Raises:
        StoreError: The file cannot be written.
    """
    lines = [_Line(sort=item.sort, lesson=item.lesson).model_dump_json() for item in items]
    try:
        Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): give another place") from None
    return len(lines)


def read_lessons(path: str | Path) -> list[Imported]:
    """Read what `write_lessons` wrote, without what it says of proof.

    Raises:
        DataError: A line is something else.
    """
    source = f"import:{Path(path).name}"
    try:
        with Path(path).open(encoding="utf-8") as lines:
            return [
                _imported(line, f"{path}, line {number}", source)
                for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), ""), 1)
                if line.strip()
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from None


def _imported(line: str, place: str, source: str) -> Imported:
    try:
        row = _Line.model_validate(json.loads(line, object_pairs_hook=_once))
    except (ValidationError, ValueError, RecursionError) as error:
        raise DataError(
            f"{place}: this is no lesson ({error}): give a file that Experience.save wrote"
        ) from None
    proof = row.lesson.provenance
    told = Provenance(run=source, thought=proof.thought, author=proof.author, model=proof.model)
    lesson = row.lesson.model_copy(update={"verified": False, "provenance": told})
    return Imported(row.sort, lesson)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)
