"""Work that several tasks need and one of them does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

__all__ = ["Once"]

T = TypeVar("T")


class Once(Generic[T]):
    """The first to ask does the work; those who ask while it is done, or later, get its result.

    Whoever asks passes the same work. Where it fails, or its doer is cancelled, all fail alike.

    Example:
        >>> async def roll() -> int:
        ...     print("rolling")
        ...     return 4
        >>> async def twice(once: Once[int]) -> list[int]:
        ...     return await asyncio.gather(once.do(roll), once.do(roll))
        >>> asyncio.run(twice(Once()))
        rolling
        [4, 4]
    """

    __slots__ = ("_result",)

    def __init__(self) -> None:
        self._result: asyncio.Future[T] | None = None

    async def do(self, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """Do `work`, or wait for who does it."""
        if self._result is not None:
            return await asyncio.shield(self._result)
        result = self._result = asyncio.get_running_loop().create_future()
        try:
            value = await work()
        except asyncio.CancelledError:
            result.cancel()
            raise
        except BaseException as error:
            result.set_exception(error)
            result.exception()  # read, so that none is reported as lost where nobody waits
            raise
        result.set_result(value)
        return value
