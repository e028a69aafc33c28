"""Several things at once inside a strategy, with no work left behind when one of them fails."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeVar

from cogitate.errors import BudgetExhausted

__all__ = ["gather"]

T = TypeVar("T")


async def gather(work: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Run coroutines together and return their results in order.

    When one fails the others are cancelled and waited for. When one runs out of budget the others
    go on to their ends first, so that what was paid for is in the graph.

    Raises:
        Exception: What failed first, alone and not in a group.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    pending = set(tasks)
    exhausted: BudgetExhausted | None = None
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
            errors = [error for task in tasks if task in done and (error := task.exception())]
            for error in errors:
                if not isinstance(error, BudgetExhausted):
                    raise error
                exhausted = exhausted or error
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if exhausted is not None:
        raise exhausted
    return [task.result() for task in tasks]
