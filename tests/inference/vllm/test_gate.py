import asyncio
from contextlib import AsyncExitStack

from cogitate.inference.vllm.gate import Gate


def test_many_are_inside_at_once_and_one_alone_waits_for_them_and_bars_the_rest() -> None:
    async def run() -> list[str]:
        gate, seen = Gate(), list[str]()

        async def together(name: str, work: int) -> None:
            async with gate.together():
                seen.append(f"{name} in")
                for _ in range(work):
                    await asyncio.sleep(0)
                seen.append(f"{name} out")

        async def alone(name: str) -> None:
            async with gate.alone():
                seen.append(f"{name} in")
                await asyncio.sleep(0)
                seen.append(f"{name} out")

        calls = [together("a", 9), together("b", 1), alone("x"), together("c", 1), alone("y")]
        tasks = []
        for call in calls:
            tasks.append(asyncio.create_task(call))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return seen

    seen = asyncio.run(run())
    assert seen[:2] == ["a in", "b in"]
    assert set(seen[2:4]) == {"a out", "b out"}
    assert seen[4:8] == ["x in", "x out", "y in", "y out"]
    assert seen[8:] == ["c in", "c out"]


def test_one_who_gives_up_waiting_to_be_alone_bars_nobody() -> None:
    async def run() -> None:
        gate = Gate()
        async with AsyncExitStack() as inside:
            await inside.enter_async_context(gate.together())
            barred = asyncio.create_task(gate.alone().__aenter__())
            await asyncio.sleep(0)
            late = asyncio.create_task(gate.together().__aenter__())
            await asyncio.sleep(0)
            assert not late.done()
            barred.cancel()
            await asyncio.wait_for(late, 1)

    asyncio.run(run())
