"""How long a search takes where every call takes one unit of time, and nothing else takes any."""

import asyncio
import selectors
from collections.abc import Callable

import cogitate as cg
from cogitate.inference import Engine, Request, Scripted
from cogitate.tasks import Problem
from waiting.solver import say

__all__ = ["rounds"]


class _Clock(selectors.DefaultSelector):
    """Where a loop would sleep until the next moment, its clock is put forward to that moment."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(timeout or 0.0, 0.0)
        return super().select(0)


def rounds(strategy: cg.Strategy, problem: Problem, team: Callable[[Engine], cg.Team]) -> int:
    """Return the longest chain of calls that waited for one another, in calls."""
    clock = _Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    model = Scripted(_answer, latency=1.0)
    try:
        loop.run_until_complete(cg.asolve(problem, team(model), strategy))
        return round(clock.now)
    finally:
        loop.close()


def _answer(request: Request) -> str:
    begun = request.prefix.text if request.prefix else ""
    return say(request.messages[-1].content, begun, bool(request.sampling.stop))
