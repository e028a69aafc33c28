"""Overlapping decisions: each sees exactly the settled results, whatever order replies come in."""

import asyncio
import random
from collections.abc import Coroutine

import pytest

from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs import in_order


async def seen_by_each(parallel: int, delays: list[float]) -> list[list[int]]:
    settled: list[int] = []
    seen: list[list[int]] = []

    def begin(i: int) -> Coroutine[None, None, int]:
        seen.append(settled.copy())

        async def work() -> int:
            await asyncio.sleep(delays[i])
            return i

        return work()

    await in_order(len(delays), parallel, begin, lambda i, _result: settled.append(i))
    assert settled == list(range(len(delays)))
    return seen


@pytest.mark.parametrize("parallel", [1, 3, 7, 20])
def test_work_i_sees_the_results_up_to_i_minus_parallel_and_no_later_ones(parallel: int) -> None:
    delays = [random.Random(parallel).random() / 500 for _ in range(12)]
    seen = asyncio.run(seen_by_each(parallel, delays))
    assert seen == [list(range(max(0, i - parallel + 1))) for i in range(12)]


def test_as_many_are_under_way_as_may_be() -> None:
    under_way: list[int] = []
    most = 0

    async def work(i: int) -> None:
        nonlocal most
        under_way.append(i)
        most = max(most, len(under_way))
        await asyncio.sleep(0.001)
        under_way.remove(i)

    asyncio.run(in_order(10, 4, work, lambda _i, _result: None))
    assert most == 4


def test_it_ends_when_there_is_nothing_more_to_begin() -> None:
    settled: list[int] = []

    async def work(i: int) -> int:
        return i * i

    asyncio.run(
        in_order(10, 2, lambda i: work(i) if i < 3 else None, lambda i, r: settled.append(r))
    )
    assert settled == [0, 1, 4]


def test_out_of_budget_the_others_end_and_are_settled() -> None:
    settled: list[int] = []
    ended: list[int] = []

    async def work(i: int) -> int:
        if i == 2:
            raise BudgetExhausted("calls")
        await asyncio.sleep(0.002 * (i + 1))
        ended.append(i)
        return i

    with pytest.raises(BudgetExhausted):
        asyncio.run(in_order(9, 4, work, lambda i, _result: settled.append(i)))
    assert settled == [0, 1, 3, 4, 5]
    assert ended == [0, 1, 3, 4, 5]


def test_another_failure_cancels_what_is_under_way() -> None:
    cancelled: list[int] = []

    async def work(i: int) -> int:
        if i == 0:
            raise ValueError("broken")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(i)
            raise
        return i

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(in_order(9, 3, work, lambda _i, _result: None))
    assert cancelled == [1, 2]


def test_nothing_at_a_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="parallel=0"):
        asyncio.run(in_order(1, 0, lambda _i: None, lambda _i, _result: None))
