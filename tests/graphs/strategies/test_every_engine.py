"""Every strategy works on every engine: a script, models in this process, and a server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import needs_vllm
from searches import NAMES, problem_for, small, team
from servers import FakeServer, speaking_for
from thinker import Thinker

import cogitate as cg
from cogitate.graphs import Result, strategy_named
from cogitate.inference import HF, VLLM, Engine, OpenAI

each_strategy = pytest.mark.parametrize("name", NAMES)


def think(name: str, *engines: Engine, max_tokens: int = 60) -> Result:
    strategy = small(name)
    made = team(*engines, max_tokens=max_tokens)
    return cg.solve(problem_for(strategy), made, strategy_named(strategy))


@each_strategy
def test_on_a_script(name: str) -> None:
    result = think(name, Thinker(1), Thinker(2, name="other"))
    assert result.thought is not None and result.thought.text
    assert result.errors == []


@pytest.fixture(scope="module")
def hf(roomy_llama: Path) -> Iterator[HF]:
    engine = HF(roomy_llama)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def vllm(roomy_llama: Path) -> Iterator[VLLM]:
    needs_vllm()
    engine = VLLM(roomy_llama, cache_gib=0.25, max_rows=16, adapter_slots=0)
    yield engine
    asyncio.run(engine.close())


@each_strategy
@pytest.mark.parametrize("engine", ["hf", "vllm"])
def test_on_a_model_in_this_process(name: str, engine: str, request: pytest.FixtureRequest) -> None:
    result = think(name, request.getfixturevalue(engine), max_tokens=6)
    written = [thought for thought in result.graph.thoughts() if thought.tokens]
    assert written and all(thought.tokens.logprobs for thought in written if thought.tokens)
    assert result.errors == []


@each_strategy
def test_on_a_server(name: str) -> None:
    async def scenario() -> Result:
        async with FakeServer(handler=speaking_for(Thinker(3))) as server:
            engine = OpenAI("m", base_url=server.url, continues=True, logprobs=True)
            strategy = small(name)
            try:
                return await cg.asolve(
                    problem_for(strategy), team(engine), strategy_named(strategy)
                )
            finally:
                await engine.close()

    result = asyncio.run(scenario())
    assert result.thought is not None and result.thought.text
    assert result.errors == []
