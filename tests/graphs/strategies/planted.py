"""A model whose every continuation is planted: a tree of pieces, each with a score."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import cogitate as cg
from cogitate.inference import Completion, EngineInfo, Rating, Request, Score, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
Pieces = Mapping[str, Sequence[str | Completion]]


async def at_once(_request: Request) -> None:
    """Keep nobody waiting."""


class Planted:
    """An engine that continues each text by the pieces planted for it, the i-th for sample i.

    Args:
        pieces: What follows a text, `""` for the beginning; samples go round.
        before: Awaited before each reply.
    """

    def __init__(
        self, pieces: Pieces, *, before: Callable[[Request], Awaitable[None]] = at_once
    ) -> None:
        self.info = EngineInfo(model="scripted/planted")
        self.requests: list[Request] = []
        self._pieces = pieces
        self._before = before
        self._script = Scripted(self._reply, name="planted")

    def _reply(self, request: Request) -> str | Completion:
        pieces = self._pieces[request.prefix.text if request.prefix else ""]
        return pieces[request.sample % len(pieces)]

    def count(self, request: Request) -> int:
        return self._script.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        await self._before(request)
        return await self._script.complete(request)

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        return await self._script.score(request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        return await self._script.rate(request, steps)

    async def close(self) -> None:
        await self._script.close()

    @property
    def asked(self) -> list[tuple[str, str, int]]:
        """Operation, what was continued, and how many samples, of each request in order."""
        return [
            (r.operation, r.prefix.text.strip() if r.prefix else "", r.n) for r in self.requests
        ]


def think(
    strategy: cg.Strategy,
    model: Planted,
    scores: Mapping[str, float],
    *,
    budget: cg.Budget | None = None,
    seed: int = 0,
    max_tokens: int = 512,
) -> cg.Result:
    """Solve with a verifier that scores a text, blanks at its ends left out, as planted."""
    team = cg.Team(
        cg.Generator(model, max_tokens=max_tokens),
        verifier=lambda _problem, text: scores[text.strip()],
    )
    solving = cg.asolve(PROBLEM, team, strategy, budget=budget, seed=seed)
    result = asyncio.run(asyncio.wait_for(solving, timeout=5))
    assert [error for error in result.errors if "KeyError" in error] == [], "plant it, or score it"
    return result


def sure(text: str, *logprobs: float, stop: str | None = None) -> Completion:
    """A piece with the log-probability of each of its tokens."""
    piece = Completion(
        text=text,
        stop=stop,
        prompt_ids=(1,),
        token_ids=tuple(range(len(logprobs))),
        logprobs=logprobs,
        model="scripted/planted",
    )
    return replace(piece, usage=cg.inference.Usage(1, 0, len(logprobs)))
