import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import Answer, FakeServer, chat

from cogitate.inference import Message, OpenAI, Request, Sampling
from cogitate.inference.openai.limits import Bucket, RateLimit


def sent(bucket: Bucket, amounts: list[float], idle: list[float]) -> list[tuple[float, float]]:
    """When each of `amounts` is let through, where the next is asked for `idle` seconds later."""
    now, times = 0.0, []
    for amount, pause in zip(amounts, idle, strict=True):
        now += pause
        while seconds := bucket.wait(amount, now):
            now += seconds
        bucket.take(amount, now)
        times.append((now, amount))
    return times


@given(
    limit=st.integers(1, 600),
    idle=st.lists(st.floats(0, 90), min_size=1, max_size=300),
)
def test_no_minute_lets_more_requests_through_than_the_limit(limit: int, idle: list[float]) -> None:
    times = sent(Bucket("requests", limit, unit=1.0), [1.0] * len(idle), idle)
    for start, _ in times:
        assert sum(1 for when, _ in times if start <= when < start + 60 - 1e-6) <= limit


@given(data=st.data(), limit=st.integers(1000, 100_000))
def test_no_minute_lets_more_tokens_through_than_the_limit(data: st.DataObject, limit: int) -> None:
    amounts = data.draw(st.lists(st.floats(1, limit / 10), min_size=1, max_size=300))
    times = sent(Bucket("tokens", limit), amounts, [0.0] * len(amounts))
    for start, _ in times:
        let = sum(amount for when, amount in times if start <= when < start + 60 - 1e-6)
        assert let <= limit * (1 + 1e-9)


def test_a_limit_is_used_up_over_a_long_time() -> None:
    times = sent(Bucket("requests", 60, unit=1.0), [1.0] * 600, [0.0] * 600)
    assert 600 <= times[-1][0] < 660


def test_what_never_fits_goes_when_all_there_is_is_there_and_is_waited_for_afterwards() -> None:
    bucket = Bucket("tokens", 600)
    assert bucket.wait(500, 0.0) == 0.0
    bucket.take(500, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx((1 + 500 - 60) / 9)


def test_what_was_not_used_is_put_back_and_no_more() -> None:
    bucket = Bucket("tokens", 600)
    bucket.take(60, 0.0)
    bucket.take(-40, 0.0)
    assert bucket.wait(40, 0.0) == 0.0 and bucket.wait(41, 0.0) > 0.0
    bucket.take(-1000, 0.0)
    bucket.take(60, 0.0)
    assert bucket.wait(1, 0.0) > 0.0


def test_requests_are_let_through_in_the_order_they_came_and_the_cancelled_are_passed_over() -> (
    None
):
    limit, order = RateLimit(6000, None), list[int]()

    async def go(number: int, queue: asyncio.Lock) -> None:
        await limit.admit(0, queue)
        order.append(number)

    async def main() -> None:
        queue = asyncio.Lock()
        async with queue:
            tasks = [asyncio.create_task(go(number, queue)) for number in range(6)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[3].cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
    assert order == [1, 2, 4, 5]


def test_an_engine_waits_for_its_limit_and_puts_back_what_it_did_not_use() -> None:
    request = Request(messages=(Message("user", "2 + 2?"),), sampling=Sampling(max_tokens=1000))

    async def main() -> list[str]:
        failing = Answer({}, status=500)
        async with FakeServer(failing, *[chat("4")] * 4) as server:
            engine = OpenAI("m", base_url=server.url, tokens_per_minute=11_000)
            with pytest.raises(ConnectionError):
                await engine.complete(request)
            async with asyncio.timeout(5):  # 4 x 1006 tokens at once would take 18 s
                answers = [await engine.complete(request) for _ in range(4)]
            await engine.close()
            return [completion.text for (completion,) in answers]

    assert asyncio.run(main()) == ["4"] * 4
