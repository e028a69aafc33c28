"""An engine that begins every reply of one role with what was said before: restart and explore.

The tokens of the beginning go to the model as they were sampled. To the strategy the reply is
whole: its text holds the beginning, so its answer is read and graded as that of any other.
"""

from collections.abc import Sequence
from dataclasses import replace

from cogitate.inference import Completion, Engine, EngineInfo, Prefix, Rating, Request, Score

__all__ = ["Begun"]


class Begun:
    """An engine around an engine.

    Args:
        engine: What to ask.
        role: Whose replies begin so; those of others, and those that already continue one of
            these, stay as they are but for the tokens of the beginning.
        beginning: The text, and its ids where they are known.
    """

    def __init__(self, engine: Engine, role: str, beginning: Prefix) -> None:
        self._engine = engine
        self._role = role
        self._beginning = beginning

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """The engine's count of the request with its beginning."""
        return self._engine.count(self._begin(request))

    async def complete(self, request: Request) -> list[Completion]:
        """Sample what comes after the beginning."""
        completions = await self._engine.complete(self._begin(request))
        if request.role != self._role or request.prefix is not None:
            return completions
        return [replace(one, text=self._beginning.text + one.text) for one in completions]

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """Score as the engine does."""
        return await self._engine.score(request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate as the engine does."""
        return await self._engine.rate(request, steps)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    def _begin(self, request: Request) -> Request:
        if request.role != self._role:
            return request
        begun, went_on = self._beginning, request.prefix
        if went_on is None:
            return replace(request, prefix=begun)
        if not went_on.text.startswith(begun.text):
            return request
        # A strategy knows the ids of its own steps; the text of the first holds the beginning.
        own, before = went_on.token_ids, begun.token_ids
        ids = None if own is None or before is None else (*before, *own)
        return replace(request, prefix=Prefix(went_on.text, ids))
