"""An ideal prefix cache, counted: what an engine that shares equal beginnings would not compute.

A scripted engine computes nothing, so its prompt tokens would all count as computed. This layer
remembers every sequence of tokens in blocks of 16, as vLLM does, never forgets, and counts the
blocks that a prompt begins with and that were there before as cached.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from cogitate.inference import Completion, Engine, EngineInfo, Rating, Request, Score

__all__ = ["PrefixCache"]

_BLOCK = 16


class PrefixCache:
    """An engine around a scripted engine that counts which prompt tokens were there before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._blocks: set[int] = set()

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """As the engine counts."""
        return self._engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        """Complete, and say how much of the prompt was there before."""
        prompt = list(chain.from_iterable(m.content.split() for m in request.messages))
        prompt += request.prefix.text.split() if request.prefix else []
        cached = self._cached(prompt)
        completions = await self._engine.complete(request)
        for completion in completions:
            self._blocks.update(_blocks([*prompt, *completion.text.split()]))
        first, *rest = completions
        usage = replace(first.usage, cached=min(cached, max(0, len(prompt) - 1)))
        return [replace(first, usage=usage), *rest]

    def _cached(self, words: Sequence[str]) -> int:
        there = 0
        for block in _blocks(words):
            if block not in self._blocks:
                break
            there += _BLOCK
        return there

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """As the engine scores; nothing of it is cached."""
        return await self._engine.score(request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """As the engine rates; nothing of it is cached."""
        return await self._engine.rate(request, steps)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


def _blocks(words: Sequence[str]) -> Iterator[int]:
    """Name each whole block by itself and all before it."""
    name = 0
    for end in range(_BLOCK, len(words) + 1, _BLOCK):
        name = hash((name, *words[end - _BLOCK : end]))
        yield name
