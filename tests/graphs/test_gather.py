"""Several things at once, with nothing left behind."""

import asyncio
import gc

import pytest

from cogitate.errors import BudgetExhausted
from cogitate.graphs import gather


async def value(number: int, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return number


def test_results_come_in_the_order_of_asking() -> None:
    async def scenario() -> list[int]:
        return await gather(value(i, 0.01 * (3 - i)) for i in range(3))

    assert asyncio.run(scenario()) == [0, 1, 2]


def test_nothing_to_do_is_done_at_once() -> None:
    assert asyncio.run(gather(())) == []


def test_a_failure_cancels_the_others_and_comes_alone() -> None:
    ended: list[str] = []

    async def slow() -> int:
        try:
            return await value(1, 10)
        finally:
            ended.append("slow")

    async def fails() -> int:
        raise KeyError("lost")

    async def scenario() -> None:
        await gather(work() for work in (slow, fails))

    with pytest.raises(KeyError):
        asyncio.run(asyncio.wait_for(scenario(), 5))
    assert ended == ["slow"]


def test_of_failures_at_one_moment_the_first_asked_for_comes_and_none_is_reported_as_lost() -> None:
    lost: list[str] = []

    async def fails(number: int) -> int:
        raise KeyError(number)

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: lost.append(str(said)))
        for _ in range(20):
            with pytest.raises(KeyError, match="0"):
                await gather(fails(number) for number in range(5))
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert lost == []


def test_the_end_of_the_budget_lets_the_others_finish() -> None:
    ended: list[int] = []

    async def paid() -> int:
        ended.append(await value(1, 0.02))
        return 1

    async def refused() -> int:
        raise BudgetExhausted("tokens")

    async def scenario() -> None:
        await gather(work() for work in (refused, paid, refused))

    with pytest.raises(BudgetExhausted):
        asyncio.run(scenario())
    assert ended == [1]


def test_cancelling_it_cancels_all() -> None:
    ended: list[int] = []

    async def slow(number: int) -> int:
        try:
            return await value(number, 10)
        finally:
            ended.append(number)

    async def scenario() -> None:
        task = asyncio.ensure_future(gather(slow(i) for i in range(3)))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())
    assert sorted(ended) == [0, 1, 2]
