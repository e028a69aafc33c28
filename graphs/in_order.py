"""Decisions that overlap, with an outcome that does not depend on which reply came first."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

from cogitate.errors import BudgetExhausted, ConfigError

__all__ = ["in_order"]

T = TypeVar("T")


async def in_order(
    count: int,
    parallel: int,
    begin: Callable[[int], Coroutine[None, None, T] | int | None],
    settle: Callable[[int, T], None],
) -> None:
    """Do `count` pieces of work, `parallel` at a time, each decided from the settled ones.

    Work i begins when works 0 to i - parallel are settled, and none after them but those that the
    decision itself waited for: what `begin` decides depends on `parallel`, never on the order in
    which replies arrive.

    Args:
        count: How many pieces of work.
        parallel: How many may be under way at the same moment.
        begin: Decides on work i at once, and returns the coroutine that does it. A number: the
            decision needs what that work, still under way, comes to; it is made again once all
            works up to it are settled. None: there is nothing more to begin.
        settle: Takes the result of work i; called in the order in which works began.

    Raises:
        BudgetExhausted: One ran out of budget; all others that had begun ended, and those that
            came to a result were settled.
        Exception: What one raised; the others were cancelled.
    """
    if parallel < 1:
        raise ConfigError(f"parallel={parallel}: work on at least one thing at a time")
    under_way = _UnderWay(settle)
    try:
        for i in range(count):
            if len(under_way.works) == parallel:
                await under_way.settle_next()
            while isinstance(work := begin(i), int):
                await under_way.settle_to(work)
            if work is None:
                break
            under_way.works.append((i, asyncio.ensure_future(work)))
        while under_way.works:
            await under_way.settle_next()
    except BudgetExhausted:
        await asyncio.wait([task for _, task in under_way.works])
        for i, task in filter(_came_to_a_result, under_way.works):
            settle(i, task.result())
        raise
    finally:
        await under_way.end()


class _UnderWay(Generic[T]):
    """The works that have begun and are not settled, oldest first."""

    def __init__(self, settle: Callable[[int, T], None]) -> None:
        self.works: deque[tuple[int, asyncio.Task[T]]] = deque()
        self._settle = settle

    async def settle_next(self) -> None:
        i, task = self.works[0]
        result = await task
        self.works.popleft()
        self._settle(i, result)

    async def settle_to(self, last: int) -> None:
        """Settle the oldest, and all others up to `last`."""
        await self.settle_next()
        while self.works and self.works[0][0] <= last:
            await self.settle_next()

    async def end(self) -> None:
        tasks = [task for _, task in self.works]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _came_to_a_result(work: tuple[int, asyncio.Task[T]]) -> bool:
    _, task = work
    return not task.cancelled() and task.exception() is None
