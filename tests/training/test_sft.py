"""One real training run on a tiny model: what it learns, what it writes, how it is worn."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from trl.trainer.sft_trainer import SFTTrainer

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import HF, Message, Request, Sampling
from cogitate.inference.hf.encode import Encoder
from cogitate.training import (
    Checkpoint,
    LoRA,
    Optimisation,
    SFTRow,
    SFTSettings,
    Trained,
    train_sft,
)
from cogitate.training.trainers.tokens import encode

QUESTION = Message("user", "What is 6 * 7?")
SETTINGS = SFTSettings(
    optimisation=Optimisation(learning_rate=1e-2, epochs=12, batch_size=2), adapter=LoRA(rank=8)
)


class Run(NamedTuple):
    trained: Trained
    steps: list[tuple[int, int]]
    before: str
    after: str


def row(completion: str, ids: Sequence[int] | None = None, revision: str = "") -> SFTRow:
    return SFTRow(
        problem="p",
        question=QUESTION.content,
        thought="t.0",
        role="generator",
        agent="generator",
        operation="generate",
        messages=(QUESTION,),
        completion=completion,
        completion_ids=None if ids is None else tuple(ids),
        source=Source("hf/tiny", revision),
        grade=1.0,
    )


def reply(model: Path, adapter: Path | None) -> str:
    async def ask() -> str:
        engine = HF(model, adapters={} if adapter is None else {"learned": adapter})
        request = Request(
            messages=(QUESTION,),
            sampling=Sampling(temperature=0, max_tokens=24),
            adapter=None if adapter is None else "learned",
        )
        try:
            return (await engine.complete(request))[0].text
        finally:
            await engine.close()

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def run(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    ids, revision = (70, 71, 72), HF(tiny_llama).info.revision
    rows = [row("Answer: 42"), row("Answer: 42", ids, revision), row("Answer: 4" * 99)]
    steps: list[tuple[int, int]] = []
    trained = train_sft(
        rows,
        str(tiny_llama),
        tmp_path_factory.mktemp("runs") / "adapter",
        SETTINGS.model_copy(update={"max_tokens": 120}),
        on_step=lambda done, total: steps.append((done, total)),
    )
    before, after = reply(tiny_llama, None), reply(tiny_llama, trained.adapter)
    return Run(trained, steps, before, after)


def test_completions_are_trained_exactly_as_sampled(tiny_llama: Path) -> None:
    revision = HF(tiny_llama).info.revision
    sampled = row("Answer: 42", (70, 71, 72), revision)
    found = encode([sampled, sampled.model_copy(update={"prompt_ids": (5, 6)})], tiny_llama)
    first, second = found.rows
    assert found.reencoded == 0
    assert second == ([5, 6, 70, 71, 72], [-100, -100, 70, 71, 72])
    prompt = Encoder(tiny_llama).prompt((QUESTION,), None).ids
    assert first.input_ids == [*prompt, 70, 71, 72]
    assert first.labels == [-100] * len(prompt) + [70, 71, 72]


def test_ids_of_other_weights_are_not_trusted(tiny_llama: Path) -> None:
    foreign = row("42", (70, 71, 72), "other weights")
    found = encode([foreign], tiny_llama)
    encoder = Encoder(tiny_llama)
    assert found.reencoded == 1
    assert found.rows[0].labels[-3:] == [*encoder.text("42"), encoder.end]


def test_training_lowers_the_loss(run: Run) -> None:
    assert run.trained.losses[-1] < 0.5 * run.trained.losses[0]


def test_steps_are_counted_and_reported(run: Run) -> None:
    assert run.trained.steps == len(run.trained.losses) == 12
    assert run.steps == [(done, 12) for done in range(1, 13)]


def test_rows_that_are_too_long_or_have_no_ids_of_this_model_are_counted(run: Run) -> None:
    assert run.trained.rows == 2
    assert run.trained.counts == {"too_long": 1, "reencoded": 2}


def test_the_adapter_is_worn_by_name_and_changes_the_reply(run: Run) -> None:
    assert run.after != run.before


def test_the_adapter_is_safetensors_and_says_where_it_comes_from(
    run: Run, tiny_llama: Path
) -> None:
    files = {path.name for path in run.trained.adapter.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "cogitate.json"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    said = Checkpoint.load(run.trained.adapter)
    assert (said.parent, said.rows, said.method) == (str(tiny_llama), 2, "sft-lora")
    assert said.settings["adapter"] == LoRA(rank=8).model_dump()
    assert said.base == said.parent and "trl" in said.libraries
    assert json.loads((run.trained.adapter / "cogitate.json").read_text())["data_hash"]


def test_nothing_but_the_adapter_is_left(run: Run) -> None:
    assert [path.name for path in run.trained.adapter.parent.iterdir()] == ["adapter"]


def test_no_rows_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rows to train on"):
        train_sft([], str(tiny_llama), tmp_path / "adapter")


def test_a_row_without_a_prompt_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    empty = row("Answer: 42").model_copy(update={"messages": ()})
    with pytest.raises(ConfigError, match="has no prompt"):
        train_sft([empty], str(tiny_llama), tmp_path / "adapter")


def test_an_adapter_that_was_not_trained_here_has_no_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no cogitate\.json"):
        Checkpoint.load(tmp_path)


def test_bfloat16_computes_otherwise_and_trains_the_same_float32_weights(
    tiny_llama: Path, tmp_path: Path
) -> None:
    def losses(precision: Literal["float32", "bfloat16"]) -> list[float]:
        how = Optimisation(learning_rate=1e-2, epochs=4, batch_size=2, precision=precision)
        settings = SFTSettings(optimisation=how, adapter=LoRA(rank=8))
        rows = [row("Answer: 42"), row("Answer: 41")]
        trained = train_sft(rows, str(tiny_llama), tmp_path / precision, settings)
        weights = load_file(trained.adapter / "adapter_model.safetensors")
        assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
        return trained.losses

    exact, rounded = losses("float32"), losses("bfloat16")
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.05)


def test_a_token_weighs_the_same_in_a_batch_of_short_rows_as_in_one_of_long_rows(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summed, computed = list[float](), SFTTrainer.compute_loss

    def look(*given: Any, **named: Any) -> Any:
        loss = computed(*given, **named)
        summed.append(loss.item() * tokens / 2)
        return loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", look)
    rows = [row("7"), row("8"), row("Answer: 42" * 6), row("Answer: 41" * 6)]
    how = Optimisation(learning_rate=1e-9, epochs=1, batch_size=2, precision="float32")
    encoded = encode(rows, tiny_llama).rows
    counts = [sum(label >= 0 for label in one.labels) for one in encoded]
    tokens = sum(counts)
    trained = train_sft(rows, str(tiny_llama), tmp_path / "a", SFTSettings(optimisation=how))
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    losses = list[float]()
    for (input_ids, labels), count in zip(encoded, counts, strict=True):
        with torch.inference_mode():
            mean = model(torch.tensor([input_ids]), labels=torch.tensor([labels])).loss.item()
        losses.append(mean * count)
    batches = [sum(losses[:2]), sum(losses[2:])]
    assert sorted(summed) == pytest.approx(sorted(batches), rel=1e-4)  # all divided by one number
    told = [batches[0] / sum(counts[:2]), batches[1] / sum(counts[2:])]
    assert sorted(trained.losses) == pytest.approx(sorted(told), rel=1e-4)
