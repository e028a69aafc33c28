"""Work that several need is done once."""

import asyncio
import gc

import pytest

from cogitate.graphs.once import Once


class Work:
    def __init__(self, error: Exception | None = None) -> None:
        self.done = 0
        self._error = error

    async def __call__(self) -> int:
        await asyncio.sleep(0.001)
        self.done += 1
        if self._error is not None:
            raise self._error
        return self.done


def test_all_who_ask_get_the_result_of_the_first() -> None:
    async def scenario() -> tuple[list[int], int]:
        once, work = Once[int](), Work()
        together = await asyncio.gather(*(once.do(work) for _ in range(5)))
        return together, await once.do(work)

    assert asyncio.run(scenario()) == ([1] * 5, 1)


def test_all_who_wait_fail_alike() -> None:
    async def scenario() -> list[BaseException | int]:
        once, work = Once[int](), Work(KeyError("lost"))
        return await asyncio.gather(*(once.do(work) for _ in range(3)), return_exceptions=True)

    assert [repr(error) for error in asyncio.run(scenario())] == ["KeyError('lost')"] * 3


def test_an_error_that_nobody_else_waits_for_is_not_reported_as_lost() -> None:
    lost: list[str] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: lost.append(str(said)))
        with pytest.raises(KeyError):
            await Once[int]().do(Work(KeyError("lost")))
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert lost == []


def test_who_waits_can_be_cancelled_alone() -> None:
    async def scenario() -> tuple[bool, int]:
        once, work = Once[int](), Work()
        first, second = (asyncio.ensure_future(once.do(work)) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        return await first == 1, work.done

    assert asyncio.run(scenario()) == (True, 1)
