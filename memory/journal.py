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
from typing import TypeVar

import apsw

from cogitate.errors import (
    DataError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)
from cogitate.inference import Completion, Engine, EngineInfo, Rating, Request, Score, Usage
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database
from cogitate.memory.lines import (
    Line,
    add_lines,
    as_lines,
    numbers_of,
    read_lines,
    read_replies,
    take_out,
)
from cogitate.memory.shards import Spilled

__all__ = ["Journal", "Journaled"]

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds that a replay waits for the strategy to cancel a call of which nothing was kept."""


class Journal:
    """The journal of one problem.

    Args:
        db: Where it is kept.
        problem: The row of the problem.
        weights: What to tell adapters by, instead of the names under which requests ask for them.
        replay: Call no model.
        spilled: What has gone to shards of it.

    Raises:
        DataError: A shard cannot be read, and there shall be a replay.
    """

    def __init__(
        self,
        db: Database,
        problem: int,
        weights: Mapping[str, str],
        *,
        replay: bool = False,
        spilled: Callable[[int], Spilled] = lambda _: Spilled([], [], 0, []),
    ) -> None:
        self._db = db
        self._problem = problem
        self._weights = weights
        self._replay = replay
        lines, replies = read_lines(db, problem), read_replies(db, problem)
        moved = spilled(problem)  # later than the rows: what moves meanwhile is seen twice
        if replay and moved.unreadable:
            raise DataError(moved.unreadable[0])
        self._kept = {(line.key, line.sample): line for line in [*lines.sound, *moved.lines]}
        self._replies = dict([*replies.sound, *moved.replies])
        here = len(lines.damaged) + len(replies.damaged)
        self.damaged = here + moved.damaged + len(moved.unreadable)
        """Lines that cannot be trusted, and episodes in shards whose lines cannot be read. They
        are taken out, or passed over, so what they said is asked again."""
        if here:
            db.write_now(lambda db: take_out(db, lines.damaged, replies.damaged))
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
            lines = as_lines(key, missing, fresh, engine.info)
            for line in await self._db.write(
                lambda db: add_lines(db, self._problem, request, lines)
            ):
                found[line.sample] = self._kept[key, line.sample] = line
        for n in numbers:
            self.asked[request.position, n] = found[n]
        return [found[n].given(leads=n == numbers[0]) for n in numbers]

    async def score(self, engine: Engine, request: Request, texts: Sequence[str]) -> list[Score]:
        """Return the scores that are kept, or have the texts scored."""

        async def call() -> str:
            scores = await engine.score(request, texts)
            return json.dumps(
                [[s.text, s.token_ids, s.logprobs, numbers_of(s.usage)] for s in scores]
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
            return json.dumps([rating.scores, numbers_of(rating.usage)])

        body = await self._reply(self.key("rate", engine.info, request, tuple(steps)), call)
        scores, usage = json.loads(body)
        return Rating(tuple(scores), Usage(*usage))

    async def _reply(self, key: bytes, call: Callable[[], Awaitable[str]]) -> str:
        if key in self._replies:
            self.replayed += 1
            return self._replies[key]
        return await self._keep(key, await self._called(digest_of("failure", key), call))

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

    async def _keep(self, key: bytes, body: str) -> str:
        """Keep a reply, and return the one that stands: another run may have been faster."""
        problem = self._problem

        def put(db: apsw.Connection) -> str:
            row = (problem, key, body, digest_of(problem, key, body))
            db.execute("INSERT OR IGNORE INTO replies VALUES(NULL,?,?,?,?)", row)
            query = "SELECT body FROM replies WHERE problem = ? AND key = ?"
            [(standing,)] = db.execute(query, (problem, key))
            return str(standing)

        self._replies[key] = await self._db.write(put)
        return self._replies[key]


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


_ERRORS = {kind.__name__: kind for kind in (EngineUnavailable, EngineRefused, PromptTooLong)}


def _error(body: str) -> EngineError:
    name, message = json.loads(body)
    return _ERRORS.get(name, EngineError)(message)
