"""Decisions that overlap, with an outcome that does not depend on which reply came first."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TypeVar

from cogitate.errors import BudgetExhausted, ConfigError

__all__ = ["in_order"]

T = TypeVar("T")


async def in_order(
    count: int,
    parallel: int,
    begin: Callable[[int], Coroutine[None, None, T] | None],
    settle: Callable[[int, T], None],
) -> None:
    """Do `count` pieces of work, `parallel` at a time, each decided from the settled ones.

    Work i begins when works 0 to i - parallel are settled, and none after them: what `begin`
    decides depends on `parallel`, never on the order in which replies arrive.

    Args:
        count: How many pieces of work.
        parallel: How many may be under way at the same moment.
        begin: Decides on work i at once, and returns the coroutine that does it; None: there is
            nothing more to begin.
        settle: Takes the result of work i; called in the order in which works began.

    Raises:
        BudgetExhausted: One ran out of budget; all others that had begun ended, and those that
            came to a result were settled.
        Exception: What one raised; the others were cancelled.
    """
    if parallel < 1:
        raise ConfigError(f"parallel={parallel}: work on at least one thing at a time")
    under_way: deque[tuple[int, asyncio.Task[T]]] = deque()

    async def settle_next() -> None:
        i, task = under_way[0]
        result = await task
        under_way.popleft()
        settle(i, result)

    try:
        for i in range(count):
            if len(under_way) == parallel:
                await settle_next()
            work = begin(i)
            if work is None:
                break
            under_way.append((i, asyncio.ensure_future(work)))
        while under_way:
            await settle_next()
    except BudgetExhausted:
        await asyncio.wait([task for _, task in under_way])
        for i, task in filter(_came_to_a_result, under_way):
            settle(i, task.result())
        raise
    finally:
        tasks = [task for _, task in under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _came_to_a_result(work: tuple[int, asyncio.Task[T]]) -> bool:
    _, task = work
    return not task.cancelled() and task.exception() is None
