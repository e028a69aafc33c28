"""Rows of JSON-lines and CSV files, with the line of each, and problems made of them."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue, TypeAdapter, ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.tasks.problem import Example, Problem, ProblemSet

__all__ = ["Row", "problem_set", "read_rows", "shipped"]

_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class Row(NamedTuple):
    """One row of a file and where it stands."""

    values: Mapping[str, JsonValue]
    where: str
    """File and line, for messages."""

    def text(self, *names: str) -> str:
        """Return the first of these columns that the row has, as text.

        Raises:
            DataError: It has none of them, or it is empty or no text or number.
        """
        for name in names:
            if name in self.values:
                value = self.values[name]
                if isinstance(value, bool) or not isinstance(value, str | int | float):
                    raise DataError(f"{self.where}: {name!r} must be a text or a number")
                if not str(value).strip():
                    raise DataError(f"{self.where}: {name!r} is empty: fill it or remove the row")
                return str(value)
        wanted = " or ".join(repr(name) for name in names)
        raise DataError(f"{self.where}: no {wanted}: it has {', '.join(self.values) or 'nothing'}")


def shipped(name: str) -> Path:
    """Return the path of a data file that comes with the package."""
    return Path(str(resources.files("cogitate.tasks") / "data" / name))


def read_rows(path: str | Path) -> Iterator[Row]:
    """Read a `.jsonl` or `.csv` file, row by row.

    Raises:
        ConfigError: There is no such file, or it ends in something else.
        DataError: A row cannot be read; the message names its line.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {".jsonl": _json_rows, ".csv": _csv_rows}
    if path.suffix not in readers:
        raise ConfigError(f"{path}: give a file that ends in .jsonl or .csv")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file: check the path (from {Path.cwd()})")
    try:
        yield from readers[path.suffix](path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason}): save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                values = _OBJECT.validate_python(json.loads(line))
            except json.JSONDecodeError as error:
                raise DataError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
            except (ValidationError, RecursionError, ValueError):
                raise DataError(f'{where}: not a JSON object such as {{"prompt": "…"}}') from None
            yield Row(values, where)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        try:
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if header is None:
                    header = [cell.strip() for cell in cells]
                elif len(cells) == len(header):
                    yield Row(dict(zip(header, cells, strict=True)), where)
                elif cells:
                    wanted = f"{len(header)} columns as its header has"
                    raise DataError(f"{where}: {len(cells)} columns where it needs {wanted}")
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: not CSV: {error}") from None


def problem_set(
    name: str,
    problems: Iterator[Problem],
    *,
    size: int | None = None,
    offset: int = 0,
    examples: Sequence[Example] = (),
) -> ProblemSet:
    """Gather problems, without those whose prompt was there before.

    Args:
        name: The set's name.
        problems: All that the source has.
        size: How many to keep; None for all.
        offset: How many to leave out at the start, after duplicates were dropped.
        examples: Worked examples; a problem that is one of them is dropped as well.

    Raises:
        ConfigError: The source has too few for `offset` and `size`.
    """
    if offset < 0 or (size is not None and size < 1):
        raise ConfigError(f"{name}: size must be at least 1 and offset at least 0")
    seen = {_key(example.prompt) for example in examples}
    kept: list[Problem] = []
    dropped = 0
    end = None if size is None else offset + size
    for problem in problems:
        if end is not None and len(kept) == end:
            break
        key = _key(problem.prompt)
        if key in seen:
            dropped += 1
            continue
        seen.add(key)
        kept.append(problem)
    if not kept[offset:] or (end is not None and len(kept) < end):
        have = f"only {len(kept)} distinct problems"
        asked = f"size={size}, offset={offset}" if size is not None else f"offset={offset}"
        raise ConfigError(f"{name}: {have} for {asked}: ask for fewer")
    return ProblemSet(name, kept[offset:], examples=examples, dropped=dropped)


def _key(prompt: str) -> str:
    return " ".join(prompt.split())
