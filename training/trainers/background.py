"""An event loop in a thread of its own, for trainers, which wait, to call what is asynchronous."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """Runs coroutines one after the other, in one event loop, so that engines may stay open.

    Example:
        >>> with Background() as loop:
        ...     loop.run(asyncio.sleep(0, "done"))
        'done'
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="cogitate-sampling", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Run a coroutine to its end; it is cancelled where waiting is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
