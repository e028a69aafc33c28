"""The journal's lines as rows: written once, read back exactly, and left out where damaged."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import apsw

from cogitate.errors import DataError
from cogitate.inference import Completion, EngineInfo, Request, Usage
from cogitate.memory.codec import digest_of, floats, floats_cell, ids, ids_cell
from cogitate.memory.database import Database, once, source_row

__all__ = [
    "COMPLETION",
    "CompletionRow",
    "Line",
    "Read",
    "add_lines",
    "as_lines",
    "completion_of",
    "line_of",
    "numbers_of",
    "read_lines",
    "read_replies",
    "take_out",
]

T = TypeVar("T")

_Columns = tuple[Any, ...]  # Any: what SQLite has in the cells of a row that may be damaged


class Line(NamedTuple):
    """A completion that was kept, and its key in the journal of its problem."""

    key: bytes
    sample: int
    completion: Completion
    led: bool
    """It was the first sample of its ask, which carries the prompt."""
    prompt: int
    """The tokens of that prompt."""
    money: float
    """What they cost."""

    def given(self, *, leads: bool) -> Completion:
        """Return it as a sample of an ask, the first one or a later one.

        So an ask costs the same whether its samples were asked for together or one by one.
        """
        if leads == self.led:
            return self.completion
        own, sign = self.completion.usage, 1 if leads else -1
        usage = Usage(
            own.prompt + sign * self.prompt,
            0,
            own.completion,
            own.calls,
            max(0.0, own.money + sign * self.money),  # of merged asks one has paid for the prompt
        )
        return replace(self.completion, usage=usage)


class CompletionRow(NamedTuple):
    """The columns of `COMPLETION`."""

    key: bytes | None
    sample: int | None
    text: str
    reasoning: str | None
    finish: str
    stop: str | None
    usage: str
    prompt_ids: bytes | None
    tokens: bytes | None
    logprobs: bytes | None
    latency: float
    digest: bytes
    model: str
    revision: str
    adapter: str | None
    adapter_revision: str


COMPLETION = (
    "c.key, c.sample, c.text, c.reasoning, c.finish, c.stop, c.usage, x.body, c.tokens, c.logprobs,"
    " c.latency, c.digest, s.model, s.revision, s.adapter, s.adapter_revision"
)
"""Of completions c, their sources s and contexts x."""


def completion_of(row: CompletionRow) -> Completion:
    """What a row says.

    Raises:
        DataError: It is damaged.
    """
    if row.finish not in ("stop", "length"):
        raise DataError(f"a completion ended by {row.finish!r}")
    try:
        usage = Usage(*json.loads(row.usage)[0])
    except (ValueError, TypeError, LookupError) as error:
        raise DataError(f"the usage of a completion cannot be read: {error}") from None
    return Completion(
        text=row.text,
        reasoning=row.reasoning or "",
        finish="stop" if row.finish == "stop" else "length",
        stop=row.stop,
        usage=usage,
        prompt_ids=ids(row.prompt_ids),
        token_ids=ids(row.tokens),
        logprobs=floats(row.logprobs),
        model=row.model,
        revision=row.revision,
        adapter=row.adapter,
        adapter_revision=row.adapter_revision,
        latency=row.latency,
    )


class Read(NamedTuple, Generic[T]):
    """What was read of a problem's journal."""

    sound: list[T]
    damaged: list[int]
    """The ids of rows that cannot be trusted."""


def read_lines(db: Database, problem: int) -> Read[Line]:
    """Read the completions of a problem."""
    found: Read[Line] = Read([], [])
    query = (
        f"SELECT c.id, {COMPLETION} FROM completions c LEFT JOIN sources s ON s.id = c.source"
        " LEFT JOIN contexts x ON x.id = c.context WHERE c.problem = ?"
    )
    for number, columns in _rows(db, query, "SELECT id FROM completions c", problem):
        line = None if columns is None else line_of(problem, CompletionRow(*columns))
        if line is None:
            found.damaged.append(number)
        else:
            found.sound.append(line)
    return found


def _rows(
    db: Database, query: str, numbers: str, problem: int
) -> list[tuple[int, _Columns | None]]:
    """Rows by their ids; None for one that cannot even be read, which fails a query for all."""
    try:
        return db.rows(lambda number, *columns: (number, columns), query, (problem,))
    except DataError:
        several: list[tuple[int, _Columns | None]] = []
        for number in db.rows(int, f"{numbers} WHERE c.problem = ?", (problem,)):
            try:
                several += db.rows(
                    lambda number, *columns: (number, columns),
                    f"{query} AND c.id = ?",
                    (problem, number),
                )
            except DataError:
                several.append((number, None))
        return several


def line_of(problem: int, row: CompletionRow) -> Line | None:
    """The line that a row has; None where it was damaged."""
    try:
        completion = completion_of(row)
        _, led, prompt, money = json.loads(row.usage)
        line = Line(row.key or b"", row.sample or 0, completion, led, prompt, money)
        return line if _digest(problem, line) == row.digest else None
    except (DataError, TypeError, ValueError):
        return None


def read_replies(db: Database, problem: int) -> Read[tuple[bytes, str]]:
    """Read the scores, ratings and failures of a problem, by key."""
    found: Read[tuple[bytes, str]] = Read([], [])
    query = "SELECT c.id, c.key, c.body, c.digest FROM replies c WHERE c.problem = ?"
    for number, columns in _rows(db, query, "SELECT id FROM replies c", problem):
        key, body, digest = columns or (b"", "", b"")
        if digest == digest_of(problem, key, body):
            found.sound.append((key, body))
        else:
            found.damaged.append(number)
    return found


def take_out(db: apsw.Connection, lines: Sequence[int], replies: Sequence[int]) -> None:
    """Remove rows that cannot be trusted, so that what they said is asked again."""
    db.executemany("DELETE FROM completions WHERE id = ?", [(number,) for number in lines])
    db.executemany("DELETE FROM replies WHERE id = ?", [(number,) for number in replies])


def _digest(problem: int, line: Line) -> bytes:
    """Of a completion, and of where it belongs."""
    one = line.completion
    return digest_of(
        problem,
        line.key,
        line.sample,
        (one.text, one.reasoning, one.finish, one.stop, numbers_of(one.usage), one.latency),
        (line.led, line.prompt, line.money),
        (one.prompt_ids, one.token_ids, one.logprobs),
        (one.model, one.revision, one.adapter, one.adapter_revision),
    )


def numbers_of(usage: Usage) -> tuple[float, ...]:
    """A usage as plain numbers."""
    return usage.prompt, usage.cached, usage.completion, usage.calls, usage.money


def as_lines(
    key: bytes, numbers: Sequence[int], fresh: Sequence[Completion], info: EngineInfo
) -> list[Line]:
    """The completions of one ask, in the order of their sample numbers."""
    prompt = fresh[0].usage.prompt
    money = prompt * info.price.prompt / 1_000_000 if info.price else 0.0
    return [
        Line(key, n, one, n == numbers[0], prompt, money)
        for n, one in zip(numbers, fresh, strict=True)
    ]


def add_lines(
    db: apsw.Connection, problem: int, request: Request, lines: Sequence[Line]
) -> list[Line]:
    """Add lines, and return those that stand: another run may have asked for the same just now."""
    return [_add_one(db, problem, request, line) for line in lines]


def _add_one(db: apsw.Connection, problem: int, request: Request, line: Line) -> Line:
    query = (
        f"SELECT {COMPLETION} FROM completions c JOIN sources s ON s.id = c.source"
        " LEFT JOIN contexts x ON x.id = c.context"
        " WHERE c.problem = ? AND c.key = ? AND c.sample = ?"
    )
    for row in db.execute(query, (problem, line.key, line.sample)):
        standing = line_of(problem, CompletionRow(*row))
        if standing is not None:
            return standing
        db.execute(
            "DELETE FROM completions WHERE problem = ? AND key = ? AND sample = ?",
            (problem, line.key, line.sample),
        )
        break
    one = line.completion
    asker = request.agent, request.role, request.operation
    source = source_row(db, (*asker, one.model, one.revision, one.adapter, one.adapter_revision))
    context = None
    if (cell := ids_cell(one.prompt_ids)) is not None:
        context = once(db, "contexts", cell)
    db.execute(
        "INSERT INTO completions VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            problem,
            line.key,
            line.sample,
            source,
            one.text,
            one.reasoning or None,
            one.finish,
            one.stop,
            json.dumps([numbers_of(one.usage), line.led, line.prompt, line.money]),
            context,
            ids_cell(one.token_ids),
            floats_cell(one.logprobs),
            one.latency,
            _digest(problem, line),
        ),
    )
    return line
