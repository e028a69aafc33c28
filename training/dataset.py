"""How training rows are kept, and which problems may be measured with them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.memory.whole_file import whole_file
from cogitate.tasks import Example, Problem, ProblemSet
from cogitate.tasks.held_back import folded, same_text
from cogitate.training.rows import SFTRow

__all__ = [
    "Distinct",
    "SFTRow",
    "distinct",
    "load_rows",
    "same_text",
    "save_rows",
    "text_of",
    "unseen",
]


class Distinct(NamedTuple):
    """Rows without repetition, and how many were left out."""

    rows: list[SFTRow]
    duplicates: int
    """The same reply to the same text, as often as it came again."""
    capped: int
    """Further replies to a text that has as many as allowed."""


def distinct(rows: Iterable[SFTRow], *, per_problem: int | None = None) -> Distinct:
    """Keep each reply to a text once, and at most `per_problem` replies to a text; the first ones.

    Raises:
        ConfigError: `per_problem` is less than 1.
    """
    if per_problem is not None and per_problem < 1:
        raise ConfigError(f"per_problem={per_problem}: give at least 1, or None for all")
    kept: list[SFTRow] = []
    seen: set[tuple[str, str, str]] = set()
    count: Counter[tuple[str, str]] = Counter()
    duplicates = capped = 0
    for row in rows:
        asked = (row.role, same_text(row.question))
        reply = (*asked, same_text(row.completion))
        if reply in seen:
            duplicates += 1
        elif per_problem is not None and count[asked] >= per_problem:
            capped += 1
        else:
            kept.append(row)
            count[asked] += 1
        seen.add(reply)
    return Distinct(kept, duplicates, capped)


def unseen(problems: ProblemSet, *, than: Iterable[SFTRow | Problem | Example | str]) -> ProblemSet:
    """Return the problems whose text is none of those in `than`, however written (`folded`).

    Ids and generator seeds do not tell: two seeds often make the same text.

    Args:
        problems: What is to be measured with. Worked examples stay.
        than: Training rows, the problems they were sampled from, worked examples, other sets.

    Returns:
        A set whose `dropped` counts what was left out, besides what its loader had dropped.

    Raises:
        ConfigError: No problem is left.
    """
    known = {folded(text_of(item)) for item in than}
    kept = [problem for problem in problems if folded(problem.prompt) not in known]
    if not kept:
        raise ConfigError(f"{problems.name}: every problem was seen before: load other ones")
    dropped = problems.dropped + len(problems) - len(kept)
    return ProblemSet(problems.name, kept, examples=problems.examples, dropped=dropped)


def text_of(item: SFTRow | Problem | Example | str) -> str:
    """Return the text of the problem that a row, a problem or a worked example is about."""
    match item:
        case SFTRow():
            return item.question
        case Problem() | Example():
            return item.prompt
        case _:
            return item


def save_rows(path: str | Path, rows: Sequence[SFTRow]) -> None:
    """Write rows as JSON lines, all or none of them."""
    with whole_file(Path(path)) as file:
        file.writelines(row.model_dump_json() + "\n" for row in rows)


def load_rows(path: str | Path) -> list[SFTRow]:
    """Read rows that `save_rows` wrote.

    Raises:
        ConfigError: There is no such file.
        DataError: A line is no row; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file: harvest rows first")
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(SFTRow.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise DataError(f"{path}, line {number}: {where}: {first['msg']}") from None
    return rows
