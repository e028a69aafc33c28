import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import JsonValue
from servers import Answer, FakeServer, Seen, chat

from cogitate.errors import (
    CogitateError,
    ConfigError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)
from cogitate.inference import Completion, Engine, Message, OpenAI, Request, Retry
from cogitate.inference.openai.failure import retry_after, said

ASK = Request(messages=(Message("user", "2 + 2?"),), seed=1)
KEY = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


async def ask(engine: Engine) -> Completion:
    try:
        return (await engine.complete(ASK))[0]
    finally:
        await engine.close()


def error(status: int, body: JsonValue, **headers: str) -> CogitateError:
    """The error that an answer becomes; it must not be asked for twice."""

    async def main() -> CogitateError:
        answer = Answer(body, status, {k.replace("_", "-"): v for k, v in headers.items()})
        async with FakeServer(answer) as server:
            engine = OpenAI("m", base_url=server.url, logprobs=True, seeds=True)
            with pytest.raises(CogitateError) as caught:
                await ask(engine)
            assert len(server.seen) == 1
            return caught.value

    return asyncio.run(main())


def problem(message: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_unavailable(status: int) -> None:
    found = error(status, problem("later"), retry_after="7")
    assert type(found) is EngineUnavailable and found.retry_after == 7
    assert str(status) in str(found) and "later" in str(found)


@pytest.mark.parametrize("status", [400, 405, 409, 413, 415, 422, 501, 505])
def test_what_asking_again_would_not_change_is_refused(status: int) -> None:
    assert type(error(status, problem("no"))) is EngineRefused


@pytest.mark.parametrize(
    ("status", "message", "next_step"),
    [
        (401, "bad key", "api_key_env"),
        (403, "not yours", "api_key_env"),
        (402, "pay first", "add credit"),
        (404, "The model `m` does not exist", "Check the model's name"),
        (400, "Server is pinned to 'a'; requested 'm'.", "Check the model's name"),
        (400, "Unsupported parameter: 'max_tokens'", 'max_tokens_as="max_completion_tokens"'),
        (400, "logprobs is not supported", "logprobs=False"),
        (422, "Unexpected fields in the request: {'seed'}", "seeds=False"),
    ],
)
def test_what_the_caller_must_change_is_said_with_the_next_step(
    status: int, message: str, next_step: str
) -> None:
    found = error(status, problem(message))
    assert type(found) is ConfigError
    assert message in str(found) and next_step in str(found)


def test_no_quota_is_not_the_same_as_too_many_requests() -> None:
    body = problem("You exceeded your current quota", code="insufficient_quota")
    assert type(error(429, body)) is ConfigError


@pytest.mark.parametrize(
    "body",
    [
        problem("This model's maximum context length is 4096 tokens.", code="x"),
        problem("too big", code="context_length_exceeded"),
        {"message": "prompt is too long: 5000 tokens > 4096 maximum"},
        {"detail": "input exceeds the limit of 4096 tokens"},
    ],
)
def test_a_prompt_that_does_not_fit_is_too_long(body: JsonValue) -> None:
    assert type(error(400, body)) is PromptTooLong


def test_an_option_that_was_not_sent_is_not_blamed() -> None:
    assert type(error(400, problem("top_logprobs: no"))) is EngineRefused


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(status: int) -> None:
    async def main() -> None:
        async with FakeServer(chat("stolen")) as other:
            elsewhere = f"{other.url}/chat/completions"
            async with FakeServer(Answer(None, status, {"Location": elsewhere})) as server:
                with pytest.raises(ConfigError, match=f"redirects to '{elsewhere}'"):
                    await ask(OpenAI("m", base_url=server.url))
            assert not other.seen and not other.connections

    asyncio.run(main())


def test_a_location_that_holds_the_key_is_scrubbed() -> None:
    found = error(302, None, Location=f"http://127.0.0.1:1/?key={KEY}")
    assert "[key]" in str(found) and KEY not in str(found)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_an_echoed_key_is_in_no_error(status: int) -> None:
    found = error(status, problem(f"{KEY} is wrong {'x' * 400} {KEY}"))
    assert KEY not in str(found) and KEY[:8] not in str(found)


def test_an_error_with_status_200_is_an_error() -> None:
    assert type(error(200, problem("busy", code=503))) is EngineUnavailable
    assert type(error(200, problem("odd", code="odd"))) is EngineError


@pytest.mark.parametrize(
    "body",
    [b"<html>Not found</html>", b"", b"[]", b'{"choices": 1}', b"[" * 100_000, b"\xff\xfe", b"{}"],
)
def test_a_reply_that_makes_no_sense_is_an_error_that_shows_how_it_begins(body: bytes) -> None:
    async def main() -> None:
        async with FakeServer(Answer(body)) as server:
            with pytest.raises(EngineError) as caught:
                await ask(OpenAI("m", base_url=server.url))
            assert type(caught.value) is EngineError and len(str(caught.value)) < 1000

    asyncio.run(main())


def test_a_reply_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogitate.inference.openai.server._LARGEST", 1000)

    async def main() -> None:
        async with FakeServer(Answer(b" " * 100_000)) as server:
            with pytest.raises(EngineError, match="sent more than 1000 bytes"):
                await ask(OpenAI("m", base_url=server.url))

    asyncio.run(main())


# what was said, and for how long to wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 99999999 07:28:00 GMT"}, None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_wait_until_a_date_is_the_time_until_then() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = retry_after({"retry-after": date})
    assert seconds is not None and 25 < seconds <= 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error": {"message": "a"}}', "a"),
        ('{"error": "a"}', "a"),
        ('{"detail": "a"}', "a"),
        ('{"detail": [{"loc": ["n"]}]}', '[{"loc": ["n"]}]'),
        ('{"message": "a"}', "a"),
        ("a\n  b", "a b"),
        ('{"error": "a\\u001b[2Jb\\ud800"}', "a [2Jb"),
        ("[" * 5000, "[" * 300 + "…"),
    ],
)
def test_the_message_is_found_where_servers_put_it(text: str, message: str) -> None:
    assert said(text) == message


# connections, and trying again


@pytest.mark.parametrize(
    "passing",
    [
        Answer(problem("busy"), 429, {"Retry-After": "0.01"}),
        Answer(problem("busy"), 429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        Answer(problem("broken"), 500, {"Retry-After": "0"}),
    ],
)
def test_what_may_pass_is_tried_again(passing: Answer) -> None:
    async def main() -> None:
        async with FakeServer(passing, passing, chat("4")) as server:
            completion = await ask(Retry(OpenAI("m", base_url=server.url)))
            assert completion.text == "4" and len(server.seen) == 3

    asyncio.run(main())


@pytest.mark.parametrize("status", [302, 400, 401, 404, 422])
def test_what_will_not_pass_is_never_tried_again(status: int) -> None:
    async def main() -> None:
        async with FakeServer(*[Answer(problem("no"), status)] * 2) as server:
            with pytest.raises(CogitateError):
                await ask(Retry(OpenAI("m", base_url=server.url)))
            assert len(server.seen) == 1

    asyncio.run(main())


def test_a_connection_dropped_in_the_middle_of_a_reply_may_pass() -> None:
    async def main() -> None:
        whole = chat("4")
        async with FakeServer(Answer(whole.body, dropped=5), whole) as server:
            engine = OpenAI("m", base_url=server.url)
            with pytest.raises(EngineUnavailable, match=r"lost http://127\.0"):
                await engine.complete(ASK)
            assert (await ask(engine)).text == "4"

    asyncio.run(main())


def test_a_server_that_is_too_slow_may_pass_and_its_call_is_given_up() -> None:
    async def hang(seen: Seen) -> Answer:
        await asyncio.sleep(60)
        return chat("never")

    async def main() -> None:
        async with FakeServer(handler=hang) as server:
            with pytest.raises(EngineUnavailable, match=r"longer than 0.05 s: raise timeout"):
                await ask(OpenAI("m", base_url=server.url, timeout=0.05))
            async with asyncio.timeout(5):
                while not server.hung_up:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_server_that_was_never_there_is_a_wrong_address() -> None:
    async def main() -> None:
        async with FakeServer() as server:
            url = server.url
        with pytest.raises(ConfigError, match=f"no server answers at {url}.*start it"):
            await ask(Retry(OpenAI("m", base_url=url)))

    asyncio.run(main())


def test_a_server_that_was_there_and_is_gone_may_come_back() -> None:
    async def main() -> None:
        async with FakeServer(chat("4")) as server:
            engine = OpenAI("m", base_url=server.url)
            await engine.complete(ASK)
        with pytest.raises(EngineUnavailable, match="see whether it still runs"):
            await ask(engine)

    asyncio.run(main())


def test_a_server_that_broke_off_its_first_reply_was_there() -> None:
    async def main() -> None:
        async with FakeServer(Answer(b"{}", dropped=1)) as server:
            engine = OpenAI("m", base_url=server.url)
            with pytest.raises(EngineUnavailable):
                await engine.complete(ASK)
        with pytest.raises(EngineUnavailable):
            await ask(engine)

    asyncio.run(main())


def test_a_server_on_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def main() -> None:
        async with FakeServer(chat("4"), chat("4")) as server:
            assert (await ask(OpenAI("m", base_url=server.url))).text == "4"
            named = server.url.replace("127.0.0.1", "localhost")
            assert (await ask(OpenAI("m", base_url=named))).text == "4"

    asyncio.run(main())
