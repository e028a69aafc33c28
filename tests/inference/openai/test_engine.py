import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import combinations

import pytest
from pydantic import JsonValue
from servers import Answer, FakeServer, Seen, chat, in_background

from cogitate.errors import ConfigError, EngineError, EngineRefused, EngineUnavailable
from cogitate.inference import Completion, Message, OpenAI, Prefix, Price, Request, Retry, Sampling
from cogitate.inference.interrupted import Interrupted
from cogitate.inference.openai.tally import divide

ASK = Request(messages=(Message("user", "2 + 2?"),))
KEY = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def run(server: FakeServer, test: Callable[[str], Awaitable[list[Completion]]]) -> list[Completion]:
    """Run `test` with the address of `server`."""

    async def main() -> list[Completion]:
        async with server:
            return await test(server.url)

    return asyncio.run(main())


def complete(
    *answers: Answer, request: Request = ASK, engine: Callable[[str], OpenAI] | None = None
) -> tuple[list[Completion], list[Seen]]:
    """What an engine makes of `answers`, and what it sent."""
    server = FakeServer(*answers)

    async def test(url: str) -> list[Completion]:
        opened = engine(url) if engine else OpenAI("m", base_url=url)
        try:
            return await opened.complete(request)
        finally:
            await opened.close()

    return run(server, test), server.seen


def with_logprobs(*tokens: dict[str, JsonValue]) -> Answer:
    choice: dict[str, JsonValue] = {
        "message": {"content": "yes"},
        "logprobs": {"content": list(tokens)},
    }
    usage: JsonValue = {"prompt_tokens": 10, "completion_tokens": len(tokens)}
    return Answer({"choices": [choice], "usage": usage})


def test_a_prompt_becomes_a_chat_request_and_its_reply_a_completion() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=5, max_tokens=7, stop=("\n",))
    request = replace(ASK, sampling=sampling, schema='{"type": "object"}')
    (completion,), (seen,) = complete(chat("4"), request=request)
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["\n"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": {"type": "object"}},
        },
    }
    assert completion.text == "4" and completion.finish == "stop"
    assert (completion.usage.prompt, completion.usage.completion) == (10, 4)
    assert completion.token_ids is None and completion.logprobs is None
    assert completion.model == "openai/m" and completion.latency > 0


def test_nothing_that_is_not_universal_is_sent_unless_it_is_asked_for() -> None:
    _, (seen,) = complete(chat("4"), request=replace(ASK, seed=1))
    assert set(seen.body) == {"model", "messages", "temperature", "max_tokens"}
    assert "authorization" not in seen.headers


def test_options_change_what_is_sent() -> None:
    def engine(url: str) -> OpenAI:
        return OpenAI(
            "m", base_url=url, logprobs=True, seeds=True, max_tokens_as="max_completion_tokens"
        )

    _, (seen,) = complete(chat("4"), request=replace(ASK, seed=1, adapter="tuned"), engine=engine)
    assert seen.body["max_completion_tokens"] == 512 and "max_tokens" not in seen.body
    assert seen.body["logprobs"] is True and seen.body["model"] == "tuned"
    assert isinstance(seen.body["seed"], int)


def test_a_seed_depends_on_the_run_the_position_and_the_sample_and_on_nothing_else() -> None:
    requests = [
        replace(ASK, seed=1, position="a"),
        replace(ASK, seed=1, position="a", role="critic"),
        replace(ASK, seed=2, position="a"),
        replace(ASK, seed=1, position="b"),
        replace(ASK, seed=1, position="a", sample=1),
    ]

    def seed(request: Request) -> JsonValue:
        _, (seen,) = complete(
            chat("4"), request=request, engine=lambda url: OpenAI("m", base_url=url, seeds=True)
        )
        return seen.body["seed"]

    first, same, *others = map(seed, requests)
    assert first == same and all(a != b for a, b in combinations([first, *others], 2))


def test_reasoning_is_kept_apart_from_the_reply_wherever_a_server_puts_it() -> None:
    for answer in (
        chat("4", reasoning_content="two and two"),
        chat("4", reasoning="two and two"),
        chat("<think>two and two</think>\n\n4"),
        chat("two and two</think>4"),
    ):
        (completion,), _ = complete(answer)
        assert (completion.text, completion.reasoning) == ("4", "two and two")


def test_a_reply_of_nothing_but_reasoning_has_an_empty_text() -> None:
    for answer in (chat(None, reasoning_content="hm"), chat("<think>hm")):
        (completion,), _ = complete(answer)
        assert (completion.text, completion.reasoning) == ("", "hm")


def test_a_refusal_is_the_reply() -> None:
    (completion,), _ = complete(chat(None, refusal="I will not."))
    assert completion.text == "I will not."


def test_text_ends_before_the_stop_string_also_where_the_server_leaves_it_in() -> None:
    request = replace(ASK, sampling=Sampling(stop=("\n\n", "END")))
    (completion,), _ = complete(chat("4 END and\n\nmore"), request=request)
    assert completion.text == "4 "


def test_a_reply_that_met_its_limit_says_so() -> None:
    answer = Answer(
        {"choices": [{"message": {"content": "4"}, "finish_reason": "length"}], "usage": None}
    )
    (completion,), _ = complete(answer)
    assert completion.finish == "length"


def test_text_is_valid_unicode_whatever_comes_over_the_wire() -> None:
    escaped = b'{"choices": [{"message": {"content": "a\\ud800b"}}]}'
    raw = b'{"choices": [{"message": {"content": "a\xff\xfeb"}}]}'
    for body in (escaped, raw):
        (completion,), _ = complete(Answer(body))
        assert completion.text.startswith("a\ufffd") and completion.text.endswith("b")


def test_lone_surrogates_in_a_prompt_are_sent_as_valid_unicode() -> None:
    request = Request(messages=(Message("user", "a\ud800b"),))
    _, (seen,) = complete(chat("4"), request=request)
    assert seen.body["messages"] == [{"role": "user", "content": "a\ufffdb"}]


def test_logprobs_are_kept_where_they_come() -> None:
    answer = with_logprobs({"token": "ye", "logprob": -0.5}, {"token": "s", "logprob": -0.25})
    (completion,), _ = complete(answer, engine=lambda url: OpenAI("m", base_url=url, logprobs=True))
    assert completion.logprobs == (-0.5, -0.25) and completion.usage.completion == 2


@pytest.mark.parametrize("continues", [True, "echo"])
def test_a_reply_is_continued_where_the_server_can(continues: bool) -> None:
    request = replace(ASK, prefix=Prefix("The answer"))
    reply = "The answer is 4" if continues == "echo" else " is 4"
    (completion,), (seen,) = complete(
        chat(reply),
        request=request,
        engine=lambda url: OpenAI("m", base_url=url, continues=continues),
    )
    assert completion.text == " is 4"
    messages = seen.body["messages"]
    assert isinstance(messages, list)
    assert messages[-1] == {"role": "assistant", "content": "The answer"}
    assert seen.body["continue_final_message"] is True
    assert seen.body["add_generation_prompt"] is False


@pytest.mark.parametrize("reply", [" is 4", "The answer is 4"])
def test_a_server_that_cannot_continue_a_reply_is_asked_to_go_on(reply: str) -> None:
    request = replace(ASK, prefix=Prefix("The answer"))
    (completion,), (seen,) = complete(chat(reply), request=request)
    assert completion.text == " is 4"
    messages = seen.body["messages"]
    assert isinstance(messages, list)
    assert messages[-2] == {"role": "assistant", "content": "The answer"}
    assert "Go on from exactly where you stopped" in str(messages[-1])
    assert "continue_final_message" not in seen.body


# n samples


def test_n_samples_are_one_request_and_share_one_prompt() -> None:
    completions, (seen,) = complete(chat("a", "b", "c"), request=replace(ASK, n=3))
    assert seen.body["n"] == 3
    assert [c.text for c in completions] == ["a", "b", "c"]
    assert [c.usage.prompt for c in completions] == [10, 0, 0]
    assert [c.usage.completion for c in completions] == [4, 4, 4]
    assert sum(c.usage.calls for c in completions) == 3


def test_a_server_that_gives_fewer_than_n_is_asked_for_the_rest() -> None:
    completions, seen = complete(chat("a", "b"), chat("c", "d"), request=replace(ASK, n=4))
    assert [c.text for c in completions] == ["a", "b", "c", "d"]
    assert [c.usage.prompt for c in completions] == [10, 0, 0, 0]
    assert [request.body["n"] for request in seen] == [4, 2]


def test_a_server_that_ignores_n_is_asked_once_for_each_sample_from_then_on() -> None:
    server = FakeServer(*(chat(text) for text in "abcdefg"))

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url)
        first = await engine.complete(replace(ASK, n=3))
        second = await engine.complete(replace(ASK, n=3))
        await engine.close()
        return first + second

    completions = run(server, test)
    assert sorted(c.text for c in completions) == list("abcdef")
    assert [request.body.get("n", 1) for request in server.seen] == [3, 1, 1, 1, 1, 1]


def test_a_server_that_refuses_n_is_asked_once_for_each_sample_from_then_on() -> None:
    refusal = Answer({"error": {"message": "'n' : number must be at most 1"}}, status=400)
    server = FakeServer(refusal, *(chat(text) for text in "abcd"))

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url)
        first = await engine.complete(replace(ASK, n=2))
        second = await engine.complete(replace(ASK, n=2))
        await engine.close()
        return first + second

    assert sorted(c.text for c in run(server, test)) == list("abcd")
    assert [request.body.get("n", 1) for request in server.seen] == [2, 1, 1, 1, 1]


def test_a_refusal_of_n_for_greedy_decoding_says_nothing_about_sampling() -> None:
    refusal = Answer({"detail": "n must be 1 when using greedy sampling, got 2."}, status=400)
    server = FakeServer(refusal, chat("a"), chat("a"), chat("b", "c"))

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url)
        greedy = replace(ASK, n=2, sampling=Sampling(temperature=0))
        completions = await engine.complete(greedy) + await engine.complete(replace(ASK, n=2))
        await engine.close()
        return completions

    assert [c.text for c in run(server, test)] == ["a", "a", "b", "c"]
    assert [request.body.get("n", 1) for request in server.seen] == [2, 1, 1, 2]


def test_any_other_refusal_of_several_samples_is_a_refusal() -> None:
    with pytest.raises(EngineRefused, match="bad words"):
        complete(Answer({"detail": "bad words"}, status=400), request=replace(ASK, n=2))


def test_a_server_that_gives_more_than_n_is_not_believed() -> None:
    completions, _ = complete(chat("a", "b", "c"), request=replace(ASK, n=2))
    assert [c.text for c in completions] == ["a", "b"]


def test_samples_that_came_before_a_failure_are_not_asked_for_again() -> None:
    later = {"retry-after": "0"}
    busy = Answer({"error": {"message": "busy"}}, status=503, headers=later)
    server = FakeServer(chat("a", "b"), busy, busy, chat("c"))

    async def test(url: str) -> list[Completion]:
        engine = Retry(OpenAI("m", base_url=url))
        try:
            return await engine.complete(replace(ASK, n=3, sample=5))
        finally:
            await engine.close()

    completions = run(server, test)
    assert [c.text for c in completions] == ["a", "b", "c"]
    assert [c.usage.prompt for c in completions] == [10, 0, 0]
    assert [request.body.get("n", 1) for request in server.seen] == [3, 1, 1, 1]


def test_a_failure_after_some_samples_keeps_them_for_whoever_tries_again() -> None:
    with pytest.raises(Interrupted, match="503") as caught:
        complete(chat("a"), *[Answer({}, status=503)] * 2, request=replace(ASK, n=3))
    assert caught.value.samples[0].text == "a" and len(caught.value.samples) == 1


# what it costs


def test_tokens_of_several_samples_add_up_to_what_the_server_counted() -> None:
    usage: dict[str, JsonValue] = {
        "prompt_tokens": 10,
        "completion_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    completions, _ = complete(chat("a", "aaaa", "a", usage=usage), request=replace(ASK, n=3))
    assert [c.usage.completion for c in completions] == [3, 6, 2]
    assert [c.usage.cached for c in completions] == [8, 0, 0]


@pytest.mark.parametrize("total", range(20))
def test_division_is_exact(total: int) -> None:
    parts = divide(total, [3, 1, 4, 1, 5])
    assert sum(parts) == total and min(parts) >= 0


def test_a_server_that_counts_nothing_is_charged_an_upper_bound() -> None:
    (completion,), _ = complete(chat("four", usage={}))
    assert completion.usage.prompt == len("2 + 2?") and completion.usage.completion == 5


def test_a_price_table_makes_money_of_tokens() -> None:
    price = Price(prompt=2.0, cached=1.0, completion=10.0)
    usage: dict[str, JsonValue] = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 50},
    }
    completions, _ = complete(
        chat("aa", "bb", usage=usage),
        request=replace(ASK, n=2),
        engine=lambda url: OpenAI("m", base_url=url, price=price),
    )
    money = [c.usage.money * 1_000_000 for c in completions]
    assert money == pytest.approx([50 * 2 + 50 * 1 + 10 * 10, 10 * 10])


def test_money_counts_every_call_that_a_server_needed_for_n() -> None:
    completions, _ = complete(
        chat("a"),
        chat("b"),
        request=replace(ASK, n=2),
        engine=lambda url: OpenAI("m", base_url=url, price=Price(prompt=1.0, completion=0.0)),
    )
    assert sum(c.usage.prompt for c in completions) == 10
    assert sum(c.usage.money for c in completions) == pytest.approx(20 / 1_000_000)


# scores


def top(*likeliest: tuple[str, float]) -> Answer:
    listed: list[JsonValue] = [{"token": token, "logprob": value} for token, value in likeliest]
    return with_logprobs({"token": "yes", "logprob": -0.1, "top_logprobs": listed})


def score(answer: Answer, *texts: str, scores: bool = True) -> list[float]:
    async def main() -> list[float]:
        async with FakeServer(answer) as server:
            engine = OpenAI("m", base_url=server.url, scores=scores)
            try:
                found = await engine.score(replace(ASK, n=2), texts)
            finally:
                await engine.close()
            assert [s.usage.tokens for s in found] == [11] + [0] * (len(texts) - 1)
            assert server.seen[0].body["max_tokens"] == 1 and "n" not in server.seen[0].body
            return [s.logprob for s in found]

    return asyncio.run(main())


def test_texts_are_scored_by_their_first_token() -> None:
    answer = top(("yes", -1.0), (" yes", -1.0), ("no", -2.0), (" ", -3.0))
    yes, no = score(answer, "yes", "no")
    assert yes == pytest.approx(-1.0 + 0.6931471805599453) and no == -2.0


@pytest.mark.parametrize(
    ("likeliest", "texts", "says"),
    [
        ([("yes", -1.0)], ("yes", "no"), "'no': its first token is not among"),
        ([("Score", -1.0)], ("Score: 1", "Score: 2"), "begin with the same token"),
    ],
)
def test_texts_that_the_first_token_does_not_tell_apart_are_refused(
    likeliest: list[tuple[str, float]], texts: tuple[str, ...], says: str
) -> None:
    with pytest.raises(EngineRefused, match=says):
        score(top(*likeliest), *texts)


def test_scoring_is_refused_where_it_is_off_or_the_server_reports_nothing() -> None:
    with pytest.raises(EngineRefused, match="scores=True"):
        score(chat("yes"), "yes", scores=False)
    with pytest.raises(EngineRefused, match="no top_logprobs"):
        score(chat("yes"), "yes")


# keys


def test_the_key_is_sent_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echo = Answer({"error": {"message": f"bad key {KEY}"}}, status=400)
    server = FakeServer(echo, Answer(f"<html>{KEY}</html>".encode()), chat(f"you sent {KEY}"))

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url)
        assert KEY not in repr(engine) + repr(vars(engine)) + repr(engine.info)
        for kind in (EngineRefused, EngineError):
            with pytest.raises(kind, match=r"\[key\]") as caught:
                await engine.complete(ASK)
            assert KEY not in repr(caught.value) and caught.value.__cause__ is None
        completions = await engine.complete(ASK)
        await engine.close()
        return completions

    (completion,) = run(server, test)
    assert completion.text == "you sent [key]"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


def test_a_key_that_is_a_word_leaves_replies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    (completion,), _ = complete(chat("The set is EMPTY."))
    assert completion.text == "The set is EMPTY."


def test_a_missing_key_is_said_at_once_where_one_is_needed() -> None:
    with pytest.raises(ConfigError, match="set the environment variable OPENAI_API_KEY"):
        OpenAI("gpt")
    with pytest.raises(ConfigError, match="set the environment variable MY_KEY"):
        OpenAI("m", base_url="http://127.0.0.1:1/v1", api_key_env="MY_KEY")


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nX-Other: 1")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        OpenAI("gpt")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "127.0.0.1:8000"},
        {"base_url": "ftp://127.0.0.1/v1"},
        {"base_url": "http://"},
        {"base_url": "http://me:pw@127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1/v1?key=1"},
        {"base_url": "http://[::1/v1"},
        {"concurrency": 0},
        {"timeout": 0},
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(wrong: dict[str, object]) -> None:
    options = {"base_url": "http://127.0.0.1:1/v1"} | wrong
    with pytest.raises(ConfigError) as caught:
        OpenAI("m", **options)  # type: ignore[arg-type]  # one wrong value each
    assert "pw" not in str(caught.value)


# connections


def test_connections_are_used_again() -> None:
    server = FakeServer(*[chat("4")] * 3)

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url)
        completions = [(await engine.complete(ASK))[0] for _ in range(3)]
        await engine.close()
        return completions

    run(server, test)
    assert server.connections == 1 and len(server.seen) == 3


def test_no_more_calls_are_under_way_than_allowed() -> None:
    async def slow(seen: Seen) -> Answer:
        await asyncio.sleep(0.01)
        return chat("4")

    server = FakeServer(handler=slow)

    async def test(url: str) -> list[Completion]:
        engine = OpenAI("m", base_url=url, concurrency=3)
        answers = await asyncio.gather(*(engine.complete(ASK) for _ in range(10)))
        await engine.close()
        return [completion for answer in answers for completion in answer]

    assert len(run(server, test)) == 10
    assert server.most_busy == 3 and server.connections == 3


def test_a_cancelled_call_closes_its_connection_and_frees_its_place() -> None:
    async def hang(seen: Seen) -> Answer:
        await asyncio.sleep(60)
        return chat("never")

    async def main() -> None:
        async with FakeServer(handler=hang) as server:
            engine = OpenAI("m", base_url=server.url, concurrency=1)
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(engine.complete(ASK), 0.05)
            async with asyncio.timeout(5):
                while server.hung_up < 2:
                    await asyncio.sleep(0.01)
            await engine.close()

    asyncio.run(main())


def test_one_engine_serves_one_loop_after_another_and_leaves_nothing_open() -> None:
    with in_background(FakeServer(*[chat("4")] * 3)) as server:
        engine = OpenAI("m", base_url=server.url)
        texts = [asyncio.run(engine.complete(ASK))[0].text for _ in range(3)]
    assert texts == ["4", "4", "4"] and server.connections == 3


def test_a_closed_engine_refuses() -> None:
    async def main() -> None:
        engine = OpenAI("m", base_url="http://127.0.0.1:1/v1")
        await engine.close()
        with pytest.raises(EngineRefused, match="closed"):
            await engine.complete(ASK)

    asyncio.run(main())


def test_closing_ends_calls_under_way_and_leaves_nothing_open() -> None:
    async def hang(seen: Seen) -> Answer:
        await asyncio.sleep(60)
        return chat("never")

    async def main() -> None:
        async with FakeServer(handler=hang) as server:
            engine = OpenAI("m", base_url=server.url)
            call = asyncio.create_task(engine.complete(ASK))
            while not server.busy:
                await asyncio.sleep(0.001)
            await engine.close()
            with pytest.raises(EngineUnavailable):
                await call

    asyncio.run(main())


def test_a_body_is_json_in_utf8() -> None:
    _, (seen,) = complete(chat("4"), request=Request(messages=(Message("user", "½ π"),)))
    assert seen.headers["content-type"] == "application/json"
    assert json.dumps(seen.body, ensure_ascii=False).count("½ π") == 1
