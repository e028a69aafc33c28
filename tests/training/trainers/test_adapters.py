"""Which weights are trained: all, or an adapter's; from the base, or from where another ended."""

import asyncio
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_rows import FAST, QUESTION, sft

from cogitate.errors import ConfigError
from cogitate.inference import HF, Request, Sampling
from cogitate.inference.hf.adapter_files import revision_of
from cogitate.training import (
    AdaLoRA,
    Checkpoint,
    FullWeights,
    LoRA,
    Optimisation,
    PrefixTuning,
    PromptTuning,
    SFTSettings,
    Trained,
    train_sft,
)
from cogitate.training.trainers.adapters import Adapter, peft_config

ROWS = [sft()] * 8


def settings(adapter: Adapter, **changed: object) -> SFTSettings:
    return SFTSettings(optimisation=FAST.model_copy(update=changed), adapter=adapter)


def weights(trained: Trained) -> Mapping[str, torch.Tensor]:
    return load_file(trained.folder / "adapter_model.safetensors")


def greedy(model: Path, *adapters: Path | None) -> list[str]:
    """What one engine says with each adapter, all in one batch."""

    async def ask() -> list[str]:
        engine = HF(model)
        sampling = Sampling(temperature=0, max_tokens=12)
        asked = [
            engine.complete(
                Request(messages=(QUESTION,), sampling=sampling, adapter=folder and str(folder))
            )
            for folder in adapters
        ]
        try:
            return [found[0].text for found in await asyncio.gather(*asked)]
        finally:
            await engine.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "adapter", [PrefixTuning(tokens=4), PromptTuning(tokens=4), LoRA(rank=2, layers=("q_proj",))]
)
def test_every_kind_of_adapter_learns(adapter: Adapter, tiny_llama: Path, tmp_path: Path) -> None:
    trained = train_sft(ROWS, str(tiny_llama), tmp_path / "out", settings(adapter, epochs=4))
    assert trained.losses[-1] < trained.losses[0]
    assert (trained.folder / "adapter_model.safetensors").is_file()
    assert Checkpoint.load(trained.folder).method == f"sft-{adapter.kind}"


def test_full_weights_become_a_model_of_their_own(tiny_llama: Path, tmp_path: Path) -> None:
    trained = train_sft(ROWS, str(tiny_llama), tmp_path / "out", settings(FullWeights(), epochs=20))
    assert greedy(trained.folder, None) == ["Answer: 42"]


def test_adalora_moves_ranks_to_where_they_matter(tiny_llama: Path, tmp_path: Path) -> None:
    adapter = AdaLoRA(start_rank=6, rank=3, begin=0.1, settle=0.3)
    trained = train_sft(ROWS, str(tiny_llama), tmp_path / "out", settings(adapter, epochs=8))
    config = json.loads((trained.folder / "adapter_config.json").read_text())
    ranks = [sum(kept) for kept in config["rank_pattern"].values()]
    assert sum(ranks) == 3 * len(ranks)  # the budget, kept exactly
    assert len(set(ranks)) > 1  # and not spent evenly
    # What was pruned is gone from the weights as well.
    singular = [tensor for name, tensor in weights(trained).items() if name.endswith("lora_E")]
    assert sum(int((one != 0).sum()) for one in singular) <= sum(ranks)
    assert trained.losses[-1] < trained.losses[0]


def test_adalora_with_nothing_to_prune_is_refused() -> None:
    with pytest.raises(ConfigError, match="start_rank"):
        peft_config(AdaLoRA(start_rank=4, rank=8), "CAUSAL_LM", steps=100)
    with pytest.raises(ConfigError, match="at least 4 steps"):
        peft_config(AdaLoRA(), "CAUSAL_LM", steps=3)


def test_adalora_is_trained_in_one_go(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="in one go"):
        train_sft(ROWS, str(tiny_llama), tmp_path / "out", settings(AdaLoRA(), save_steps=2))
    adapter = AdaLoRA(start_rank=4, rank=2)
    done = train_sft(ROWS, str(tiny_llama), tmp_path / "out", settings(adapter, epochs=4))
    with pytest.raises(ConfigError, match="merge it"):
        train_sft(ROWS, str(tiny_llama), tmp_path / "2", settings(adapter), start=done.folder)


def test_training_goes_on_with_an_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    chosen = settings(LoRA(rank=4), epochs=4)
    first = train_sft(ROWS, str(tiny_llama), tmp_path / "first", chosen)
    second = train_sft(ROWS, str(tiny_llama), tmp_path / "second", chosen, start=first.folder)
    assert second.losses[0] < 0.9 * first.losses[0]
    assert second.losses[0] == pytest.approx(first.losses[-1], rel=0.2)
    said = Checkpoint.load(second.folder)
    assert said.parent == str(first.folder)
    assert said.parent_revision == revision_of(first.folder)
    assert said.base == str(tiny_llama)


def test_an_adapter_to_go_on_with_must_be_there(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no adapter"):
        train_sft(ROWS, str(tiny_llama), tmp_path / "out", start=tmp_path / "none")


def test_one_base_wears_an_adapter_for_each_role(tiny_llama: Path, tmp_path: Path) -> None:
    said = {"critic": "Accept: no", "refiner": "Answer: 42"}
    folders = [
        train_sft(
            [sft(text, role)] * 8,
            str(tiny_llama),
            tmp_path / "runs" / role,
            settings(LoRA(rank=8), epochs=16),
        ).folder
        for role, text in said.items()
    ]
    assert greedy(tiny_llama, *folders) == list(said.values())


def test_a_base_in_four_bits_needs_its_package(tiny_llama: Path, tmp_path: Path) -> None:
    chosen = settings(LoRA(rank=4, bits=4), epochs=4)
    if find_spec("bitsandbytes") is None:
        with pytest.raises(ConfigError, match="pip install bitsandbytes"):
            train_sft(ROWS, str(tiny_llama), tmp_path / "out", chosen)
        return
    trained = train_sft(ROWS, str(tiny_llama), tmp_path / "out", chosen)
    assert trained.losses[-1] < trained.losses[0]


def test_a_failed_training_leaves_what_was_there(tiny_llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_sft(ROWS, str(tiny_llama), out, settings(LoRA(rank=2)))
    before = revision_of(out)

    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_sft(ROWS, str(tiny_llama), out, settings(LoRA(rank=4)), on_step=fail)
    assert revision_of(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def interrupted(done: int, _total: int) -> None:
    if done == 7:
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("adapter", [LoRA(rank=4, dropout=0.1), FullWeights()])
def test_a_killed_training_goes_on_to_the_same_weights(
    adapter: Adapter, tiny_llama: Path, tmp_path: Path
) -> None:
    rows = [sft("Answer: 4" + "2" * i) for i in range(10)]
    how = Optimisation(learning_rate=1e-3, epochs=4, batch_size=2, accumulate=2, save_steps=3)
    chosen = SFTSettings(optimisation=how, adapter=adapter)
    whole = train_sft(rows, str(tiny_llama), tmp_path / "whole", chosen)
    with pytest.raises(KeyboardInterrupt):
        train_sft(rows, str(tiny_llama), tmp_path / "cut", chosen, on_step=interrupted)
    assert (tmp_path / ".cut.unfinished").is_dir()
    steps: list[int] = []
    resumed = train_sft(
        rows, str(tiny_llama), tmp_path / "cut", chosen, on_step=lambda done, _: steps.append(done)
    )
    assert steps[0] == 7  # after the checkpoint of step 6
    assert resumed.losses == whole.losses
    for file in whole.folder.glob("*.safetensors"):
        for name, tensor in load_file(file).items():
            assert torch.equal(tensor, load_file(resumed.folder / file.name)[name]), name


def test_another_call_does_not_go_on_with_what_was_killed(tiny_llama: Path, tmp_path: Path) -> None:
    how = Optimisation(learning_rate=1e-3, epochs=8, batch_size=4, save_steps=3)
    first = SFTSettings(optimisation=how, adapter=LoRA(rank=4))
    with pytest.raises(KeyboardInterrupt):
        train_sft(ROWS, str(tiny_llama), tmp_path / "out", first, on_step=interrupted)
    steps: list[int] = []
    other = first.model_copy(update={"max_tokens": 500})
    train_sft(
        ROWS, str(tiny_llama), tmp_path / "out", other, on_step=lambda done, _: steps.append(done)
    )
    assert steps[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
