import asyncio

import pytest

from cogitate.errors import ConfigError
from cogitate.inference import Engine, Engines, Message, Price, Request, Scripted, open_engine

LOCAL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("opneai/critic", "such as openai/critic"),
        ("smollm2-135m", "such as hf/smollm2-135m"),
        ("Qwen/Qwen3-8B", "such as hf/Qwen/Qwen3-8B"),
        ("", "such as hf/smollm2-135m"),
        ("/x", "write provider/model"),
        ("openai/", "names no model"),
        ("scripted/mine", "Pass the engine itself"),
        ("vllm/", "names no model"),
    ],
)
def test_a_name_that_means_no_model_is_refused_with_the_next_step(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_engine(name)


def test_an_unknown_provider_is_answered_with_all_there_are() -> None:
    with pytest.raises(ConfigError, match=r"hf/.*openai/.*scripted/.*vllm/"):
        open_engine("anthropomorphic/x")


def test_a_server_address_goes_only_with_openai() -> None:
    with pytest.raises(ConfigError, match="name the model openai/x"):
        open_engine("hf/x", base_url=LOCAL)
    with pytest.raises(ConfigError, match="give it to the engine itself"):
        Engines().open(Scripted(["a"]), base_url=LOCAL)


def test_a_name_says_what_a_server_can_do() -> None:
    name = "openai/critic?logprobs=true&prompt_price=2&completion_price=10"
    info = open_engine(name, base_url=LOCAL).info
    assert (info.model, info.logprobs, info.scores) == ("openai/critic", True, False)
    assert info.price == Price(2.0, 10.0)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("logprob=true", "logprob: there is no such option. Options: concurrency, "),
        ("logprobs=maybe", "logprobs: Input should be a valid boolean"),
        ("prompt_price=2", "together"),
        ("concurrency=0", "at least one call"),
    ],
)
def test_an_option_that_a_server_does_not_have_is_refused(query: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_engine(f"openai/critic?{query}", base_url=LOCAL)


def test_a_name_is_opened_once_and_shared() -> None:
    engines = Engines()
    first = engines.open("openai/critic", base_url=LOCAL)
    assert engines.open("openai/critic", base_url=LOCAL + "/") is first
    assert engines.open("openai/other", base_url=LOCAL) is not first
    assert engines.open("openai/critic", base_url="http://127.0.0.1:10/v1") is not first
    assert first.info.model == "openai/critic"
    assert isinstance(first, Engine)


def test_a_given_engine_is_wrapped_once_and_merges_equal_asks() -> None:
    script = Scripted(["a", "b"])
    engines = Engines()
    assert engines.open(script) is engines.open(script)
    assert engines.open(Scripted(["a"])) is not engines.open(script)
    request = Request(messages=(Message("user", "?"),))

    async def run() -> list[str]:
        calls = (engines.open(script).complete(request) for _ in range(2))
        return [completion.text for (completion,) in await asyncio.gather(*calls)]

    assert asyncio.run(run()) == ["a", "b"]
    assert script.calls == 1


def test_closing_leaves_given_engines_open_and_opens_names_anew() -> None:
    script = Scripted(["a"])

    async def run() -> None:
        async with Engines() as engines:
            named = engines.open("openai/critic", base_url=LOCAL)
            engines.open(script)
        assert engines.open("openai/critic", base_url=LOCAL) is not named
        await engines.close()

    asyncio.run(run())
    assert asyncio.run(script.complete(Request(messages=())))[0].text == "a"
