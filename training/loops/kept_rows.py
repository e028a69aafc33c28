"""Rows of any kind as JSON lines between the stages of a loop, all or none of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.memory.whole_file import whole_file
from cogitate.training.rows import Row

__all__ = ["keep_rows", "kept_rows"]

R = TypeVar("R", bound=Row)


def keep_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows, and return how many there are."""
    many = 0
    with whole_file(path) as file:
        for row in rows:
            file.write(row.model_dump_json() + "\n")
            many += 1
    return many


def kept_rows(path: Path, kind: type[R]) -> list[R]:
    """Read what `keep_rows` wrote.

    Args:
        path: The file.
        kind: The class of the rows.

    Raises:
        ConfigError: There is no such file.
        DataError: A line is no such row.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file of rows: harvest them first")
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(kind.model_validate_json(line))
            except ValidationError as error:
                said = error.errors(include_url=False)[0]["msg"]
                raise DataError(
                    f"{path}, line {number} is no {kind.__name__} ({said}): remove the file, and "
                    "its stage makes it again"
                ) from None
    return rows
