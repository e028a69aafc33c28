"""From the event loop to a model's thread and back: an ask, and the future that waits for it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from cogitate.inference.hf.row import Ask, Row
from cogitate.inference.hf.worker import Worker
from cogitate.inference.request import Request

__all__ = ["answered"]

T = TypeVar("T")


async def answered(
    worker: Worker,
    request: Request,
    rows: Callable[[Ask], list[Row]],
    answer: Callable[[Ask], list[T]],
    ends: Callable[[list[int]], bool],
) -> list[T]:
    """Hand rows to the worker, and wait for what `answer` makes of them there.

    Args:
        worker: The model's thread.
        request: What is asked.
        rows: Makes the rows of an ask.
        answer: Makes the result of an ask whose rows are done; called in the worker.
        ends: Whether the ids sampled so far end with a stop string.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[T]] = loop.create_future()

    def settle(ask: Ask, error: Exception | None) -> None:
        result: list[T] = []
        if error is None:
            try:
                result = answer(ask)
            except Exception as failure:  # an ask must end, whatever its tokens decode to
                error = failure
        with contextlib.suppress(RuntimeError):  # the loop may be closed: nobody waits
            loop.call_soon_threadsafe(_resolve, future, result, error)

    ask = Ask(settle, ends, request.adapter)
    ask.rows = rows(ask)
    worker.submit(ask)
    try:
        return await future
    except asyncio.CancelledError:
        worker.cancel(ask)
        raise


def _resolve(future: asyncio.Future[list[T]], result: list[T], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
