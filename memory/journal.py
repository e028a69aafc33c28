"""The journal: what every model call gave, kept before any strategy sees it.

It is an engine around an engine, between a problem's budget and the coalescing of asks. Each line
has the place of the ask as its key: the problem, the position in its graph, a digest of the request
and the number of the sample. A later run that asks for the same, of the same weights, is given the
line instead of a call, whatever strategy asks. So a run that was killed costs nothing twice, and no
strategy needs any code for it.

A call that failed is kept as well. While an episode is unfinished, one that might work now
(`EngineUnavailable`) is asked again; when a finished one is replayed, it fails again.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

import apsw

from cogitate.errors import (
    DataError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)
from cogitate.inference import Completion, Engine, EngineInfo, Rating, Request, Score, Usage
from cogitate.memory.codec import digest_of, floats, floats_cell, ids, ids_cell
from cogitate.memory.database import Database, once, source_row

__all__ = ["COMPLETION", "CompletionRow", "Journal", "Journaled", "Line", "completion_of"]

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds that a replay waits for the strategy to cancel a call of which nothing was kept."""


class Line(NamedTuple):
    """A completion that was kept, and its key in the journal of its problem."""

    key: bytes
    sample: int
    completion: Completion


class Journal:
    """The journal of one problem.

    Args:
        db: Where it is kept.
        problem: The row of the problem.
        weights: What to tell adapters by, instead of the names under which requests ask for them.
        replay: Call no model.
    """

    def __init__(
        self, db: Database, problem: int, weights: Mapping[str, str], *, replay: bool = False
    ) -> None:
        self._db = db
        self._problem = problem
        self._weights = weights
        self._replay = replay
        lines, replies = _lines(db, problem), _replies(db, problem)
        self._kept = {(line.key, line.sample): line for line in lines.sound}
        self._replies = dict(replies.sound)
        self.damaged = len(lines.damaged) + len(replies.damaged)
        """Lines that cannot be trusted. They are taken out, so what they said is asked again."""
        if self.damaged:
            db.write_now(lambda db: _take_out(db, lines.damaged, replies.damaged))
        self.asked: dict[tuple[str, int], Line] = {}
        """What was given in this episode, by position and sample number."""
        self.replayed = 0
        """Completions, scores and ratings that took no call."""

    def around(self, engine: Engine) -> "Journaled":
        """Put the journal around an engine."""
        return Journaled(engine, self)

    def key(self, kind: str, info: EngineInfo, request: Request, *more: object) -> bytes:
        """Name what is asked for: everything that decides the answer, and where it will stand."""
        content = request.content
        if content.adapter is not None:
            weights = self._weights.get(content.adapter, content.adapter)
            content = content._replace(adapter=weights)
        return digest_of(
            kind, info.model, info.revision, request.position, request.seed, content, more
        )

    async def complete(self, engine: Engine, request: Request) -> list[Completion]:
        """Return what is kept of the samples, and have the rest sampled and kept."""
        key, numbers = self.key("complete", engine.info, request), request.sample_numbers
        found = {n: line for n in numbers if (line := self._kept.get((key, n)))}
        missing = tuple(n for n in numbers if n not in found)
        self.replayed += len(found)
        if missing:
            failure = self.key("failure", engine.info, request, missing)
            fresh = await self._called(
                failure, lambda: engine.complete(_less(request, missing, found))
            )
            if len(fresh) != len(missing):
                raise EngineError(
                    f"{engine.info.model} gave {len(fresh)} completions for n={len(missing)}: "
                    "an engine must answer all samples or raise"
                )
            lines = [Line(key, n, one) for n, one in zip(missing, fresh, strict=True)]
            await self._db.write(lambda db: _add(db, self._problem, request, lines))
            for line in lines:
                found[line.sample] = self._kept[key, line.sample] = line
        for n in numbers:
            self.asked[request.position, n] = found[n]
        return [found[n].completion for n in numbers]

    async def score(self, engine: Engine, request: Request, texts: Sequence[str]) -> list[Score]:
        """Return the scores that are kept, or have the texts scored."""

        async def call() -> str:
            scores = await engine.score(request, texts)
            return json.dumps(
                [[s.text, s.token_ids, s.logprobs, _numbers(s.usage)] for s in scores]
            )

        body = await self._reply(self.key("score", engine.info, request, tuple(texts)), call)
        return [
            Score(text, tuple(tokens), tuple(logprobs), Usage(*usage))
            for text, tokens, logprobs, usage in json.loads(body)
        ]

    async def rate(self, engine: Engine, request: Request, steps: Sequence[str]) -> Rating:
        """Return the rating that is kept, or have the reply rated."""

        async def call() -> str:
            rating = await engine.rate(request, steps)
            return json.dumps([rating.scores, _numbers(rating.usage)])

        body = await self._reply(self.key("rate", engine.info, request, tuple(steps)), call)
        scores, usage = json.loads(body)
        return Rating(tuple(scores), Usage(*usage))

    async def _reply(self, key: bytes, call: Callable[[], Awaitable[str]]) -> str:
        if key in self._replies:
            self.replayed += 1
            return self._replies[key]
        body = await self._called(digest_of("failure", key), call)
        await self._keep(key, body)
        return body

    async def _called(self, failure: bytes, call: Callable[[], Awaitable[T]]) -> T:
        """Call a model; where that failed before and would again, fail without a call."""
        if failure in self._replies:
            error = _error(self._replies[failure])
            if self._replay or not isinstance(error, EngineUnavailable):
                raise error
        if self._replay:
            await asyncio.sleep(_PATIENCE)
            raise DataError(
                "the strategy asks for what the run that is replayed did not: it has changed; "
                "think about the problems in a new run instead"
            )
        try:
            return await call()
        except EngineError as error:
            body = json.dumps([type(error).__name__, str(error)])
            await self._keep(failure, body)
            raise

    async def _keep(self, key: bytes, body: str) -> None:
        row = (self._problem, key, body, digest_of(self._problem, key, body))
        await self._db.write(
            lambda db: db.execute("INSERT OR IGNORE INTO replies VALUES(NULL,?,?,?,?)", row)
        )
        self._replies.setdefault(key, body)


class Journaled:
    """An engine whose answers are in the journal before they are used."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine = engine
        self._journal = journal

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """The engine's count."""
        return self._engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        """As the engine, with what is kept."""
        return await self._journal.complete(self._engine, request)

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """As the engine, with what is kept."""
        return await self._journal.score(self._engine, request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """As the engine, with what is kept."""
        return await self._journal.rate(self._engine, request, steps)

    async def close(self) -> None:
        """Leave the engine open: it belongs to the run."""


def _less(request: Request, missing: tuple[int, ...], found: Mapping[int, Line]) -> Request:
    if not found:
        return request
    return replace(request, n=len(missing), sample=missing[0], numbers=missing)


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
        usage = Usage(*json.loads(row.usage))
    except (ValueError, TypeError) as error:
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


class _Read(NamedTuple, Generic[T]):
    sound: list[T]
    damaged: list[int]
    """The ids of rows that cannot be trusted."""


def _lines(db: Database, problem: int) -> _Read[Line]:
    found: _Read[Line] = _Read([], [])
    rows = db.rows(
        lambda row, *columns: (row, CompletionRow(*columns)),
        f"SELECT c.id, {COMPLETION} FROM completions c LEFT JOIN sources s ON s.id = c.source"
        " LEFT JOIN contexts x ON x.id = c.context WHERE c.problem = ?",
        (problem,),
    )
    for number, row in rows:
        try:
            line = Line(row.key or b"", row.sample or 0, completion_of(row))
        except (DataError, TypeError):
            found.damaged.append(number)
            continue
        if _digest(problem, line) == row.digest:
            found.sound.append(line)
        else:
            found.damaged.append(number)
    return found


def _replies(db: Database, problem: int) -> _Read[tuple[bytes, str]]:
    found: _Read[tuple[bytes, str]] = _Read([], [])
    query = "SELECT id, key, body, digest FROM replies WHERE problem = ?"
    for number, key, body, digest in db.rows(lambda *row: row, query, (problem,)):
        if digest == digest_of(problem, key, body):
            found.sound.append((key, body))
        else:
            found.damaged.append(number)
    return found


def _take_out(db: apsw.Connection, lines: Sequence[int], replies: Sequence[int]) -> None:
    db.executemany("DELETE FROM completions WHERE id = ?", [(number,) for number in lines])
    db.executemany("DELETE FROM replies WHERE id = ?", [(number,) for number in replies])


def _digest(problem: int, line: Line) -> bytes:
    """Of a completion, and of where it belongs."""
    one = line.completion
    return digest_of(
        problem,
        line.key,
        line.sample,
        (one.text, one.reasoning, one.finish, one.stop, _numbers(one.usage), one.latency),
        (one.prompt_ids, one.token_ids, one.logprobs),
        (one.model, one.revision, one.adapter, one.adapter_revision),
    )


def _numbers(usage: Usage) -> tuple[float, ...]:
    return usage.prompt, usage.cached, usage.completion, usage.calls, usage.money


def _add(db: apsw.Connection, problem: int, request: Request, lines: Sequence[Line]) -> None:
    for line in lines:
        one = line.completion
        asker = request.agent, request.role, request.operation
        source = source_row(
            db, (*asker, one.model, one.revision, one.adapter, one.adapter_revision)
        )
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
                json.dumps(_numbers(one.usage)),
                context,
                ids_cell(one.token_ids),
                floats_cell(one.logprobs),
                one.latency,
                _digest(problem, line),
            ),
        )


_ERRORS = {kind.__name__: kind for kind in (EngineUnavailable, EngineRefused, PromptTooLong)}


def _error(body: str) -> EngineError:
    name, message = json.loads(body)
    return _ERRORS.get(name, EngineError)(message)
