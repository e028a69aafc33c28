"""What may pass is tried again; what will not pass is not.

Only `EngineUnavailable` is retried: a lost connection, a time-out, a server that is overloaded or
restarting. Samples that came before the failure are not asked for again. Refusals, prompts that are
too long and wrong configuration come back at once.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cogitate.errors import ConfigError, EngineUnavailable
from cogitate.inference.completion import Completion, Rating, Score
from cogitate.inference.engine import Engine, EngineInfo
from cogitate.inference.interrupted import Interrupted, only, share_prompt
from cogitate.inference.request import Request

__all__ = ["Retry", "backoff"]

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class Retry:
    """An engine that asks again after an `EngineUnavailable`.

    The wait doubles from half a second up to 20 s, with up to a second of jitter; where the server
    said how long to wait, that is kept to instead, up to `longest` seconds, with a tenth of jitter.
    Each new attempt is announced in the log. What succeeds at once costs no more than the call.

    Args:
        engine: What to ask.
        attempts: The most calls for one request, the first included; 1 means no retry.
        seconds: No new attempt begins more than this long after the first failure.
        longest: The longest wait, in seconds, that a server can ask for.
    """

    def __init__(
        self, engine: Engine, *, attempts: int = 8, seconds: float = 120.0, longest: float = 60.0
    ) -> None:
        if attempts < 1:
            raise ConfigError(f"attempts={attempts}: give at least 1, which means no retry")
        if not seconds > 0 or not longest > 0:
            raise ConfigError(f"seconds={seconds}, longest={longest}: give numbers above 0")
        self._engine = engine
        self._attempts = attempts
        self._seconds = seconds
        self._longest = longest

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """The engine's count."""
        return self._engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        """Sample; again, while the engine is unavailable."""
        try:
            return await self._engine.complete(request)
        except EngineUnavailable as error:
            failure = error
        samples: dict[int, Completion] = {}
        if isinstance(failure, Interrupted):
            samples.update(failure.samples)
        return await self._again(lambda: self._rest(request, samples), failure)

    async def _rest(self, request: Request, samples: dict[int, Completion]) -> list[Completion]:
        missing = [place for place in range(request.n) if place not in samples]
        try:
            completions = await self._engine.complete(only(request, missing))
        except Interrupted as error:
            samples.update((missing[place], came) for place, came in error.samples.items())
            raise
        if not samples:
            return completions
        samples.update(zip(missing, completions, strict=True))
        return share_prompt([samples[place] for place in range(request.n)])

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """Score; again, while the engine is unavailable."""
        try:
            return await self._engine.score(request, texts)
        except EngineUnavailable as error:
            failure = error
        return await self._again(lambda: self._engine.score(request, texts), failure)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate; again, while the engine is unavailable."""
        try:
            return await self._engine.rate(request, steps)
        except EngineUnavailable as error:
            failure = error
        return await self._again(lambda: self._engine.rate(request, steps), failure)

    async def _again(
        self, call: Callable[[], Awaitable[_Answer]], failure: EngineUnavailable
    ) -> _Answer:
        deadline = time.monotonic() + self._seconds
        for attempt in range(1, self._attempts):
            wait = backoff(attempt, failure.retry_after, self._longest)
            if time.monotonic() + wait > deadline:
                break
            _log.warning(
                "%s; attempt %d of %d in %.1f s", failure, attempt + 1, self._attempts, wait
            )
            await asyncio.sleep(wait)
            try:
                return await call()
            except EngineUnavailable as error:
                failure = error
        raise failure

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


def backoff(attempt: int, asked: float | None, longest: float) -> float:
    """Seconds to wait after failed attempt `attempt`, the first being 1.

    Args:
        attempt: The number of the attempt that failed.
        asked: What the server asked for, in seconds; None if it did not.
        longest: The longest wait that a server can ask for.
    """
    if asked is None:
        return min(20.0, 0.5 * 2.0 ** (attempt - 1)) + random.uniform(0.0, 1.0)
    return min(asked, longest) * random.uniform(1.0, 1.1)
