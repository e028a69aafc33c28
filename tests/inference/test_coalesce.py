import asyncio
from collections.abc import Sequence

import pytest

from cogitate.errors import EngineError, EngineRefused, EngineUnavailable
from cogitate.inference import (
    Coalesce,
    Completion,
    EngineInfo,
    Message,
    Rating,
    Request,
    Sampling,
    Score,
    Scripted,
    Usage,
)


class Recorder:
    """Answers `sample k` for number k after `latency` seconds, and keeps what it was asked."""

    def __init__(self, latency: float = 0.0, error: Exception | None = None) -> None:
        self.info = EngineInfo(model="scripted/recorder")
        self.requests: list[Request] = []
        self.cancelled = 0
        self.finished = 0
        self._latency = latency
        self._error = error

    def count(self, request: Request) -> int:
        return 10

    async def complete(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        try:
            await asyncio.sleep(self._latency)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1
        if self._error is not None:
            raise self._error
        return [
            Completion(text=f"sample {k}", usage=Usage(prompt=0 if i else 10, completion=2))
            for i, k in enumerate(request.sample_numbers)
        ]

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        return [Score(text, (0,), (-1.0,)) for text in texts]

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        return Rating((1.0,) * len(steps))

    async def close(self) -> None:
        pass


def ask(**changes: object) -> Request:
    fields: dict[str, object] = {"messages": (Message("user", "2 + 2?"),), "role": "generator"}
    return Request(**(fields | changes))  # type: ignore[arg-type]  # tests name the fields they change


async def gather(engine: Coalesce, *requests: Request) -> list[list[Completion]]:
    return await asyncio.gather(*(engine.complete(request) for request in requests))


def texts(answers: list[list[Completion]]) -> list[list[str]]:
    return [[completion.text for completion in answer] for answer in answers]


def test_equal_asks_of_one_moment_become_one_request_and_each_gets_its_own_samples() -> None:
    inner = Recorder()
    asks = [ask(sample=0), ask(sample=1, n=2), ask(sample=7)]
    answers = asyncio.run(gather(Coalesce(inner), *asks))
    assert texts(answers) == [["sample 0"], ["sample 1", "sample 2"], ["sample 7"]]
    (merged,) = inner.requests
    assert merged.n == 4 and merged.sample_numbers == (0, 1, 2, 7)


def test_each_ask_counts_its_prompt_once_however_asks_were_merged() -> None:
    answers = asyncio.run(gather(Coalesce(Recorder()), ask(), ask(n=2, sample=1)))
    assert [[c.usage for c in answer] for answer in answers] == [
        [Usage(prompt=10, completion=2)],
        [Usage(prompt=10, cached=10, completion=2), Usage(completion=2)],
    ]


@pytest.mark.parametrize(
    "other",
    [
        ask(messages=(Message("user", "2 + 3?"),)),
        ask(sampling=Sampling(temperature=0.1)),
        ask(schema='{"type": "object"}'),
        ask(adapter="critic"),
        ask(role="critic"),
        ask(operation="refine"),
        ask(agent="second"),
        ask(problem="p2"),
        ask(seed=1),
    ],
)
def test_asks_that_differ_in_what_decides_the_answer_or_in_who_asks_stay_apart(
    other: Request,
) -> None:
    inner = Recorder()
    asyncio.run(gather(Coalesce(inner), ask(), other))
    assert len(inner.requests) == 2


def test_a_seeded_ask_is_merged_only_with_its_own_position() -> None:
    inner = Recorder()
    here, there = ask(seed=0, position="a"), ask(seed=0, position="b")
    asyncio.run(gather(Coalesce(inner), here, there, ask(seed=0, position="a", sample=1)))
    assert sorted(request.sample_numbers for request in inner.requests) == [(0,), (0, 1)]


def test_unseeded_asks_from_different_positions_are_merged() -> None:
    inner = Recorder()
    asyncio.run(gather(Coalesce(inner), ask(position="a"), ask(position="b")))
    assert len(inner.requests) == 1


def test_asks_of_different_moments_are_not_merged() -> None:
    inner = Recorder()

    async def run() -> None:
        engine = Coalesce(inner)
        await engine.complete(ask())
        await engine.complete(ask())

    asyncio.run(run())
    assert [request.n for request in inner.requests] == [1, 1]


def test_a_single_ask_reaches_the_engine_unchanged() -> None:
    inner, request = Recorder(), ask(sample=3)
    asyncio.run(Coalesce(inner).complete(request))
    assert inner.requests[0] is request


def test_cancelling_one_asker_leaves_the_others_their_answer() -> None:
    inner = Recorder(latency=0.01)

    async def run() -> list[Completion]:
        engine = Coalesce(inner)
        first = asyncio.create_task(engine.complete(ask(sample=0)))
        second = asyncio.create_task(engine.complete(ask(sample=1)))
        await asyncio.sleep(0.001)
        first.cancel()
        answer = await second
        assert first.cancelled()
        return answer

    assert asyncio.run(run())[0].text == "sample 1"
    assert inner.cancelled == 0


def test_cancelling_every_asker_cancels_the_call() -> None:
    inner = Recorder(latency=60)

    async def run() -> None:
        engine = Coalesce(inner)
        tasks = [asyncio.create_task(engine.complete(ask(sample=k))) for k in range(3)]
        await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(0.001)

    asyncio.run(run())
    assert inner.cancelled == 1


def test_an_ask_cancelled_before_it_was_sent_is_not_sent() -> None:
    inner = Recorder()

    async def run() -> None:
        engine = Coalesce(inner)
        tasks = [asyncio.create_task(engine.complete(ask(sample=k))) for k in range(3)]
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        await asyncio.wait(tasks)

    asyncio.run(run())
    assert inner.requests[0].sample_numbers == (0, 2)


def test_cancelling_a_lone_ask_cancels_its_call() -> None:
    inner = Recorder(latency=60)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Coalesce(inner).complete(ask()), 0.01)

    asyncio.run(run())
    assert inner.cancelled == 1


def test_an_error_reaches_every_asker() -> None:
    engine = Coalesce(Recorder(error=EngineUnavailable("busy")))

    async def run() -> list[object]:
        calls = (engine.complete(ask(sample=k)) for k in range(3))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    assert [type(error) for error in asyncio.run(run())] == [EngineUnavailable] * 3


def test_an_engine_that_gives_too_few_completions_is_an_error_and_not_a_wrong_answer() -> None:
    class Miser(Recorder):
        async def complete(self, request: Request) -> list[Completion]:
            return (await super().complete(request))[:1]

    with pytest.raises(EngineError, match="gave 1 completions for n=2"):
        asyncio.run(gather(Coalesce(Miser()), ask(), ask(sample=1)))


def test_closing_answers_those_who_wait_with_a_refusal_and_not_with_a_cancellation() -> None:
    async def run() -> list[object]:
        engine = Coalesce(Recorder(latency=60))
        tasks = [asyncio.create_task(engine.complete(ask(sample=k))) for k in range(2)]
        await asyncio.sleep(0.001)
        await engine.close()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    assert [type(error) for error in asyncio.run(run())] == [EngineRefused] * 2


def test_one_engine_serves_one_loop_after_another_even_after_a_loop_that_was_stopped() -> None:
    engine = Coalesce(Scripted(["a"]))
    stopped = asyncio.new_event_loop()
    task = stopped.create_task(engine.complete(ask()))
    stopped.call_soon(stopped.stop)
    stopped.run_forever()
    assert asyncio.run(engine.complete(ask()))[0].text == "a"
    task.cancel()
    stopped.run_until_complete(asyncio.wait([task]))
    stopped.close()
    assert asyncio.run(engine.complete(ask()))[0].text == "a"


def test_scores_pass_through() -> None:
    (score,) = asyncio.run(Coalesce(Recorder()).score(ask(), ["yes"]))
    assert score.text == "yes"
