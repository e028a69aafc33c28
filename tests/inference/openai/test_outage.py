"""A real server, killed with requests in flight and started again: nothing is lost.

`test_two_engines` shows the same with a whole team, at every run of the tests.
"""

import asyncio
from pathlib import Path

import pytest
from servers import TransformersServer

from cogitate.errors import ConfigError, EngineRefused
from cogitate.inference import Completion, Engine, Engines, Message, OpenAI, Request, Sampling

QUESTIONS = [f"What is {i} + {i}?" for i in range(12)]
LATER = ["What is 20 + 20?", "What is 30 + 30?"]


def ask(question: str, *, n: int = 1, top_k: int | None = None) -> Request:
    sampling = Sampling(temperature=0.0, max_tokens=150, top_k=top_k)
    return Request(messages=(Message("user", question),), sampling=sampling, n=n)


def answered(log: Path, status: int) -> int:
    """How many calls the server answered with `status`, before and after it was killed."""
    return log.read_text().count(f'/v1/chat/completions HTTP/1.1" {status}')


async def through_an_outage(server: TransformersServer, engine: Engine) -> list[list[Completion]]:
    """Ask everything, and kill the server when three of the answers are there."""
    calls = [asyncio.create_task(engine.complete(ask(question))) for question in QUESTIONS]
    while sum(call.done() for call in calls) < 3:
        await asyncio.sleep(0.01)
    server.kill()
    calls += [asyncio.create_task(engine.complete(ask(question))) for question in LATER]
    assert not all(call.done() for call in calls)
    await asyncio.to_thread(server.start)
    return await asyncio.gather(*calls)


@pytest.mark.slow
def test_a_server_killed_with_requests_in_flight_loses_nothing(
    tiny_llama: Path, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"

    async def main() -> None:
        with TransformersServer(tiny_llama, log) as server:
            async with Engines() as engines, asyncio.timeout(120):
                engine = engines.open(f"openai/{server.model}", base_url=server.url)
                answers = await through_an_outage(server, engine)
                asked = len(QUESTIONS + LATER)
                assert [len(answer) for answer in answers] == [1] * asked
                assert answered(log, 200) - asked in (0, 1)  # 1: sent, and lost with the server

                again = [await engine.complete(ask(question)) for question in QUESTIONS[:4]]
                assert [a.text for (a,) in again] == [a.text for (a,) in answers[:4]]
                assert all(a.text and a.finish == "length" for (a,) in answers)
                assert all(a.usage.completion == 150 for (a,) in answers)

                samples = await engine.complete(ask(QUESTIONS[0], n=3))
                assert [s.text for s in samples] == [again[0][0].text] * 3
                assert [s.usage.prompt > 0 for s in samples] == [True, False, False]

                await refusals_come_once(server, engine, log)

    asyncio.run(main())


async def refusals_come_once(server: TransformersServer, engine: Engine, log: Path) -> None:
    with pytest.raises(EngineRefused, match="Unexpected fields"):
        await engine.complete(ask("?", top_k=5))
    assert answered(log, 422) == 1
    other = OpenAI("another-model", base_url=server.url)
    with pytest.raises(ConfigError, match="Check the model's name"):
        await other.complete(ask("?"))
    await other.close()
    assert answered(log, 400) == 1
