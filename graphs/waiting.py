"""Coroutines waited for one after the other, in one event loop of a thread of its own.

A loop is dear where what it runs is cheap: `asyncio.run` costs more than most grades. In a thread
it may be waited for from anywhere, inside a running loop too.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["Waiting"]

T = TypeVar("T")


class Waiting:
    """Waits for coroutines; its thread and its loop are there from the first one to the end.

    Example:
        >>> async def four():
        ...     return 4
        >>> with Waiting() as wait:
        ...     wait(four()), wait(four())
        (4, 4)
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._thread: ThreadPoolExecutor | None = None

    def __call__(self, work: Coroutine[None, None, T]) -> T:
        """Run a coroutine to its end."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="waiting")
        return self._thread.submit(self._runner.run, work).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the loop and the thread."""
        if self._thread is not None:
            self._thread.submit(self._runner.close).result()
            self._thread.shutdown()
