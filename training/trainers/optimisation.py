"""How weights are moved: what every trainer has in common, as one small record."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cogitate.training.trainers.reporters import PROJECT, check_reporters

__all__ = ["Optimisation", "arguments"]

A = TypeVar("A")


class Optimisation(BaseModel):
    """Steps of AdamW. The defaults suit a few hundred short rows and an adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=5e-4, gt=0)
    """The highest. About 5e-4 suits an adapter, 1e-5 full weights."""
    epochs: float = Field(default=3, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Ends training after so many steps, whatever `epochs` says."""
    batch_size: int = Field(default=8, ge=1)
    """Rows of one forward pass, on each process."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes of one step."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """The part of all steps in which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """How it goes on after that."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Literal["float32", "bfloat16"] | None = None
    """Of the passes through the model; the trained weights are float32 in any case. None: bfloat16
    on a GPU, and float32 elsewhere. Processors that multiply bfloat16 save a third of the time."""
    checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory."""
    save_steps: int | None = Field(default=None, ge=1)
    """Keep all that a killed run needs to go on, after so many steps each; None: nothing."""
    report_to: tuple[str, ...] = ()
    """Where metrics go as they come; see `trainers.reporters`."""
    seed: int = 0

    def steps(self, rows: int, *, processes: int = 1) -> int:
        """The steps that training on so many rows takes."""
        if self.max_steps is not None:
            return self.max_steps
        batches = math.ceil(rows / (self.batch_size * processes))
        return math.ceil(math.ceil(batches / self.accumulate) * self.epochs)


def arguments(make: Callable[..., A], folder: Path, how: Optimisation, **own: object) -> A:
    """Make the configuration of a transformers or TRL trainer.

    Args:
        make: Its class.
        folder: Where the trainer keeps its own checkpoints.
        how: What all trainers have in common.
        own: What this one has besides.
    """
    import torch

    check_reporters(how.report_to)
    on_gpu = torch.cuda.is_available()
    shared: dict[str, object] = {
        "output_dir": str(folder),
        "num_train_epochs": how.epochs,
        "max_steps": how.max_steps or -1,
        "learning_rate": how.learning_rate,
        "warmup_steps": how.warmup,
        "lr_scheduler_type": how.schedule,
        "weight_decay": how.weight_decay,
        "max_grad_norm": how.max_grad_norm,
        "per_device_train_batch_size": how.batch_size,
        "gradient_accumulation_steps": how.accumulate,
        "gradient_checkpointing": how.checkpointing,
        "seed": how.seed,
        "data_seed": how.seed,
        "logging_steps": 1,
        "save_strategy": "no" if how.save_steps is None else "steps",
        "save_steps": how.save_steps or 1,
        "save_total_limit": 1,
        "project": PROJECT,
        "run_name": folder.parent.name.removeprefix(".").removesuffix(".unfinished"),
        "report_to": list(how.report_to) or "none",
        "disable_tqdm": True,
        "use_cpu": not on_gpu,
        "bf16": on_gpu if how.precision is None else how.precision == "bfloat16",
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": on_gpu,
    }
    return make(**{**shared, **own})
