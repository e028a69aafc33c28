"""Identical prompts asked for at the same moment become one request with n > 1.

A strategy asks for each sample by itself, and never batches. Asks that reach this layer in the same
iteration of the event loop, agree on all that decides the answer, and come from the same agent at
the same problem, are sent as one request, and each asker gets its own samples back. What
decides the answer is `Request.content` and, once a seed is given, the seed and the position.

An ask that finds no equal costs one future and one loop iteration: no task, no hashing.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cogitate.errors import EngineError, EngineRefused
from cogitate.inference.completion import Completion, Rating, Score, Usage
from cogitate.inference.engine import Engine, EngineInfo
from cogitate.inference.request import Request

__all__ = ["Coalesce"]


@dataclass(slots=True, eq=False)
class _Ask:
    request: Request
    answer: asyncio.Future[list[Completion] | None]
    """None: nobody else asked for the same, so the asker calls the engine itself."""
    shared: "_Shared | None" = None


@dataclass(slots=True, eq=False)
class _Shared:
    call: asyncio.Task[None]
    askers: int


class Coalesce:
    """An engine that merges equal asks of one moment into one request.

    Prompt tokens are counted once for each ask, however asks were merged: the first completion of
    every ask carries them, and from the second ask on they are counted as cached.

    Args:
        engine: What to ask.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asks: list[_Ask] = []
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """The engine's count."""
        return self._engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        """Sample, together with whoever asks for the same at the same moment."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # asks left by a loop that was stopped have nobody waiting
            self._loop, self._asks = loop, []
        if not self._asks:
            loop.call_soon(self._flush)
        ask = _Ask(request, loop.create_future())
        self._asks.append(ask)
        try:
            answer = await ask.answer
        except asyncio.CancelledError:
            if ask.shared is not None:
                ask.shared.askers -= 1
                if not ask.shared.askers:
                    ask.shared.call.cancel()
            raise
        return await self._engine.complete(request) if answer is None else answer

    def _flush(self) -> None:
        asks, self._asks = [ask for ask in self._asks if not ask.answer.done()], []
        if len(asks) == 1:
            asks[0].answer.set_result(None)
            return
        groups: dict[Hashable, list[_Ask]] = {}
        for ask in asks:
            groups.setdefault(_key(ask.request), []).append(ask)
        for group in groups.values():
            if len(group) == 1:
                group[0].answer.set_result(None)
                continue
            call = asyncio.get_running_loop().create_task(self._answer(group))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            shared = _Shared(call, len(group))
            for ask in group:
                ask.shared = shared

    async def _answer(self, group: list[_Ask]) -> None:
        waiting = [ask.answer for ask in group]
        try:
            merged = _merge([ask.request for ask in group])
            completions = await self._engine.complete(merged)
            if len(completions) != merged.n:
                raise EngineError(
                    f"{self.info.model} gave {len(completions)} completions for n={merged.n}: "
                    "an engine must answer all samples or raise"
                )
        except asyncio.CancelledError:
            _fail(waiting, EngineRefused(f"{self.info.model} was closed while it was answering"))
            raise
        except Exception as error:
            _fail(waiting, error)
        else:
            self._hand_out(group, completions)

    @staticmethod
    def _hand_out(group: list[_Ask], completions: list[Completion]) -> None:
        prompt = completions[0].usage.prompt
        end = 0
        for ask in group:
            start, end = end, end + ask.request.n
            part = completions[start:end]
            if start and prompt:
                own = part[0].usage
                usage = Usage(prompt, prompt, own.completion, own.calls, own.money)
                part[0] = replace(part[0], usage=usage)
            if not ask.answer.done():
                ask.answer.set_result(part)

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """The engine's score."""
        return await self._engine.score(request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """The engine's rating."""
        return await self._engine.rate(request, steps)

    async def close(self) -> None:
        """Cancel what is under way and close the engine."""
        calls = [call for call in self._calls if call.get_loop() is asyncio.get_running_loop()]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._engine.close()


def _fail(waiting: list[asyncio.Future[list[Completion] | None]], error: Exception) -> None:
    for answer in waiting:
        if not answer.done():
            answer.set_exception(error)


def _key(request: Request) -> Hashable:
    asker = (request.role, request.operation, request.agent, request.problem)
    seeded = None if request.seed is None else (request.seed, request.position)
    return request.content, asker, seeded


def _merge(requests: list[Request]) -> Request:
    numbers = tuple(chain.from_iterable(request.sample_numbers for request in requests))
    return replace(requests[0], n=len(numbers), sample=numbers[0], numbers=numbers)
