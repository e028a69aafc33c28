"""Supervised fine-tuning of a LoRA adapter on verified replies, by TRL's `SFTTrainer`.

The loss is the mean negative log-probability of the completion's tokens, exactly as they were
sampled; the prompt carries no loss. Training always begins with the base model, never with another
adapter. Left out here: full weights, other adapters, packing, and resuming in the middle.
"""

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import ConfigError
from cogitate.inference.hf.locate import fetch, fingerprint
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.dataset import SFTRow
from cogitate.training.trainers.tokens import Labelled, encode

if TYPE_CHECKING:
    from transformers import TrainerCallback

__all__ = ["SFTSettings", "Trained", "train_sft"]

_LIBRARIES = ("cogitate", "torch", "transformers", "trl", "peft")


class SFTSettings(BaseModel):
    """How to train. The defaults suit a few hundred short rows and a small model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=32, ge=1)
    """Of the adapter's matrices, which are put on every linear layer; its scale is 2 x rank."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """The highest: a tenth of the steps lead up to it, then it falls along a cosine."""
    epochs: float = Field(default=3, gt=0)
    batch_size: int = Field(default=8, ge=1)
    """Rows in one step."""
    max_tokens: int = Field(default=1024, ge=2)
    """Rows of more tokens, prompt included, are left out and counted."""
    seed: int = 0

    def steps(self, rows: int) -> int:
        """The steps that training on so many rows takes."""
        return math.ceil(math.ceil(rows / self.batch_size) * self.epochs)


class Trained(NamedTuple):
    """What training came to."""

    adapter: Path
    """A PEFT folder: give it as `adapter=` to an agent or a team."""
    losses: list[float]
    """Mean loss per completion token, one for each step."""
    steps: int
    seconds: float
    rows: int
    reencoded: int
    """Rows whose completion was encoded from its text: it has no ids, or other weights' ids."""
    too_long: int
    """Rows left out because of `max_tokens`."""


def train_sft(
    rows: Sequence[SFTRow],
    base: str,
    output: Path,
    settings: SFTSettings | None = None,
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train a LoRA adapter of a base model on rows.

    Args:
        rows: What to imitate.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The adapter's folder; what is there is replaced once training has ended well.
        settings: How to train.
        on_step: Called with the steps done and the steps in all: for progress.

    Raises:
        ConfigError: No rows, rows without a prompt, or no such model.
    """
    settings = settings or SFTSettings()
    folder = fetch(base.removeprefix("hf/"))
    encoded, reencoded = encode(rows, folder)
    kept = [row for row in encoded if len(row.input_ids) <= settings.max_tokens]
    if not kept:
        raise ConfigError(
            f"no rows to train on: {len(rows)} were given, {len(encoded)} of them longer than "
            f"max_tokens={settings.max_tokens}: harvest more, or raise it"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sft-", dir=output.parent) as work:
        finished = Path(work) / "adapter"
        losses, seconds = _fit(kept, folder, finished, settings, on_step)
        Checkpoint(
            parent=base,
            parent_revision=fingerprint(folder),
            method="sft-lora",
            settings=settings.model_dump(),
            rows=len(kept),
            data_hash=_hash(kept),
            metrics={"first_loss": losses[0], "last_loss": losses[-1], "seconds": seconds},
            libraries={name: version(name) for name in _LIBRARIES},
        ).save(finished)
        if output.exists():
            shutil.rmtree(output)
        finished.rename(output)
    return Trained(
        output, losses, len(losses), seconds, len(kept), reencoded, len(encoded) - len(kept)
    )


def _fit(
    rows: Sequence[Labelled],
    folder: Path,
    output: Path,
    settings: SFTSettings,
    on_step: Callable[[int, int], None] | None,
) -> tuple[list[float], float]:
    """Train, save the adapter, and return the loss of each step and the seconds it took."""
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    on_gpu = torch.cuda.is_available()
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    torch.manual_seed(settings.seed)  # the adapter begins with random numbers
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, lora)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(output.with_name("trainer")),
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            warmup_steps=0.1,
            lr_scheduler_type="cosine",
            per_device_train_batch_size=settings.batch_size,
            train_sampling_strategy="group_by_length",
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            seed=settings.seed,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not on_gpu,
            bf16=on_gpu,
            dataloader_pin_memory=on_gpu,
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list([row._asdict() for row in rows]),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.remove_callback(PrinterCallback)
    if on_step is not None:
        trainer.add_callback(_watcher(on_step))
    outcome = trainer.train()
    model.save_pretrained(str(output))
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return losses, float(outcome.metrics["train_runtime"])


def _watcher(on_step: Callable[[int, int], None]) -> "TrainerCallback":
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Watcher(TrainerCallback):
        def on_step_end(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            **kwargs: object,
        ) -> None:
            on_step(state.global_step, state.max_steps)

    return Watcher()


def _hash(rows: Sequence[Labelled]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
