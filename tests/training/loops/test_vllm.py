"""The loops on a model that vLLM runs: one start, and adapters that come in while it runs."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from installed import needs_vllm
from models_started import ModelsStarted
from sevens import DPO, SFT, pupil, sevens, teacher

from cogitate.agents import Generator, Team
from cogitate.graphs import Thought
from cogitate.inference import HF, Completion, Request, Sampling, Scripted
from cogitate.inference.hf.adapter_files import revision_of
from cogitate.memory import RunStore
from cogitate.training.loops import MALT, MALTSettings, STaR, STaRSettings


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are opened by name, so this is how they are told."""
    needs_vllm()
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")


def test_star_starts_one_model_and_wears_each_adapter_as_it_is_trained(
    roomy_llama: Path, tmp_path: Path
) -> None:
    started = ModelsStarted()
    loop = STaR(
        pupil(roomy_llama, provider="vllm"),
        train=sevens("train", 24),
        dev=sevens("dev", 16),
        output=tmp_path,
        first=Team(Generator(Scripted(["Answer: 7", "Answer: 8"]))),
        settings=STaRSettings(samples=2, sft=SFT),
        progress=started.look,
    )
    first, second = loop
    assert (first.judged.before.correct, first.judged.after.correct) == (0, 8)
    assert first.weights == second.weights == {"generator": "1/generator"}
    assert second.counts["kept"] == 12  # sampled by the model that runs, with the new adapter
    assert (started.so_far, started.running) == (1, 0)
    adapters = {"generator": [tmp_path / "1/generator", tmp_path / "2/generator"]}
    assert answered_as_worn(tmp_path, roomy_llama, adapters) == {"generator": 2}


def test_malt_wears_the_adapters_of_three_roles_on_one_model(
    roomy_llama: Path, tmp_path: Path
) -> None:
    started = ModelsStarted()
    loop = MALT(
        pupil(roomy_llama, provider="vllm"),
        train=sevens("train", 16),
        dev=sevens("dev", 16),
        output=tmp_path,
        first=teacher(),
        settings=MALTSettings(k=1, temperature=None, sft=SFT, dpo=DPO),
        progress=started.look,
    )
    first, second = loop
    assert (first.judged.before.correct, first.judged.after.correct) == (0, 8)
    assert first.weights == {
        "generator": "1/generator-sft", "critic": "1/critic-dpo", "refiner": "1/refiner-dpo"
    }  # fmt: skip
    assert second.problems == 8  # the tree grew on the model that runs, with all three adapters
    assert (started.so_far, started.running) == (1, 0)
    adapters = {
        role: [tmp_path / f"{i}" / name for i in (1, 2)]
        for role, name in (
            ("generator", "generator-sft"), ("critic", "critic-dpo"), ("refiner", "refiner-dpo")
        )
    }  # fmt: skip
    assert answered_as_worn(tmp_path, roomy_llama, adapters) == dict.fromkeys(adapters, 2)


def answered_as_worn(
    run: Path, base: Path, adapters: Mapping[str, Iterable[Path]]
) -> dict[str, int]:
    """Check all that vLLM wrote in a run against transformers wearing the same adapter.

    Returns:
        By role, how many of its adapters have answered.
    """
    folders = {revision_of(folder): str(folder) for role in adapters for folder in adapters[role]}
    wrote: dict[tuple[str, str], list[Thought]] = {}
    with RunStore(run / "runs.db") as store:
        for episode in store.episodes():
            for thought in episode.graph.thoughts():
                if thought.source is not None and thought.source.model.startswith("vllm/"):
                    worn = thought.source.adapter_revision
                    wrote.setdefault((thought.role, worn), []).append(thought)
    engine = HF(base)
    asyncio.run(_compare(engine, folders, wrote))
    return {
        role: sum((role, revision_of(folder)) in wrote for folder in adapters[role])
        for role in adapters
    }


async def _compare(
    engine: HF, folders: Mapping[str, str], wrote: Mapping[tuple[str, str], list[Thought]]
) -> None:
    try:
        for (_, worn), thoughts in wrote.items():
            for thought in thoughts[:4]:
                same = await _greedy(engine, thought, folders[worn] if worn else None)
                assert same.adapter_revision == worn
                assert _said(thought, same, within=2e-3)
                assert not worn or not _said(thought, await _greedy(engine, thought), within=2e-2)
    finally:
        await engine.close()


async def _greedy(engine: HF, thought: Thought, adapter: str | None = None) -> Completion:
    assert thought.prompt is not None
    request = Request(
        messages=thought.prompt,
        sampling=Sampling(temperature=0, max_tokens=12),
        adapter=adapter,
    )
    return (await engine.complete(request))[0]


def _said(thought: Thought, other: Completion, *, within: float) -> bool:
    """Whether the same tokens were written with nearly the same log-probabilities."""
    assert thought.tokens is not None
    return (
        thought.tokens.prompt_ids == other.prompt_ids
        and thought.tokens.token_ids == other.token_ids
        and thought.tokens.logprobs == pytest.approx(other.logprobs, abs=within)
    )
