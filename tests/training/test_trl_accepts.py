"""TRL's own trainers take each export as it is: one step on a tiny model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from trees import MALT, begun, ended, malt, step

from cogitate.training import MonteCarloSteps, harvest
from cogitate.training.exports import as_dataset, export

if TYPE_CHECKING:
    from datasets import Dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # those of the libraries about each other
]

Settings = dict[str, object]
C = TypeVar("C")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return {
        "output_dir": str(tmp_path / "out"),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def exported(tmp_path: Path, kind: str) -> "Dataset":
    """The `trl` form of a kind, as a user loads it."""
    from datasets import load_dataset

    episodes = harvest([malt(MALT)])
    rows = {
        "sft": episodes.sft,
        "preferences": episodes.preferences,
        "unpaired": episodes.unpaired,
        "prompts": episodes.prompts,
    }[kind]()
    export(rows, tmp_path / kind, form="trl")
    return load_dataset(str(tmp_path / kind), split="train", cache_dir=str(tmp_path / "cache"))


def configured(config: Callable[..., C], settings: Settings) -> C:
    return config(**settings)


def loss_of(trainer: object) -> float:
    train: Callable[[], object] = getattr(trainer, "train")  # noqa: B009  # untyped here
    return float(getattr(train(), "training_loss"))  # noqa: B009


def test_sft_takes_conversations(tiny_llama: Path, tmp_path: Path, settings: Settings) -> None:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    data = exported(tmp_path, "sft")
    trainer = SFTTrainer(str(tiny_llama), args=configured(SFTConfig, settings), train_dataset=data)
    assert loss_of(trainer) > 0


def test_sft_takes_ids_with_a_mask(tiny_llama: Path, settings: Settings) -> None:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    rows = harvest([malt(MALT)]).sft()
    data = as_dataset(rows, form="ids")
    trainer = SFTTrainer(str(tiny_llama), args=configured(SFTConfig, settings), train_dataset=data)
    batch = next(iter(trainer.get_train_dataloader()))
    trained = {tuple(labels[labels != -100].tolist()) for labels in batch["labels"]}
    assert trained <= {row.completion_ids for row in rows}
    assert loss_of(trainer) > 0


def test_dpo_takes_pairs(tiny_llama: Path, tmp_path: Path, settings: Settings) -> None:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    data = exported(tmp_path, "preferences")
    trainer = DPOTrainer(str(tiny_llama), args=configured(DPOConfig, settings), train_dataset=data)
    assert loss_of(trainer) > 0


def test_orpo_takes_pairs(tiny_llama: Path, tmp_path: Path, settings: Settings) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    trainer = ORPOTrainer(
        AutoModelForCausalLM.from_pretrained(tiny_llama),
        args=configured(ORPOConfig, settings),
        train_dataset=exported(tmp_path, "preferences"),
        processing_class=AutoTokenizer.from_pretrained(tiny_llama),
    )
    assert loss_of(trainer) > 0


def test_reward_models_take_pairs_with_their_margin(
    tiny_llama: Path, tmp_path: Path, settings: Settings
) -> None:
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    data = exported(tmp_path, "preferences")
    trainer = RewardTrainer(
        str(tiny_llama), args=configured(RewardConfig, settings), train_dataset=data
    )
    assert "margin" in next(iter(trainer.get_train_dataloader()))
    assert loss_of(trainer) > 0


def test_kto_takes_single_replies(tiny_llama: Path, tmp_path: Path, settings: Settings) -> None:
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    data = exported(tmp_path, "unpaired")
    trainer = KTOTrainer(str(tiny_llama), args=configured(KTOConfig, settings), train_dataset=data)
    assert loss_of(trainer) > 0


def test_grpo_takes_prompts_and_gives_the_rest_to_rewards(
    tiny_llama: Path, tmp_path: Path, settings: Settings
) -> None:
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    seen: list[object] = []

    def reward(completions: list[object], reference: list[str], **_: object) -> list[float | None]:
        seen.extend(reference)
        return [float(i % 2) for i in range(len(completions))]

    trainer = GRPOTrainer(
        str(tiny_llama),
        reward_funcs=reward,
        args=configured(GRPOConfig, settings | {"num_generations": 2, "max_completion_length": 4}),
        train_dataset=exported(tmp_path, "prompts"),
    )
    trainer.train()
    assert set(seen) == {"42"}


def test_a_token_classifier_learns_step_labels(tiny_llama: Path, settings: Settings) -> None:
    """TRL has no step-wise trainer any more: this is transformers' own."""
    from datasets import Dataset
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )

    graph = begun()
    first = step(graph, "a.0", graph.root)
    for i in range(2):
        ended(graph, f"f.{i}", 42, first, "finish")
    ended(graph, "e.0", 41, first, "step")
    rows = as_dataset(harvest([graph], credit=MonteCarloSteps(k=2)).steps())
    assert rows[0]["labels"] == [1, 0]
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    ids, labels = [], []
    for text, label in zip(rows[0]["completions"], rows[0]["labels"], strict=True):
        own = tokenizer(text)["input_ids"]
        ids += own
        labels += [-100] * (len(own) - 1) + [int(label)]
    trainer = Trainer(
        AutoModelForTokenClassification.from_pretrained(tiny_llama, num_labels=2),
        args=configured(TrainingArguments, settings),
        train_dataset=Dataset.from_list([{"input_ids": ids, "labels": labels}] * 2),
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    assert loss_of(trainer) > 0
