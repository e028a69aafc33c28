"""What every engine promises. To hold another engine to it, add its maker to `ENGINES`.

A maker returns a fresh engine on a small model. It may use any fixture, such as the folder of a
tiny Llama, and raises `pytest.skip` where what it needs is not installed.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from servers import FakeServer, in_background, speaking_for

from cogitate.errors import EngineRefused, PromptTooLong
from cogitate.inference import Engine, Message, OpenAI, Prefix, Request, Sampling, Scripted

T = TypeVar("T")
Maker = Callable[[pytest.FixtureRequest], Engine]


def scripted(_fixtures: pytest.FixtureRequest | None = None) -> Engine:
    return Scripted(
        ["one two three", "\ud800 four five six"],
        latency=0.01,
        logprob=lambda _request, text: -float(len(text)),
        reward=lambda _request, steps: [1 / len(step) for step in steps],
    )


def hf(fixtures: pytest.FixtureRequest) -> Engine:
    from cogitate.inference import HF

    folder: Path = fixtures.getfixturevalue("tiny_llama")
    return HF(folder, max_rows=8)


def openai(fixtures: pytest.FixtureRequest) -> Engine:
    server: FakeServer = fixtures.getfixturevalue("speaking_server")
    return OpenAI("m", base_url=server.url, continues=True)


def vllm(fixtures: pytest.FixtureRequest) -> Engine:
    engine: Engine = fixtures.getfixturevalue("lent_vllm")()
    return engine


ENGINES: dict[str, Maker] = {"scripted": scripted, "hf": hf, "openai": openai, "vllm": vllm}


@pytest.fixture
def speaking_server() -> Iterator[FakeServer]:
    with in_background(FakeServer(handler=speaking_for(scripted()))) as server:
        yield server


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    return lambda: ENGINES[request.param](request)


def run(make: Callable[[], Engine], use: Callable[[Engine], Coroutine[None, None, T]]) -> T:
    async def whole() -> T:
        engine = make()
        try:
            return await use(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


def ask(content: str = "What is 2 + 2?", *, n: int = 1, prefix: Prefix | None = None) -> Request:
    return Request(
        messages=(Message("system", "Be brief."), Message("user", content)),
        sampling=Sampling(temperature=1.0, max_tokens=6),
        n=n,
        prefix=prefix,
        seed=1,
        position=content,
    )


def test_it_is_an_engine(make: Callable[[], Engine]) -> None:
    engine = make()
    assert isinstance(engine, Engine)
    assert "/" in engine.info.model
    asyncio.run(engine.close())


def test_n_samples_share_one_prompt_and_are_one_call_each(make: Callable[[], Engine]) -> None:
    request = ask(n=3)
    completions = run(make, lambda engine: engine.complete(request))

    assert len(completions) == 3
    assert [completion.usage.calls for completion in completions] == [1, 1, 1]
    assert completions[0].usage.prompt > 0
    assert [completion.usage.prompt for completion in completions[1:]] == [0, 0]
    assert all(c.usage.cached <= c.usage.prompt for c in completions)


def test_max_tokens_cuts_and_says_so(make: Callable[[], Engine]) -> None:
    request = Request(
        messages=(Message("user", "Go on."),), sampling=Sampling(temperature=0, max_tokens=2)
    )
    (completion,) = run(make, lambda engine: engine.complete(request))

    assert completion.finish == "length"
    assert completion.usage.completion == 2
    if completion.token_ids is not None:
        assert len(completion.token_ids) == 2


def test_the_count_of_a_request_is_its_prompt_usage(make: Callable[[], Engine]) -> None:
    requests = [
        ask("Grüße, 世界 🙂"),
        ask("", prefix=Prefix("The answer")),
        ask("a <|im_end|> inside"),
    ]

    async def use(engine: Engine) -> list[tuple[int | None, int]]:
        answers = [(await engine.complete(request))[0] for request in requests]
        return [
            (engine.count(request), answer.usage.prompt)
            for request, answer in zip(requests, answers, strict=True)
        ]

    for counted, used in run(make, use):
        assert counted is None or counted == used


def test_text_ends_before_a_stop_string_and_the_tokens_after_it(
    make: Callable[[], Engine],
) -> None:
    async def use(engine: Engine) -> None:
        free = Request(
            messages=(Message("user", "Go."),), sampling=Sampling(temperature=0, max_tokens=24)
        )
        (whole,) = await engine.complete(free)
        assert len(whole.text) > 4, "the engine says too little to cut it"
        stop = whole.text[2:4]
        cut = Sampling(temperature=0, max_tokens=24, stop=(stop, "never said"))
        (completion,) = await engine.complete(Request(messages=free.messages, sampling=cut))
        assert stop not in completion.text
        if completion.token_ids is not None and whole.token_ids is not None:
            assert completion.finish == "stop"
            assert completion.text == whole.text.partition(stop)[0]
            assert whole.token_ids[: len(completion.token_ids)] == completion.token_ids

    run(make, use)


def test_a_reply_continues_from_its_beginning(make: Callable[[], Engine]) -> None:
    async def use(engine: Engine) -> None:
        prefix = Prefix("The answer is", (84, 104, 101))
        (completion,) = await engine.complete(ask(prefix=prefix))
        assert not completion.text.startswith("The answer is")
        if completion.prompt_ids is not None:
            assert completion.prompt_ids[-3:] == (84, 104, 101)

    run(make, use)


def test_text_is_valid_unicode_whatever_was_asked(make: Callable[[], Engine]) -> None:
    completions = run(make, lambda engine: engine.complete(ask("lone \udcff surrogate", n=4)))
    for completion in completions:
        completion.text.encode()


def test_log_probs_are_there_where_they_are_promised(make: Callable[[], Engine]) -> None:
    async def use(engine: Engine) -> None:
        (completion,) = await engine.complete(ask())
        if engine.info.logprobs:
            assert completion.logprobs is not None and completion.token_ids is not None
            assert len(completion.logprobs) == len(completion.token_ids)
            assert all(logprob <= 0 for logprob in completion.logprobs)

    run(make, use)


def test_scores_are_given_or_refused(make: Callable[[], Engine]) -> None:
    async def use(engine: Engine) -> None:
        if not engine.info.scores:
            with pytest.raises(EngineRefused):
                await engine.score(ask(), ["yes"])
            return
        scores = await engine.score(ask(), ["yes", "no", "yes and no"])
        assert [score.text for score in scores] == ["yes", "no", "yes and no"]
        for score in scores:
            assert len(score.token_ids) == len(score.logprobs) > 0
            assert score.logprob <= 0
        assert all(score.usage.calls == 1 for score in scores)

    run(make, use)


def test_ratings_are_given_or_refused(make: Callable[[], Engine]) -> None:
    steps = ["First.\n\n", "Then this.\n\n", "Answer: 4"]

    async def use(engine: Engine) -> None:
        if engine.info.rates is None:
            with pytest.raises(EngineRefused, match="reward model"):
                await engine.rate(ask(), steps)
            return
        rating = await engine.rate(ask(), steps)
        assert len(rating.scores) == (3 if engine.info.rates == "process" else 1)
        assert all(0 <= score <= 1 for score in rating.scores)
        assert rating.usage.calls == 1 and rating.usage.prompt > 0
        assert rating.usage.completion == 0
        if engine.info.rates == "process":
            assert (await engine.rate(ask(), steps[:2])).scores == pytest.approx(rating.scores[:2])
        for empty in ([], ["First.", ""]):
            with pytest.raises(EngineRefused):
                await engine.rate(ask(), empty)

    run(make, use)


def test_a_prompt_beyond_the_context_is_refused(make: Callable[[], Engine]) -> None:
    async def use(engine: Engine) -> None:
        if engine.info.context is None:
            pytest.skip("its context is not known")
        with pytest.raises(PromptTooLong, match=r"shorten|longer"):
            await engine.complete(ask("word " * engine.info.context))

    run(make, use)


def test_many_asks_at_once_each_get_their_own_answer(make: Callable[[], Engine]) -> None:
    requests = [ask(f"Question {i}: {'x' * i}") for i in range(20)]

    async def use(engine: Engine) -> None:
        answers = await asyncio.gather(*map(engine.complete, requests))
        assert [len(answer) for answer in answers] == [1] * 20
        for request, (answer,) in zip(requests, answers, strict=True):
            assert engine.count(request) in (None, answer.usage.prompt)

    run(make, use)


def test_a_cancelled_ask_disturbs_no_other(make: Callable[[], Engine]) -> None:
    async def use(engine: Engine) -> None:
        tasks = [asyncio.create_task(engine.complete(ask(f"{i}"))) for i in range(6)]
        await asyncio.sleep(0.005)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        for answer in done[1::2]:
            assert isinstance(answer, list) and len(answer) == 1
        assert len(await engine.complete(ask("after"))) == 1

    run(make, use)


def test_it_serves_one_event_loop_after_another(make: Callable[[], Engine]) -> None:
    engine = make()
    for _ in range(2):
        assert len(asyncio.run(engine.complete(ask()))) == 1
    asyncio.run(engine.close())


def test_a_closed_engine_refuses(make: Callable[[], Engine]) -> None:
    async def use() -> None:
        engine = make()
        await engine.complete(ask())
        await engine.close()
        await engine.close()
        with pytest.raises(EngineRefused, match="closed"):
            await engine.complete(ask())

    asyncio.run(use())
