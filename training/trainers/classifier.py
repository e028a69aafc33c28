"""What the trainers of reward models share: settings, padding, and the model with a new head.

A reward model reads in training just what it will read as a verifier (`inference/hf/reading.py`):
the text is encoded the same way, so sampled ids play no part. It has one label, whose logit's
sigmoid is the score, and is saved whole: an engine rates with `hf/FOLDER`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from cogitate.training.trainers.adapters import FullWeights, LoRA
from cogitate.training.trainers.fit import Run
from cogitate.training.trainers.optimisation import Optimisation
from cogitate.training.trainers.weights import load

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

__all__ = ["RewardSettings", "classifier", "padded"]


class RewardSettings(BaseModel):
    """How to train a reward model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=1e-4, epochs=1)
    adapter: FullWeights | LoRA = Field(default=LoRA(), discriminator="kind")
    """An adapter is merged at the end."""
    max_tokens: int = Field(default=1024, ge=2)
    """Rows with a conversation of more tokens are left out and counted."""


def classifier(run: Run, rows: int, *, tokens: bool = False) -> "PreTrainedModel | PeftModel":
    """Load the base with a new head.

    Args:
        run: The training.
        rows: How many are trained on.
        tokens: The head rates every token, instead of the conversation at its last.
    """
    settings = run.settings
    assert isinstance(settings, RewardSettings)
    how = settings.optimisation
    loaded = load(
        run.start,
        run.adapter,
        steps=how.steps(rows),
        seed=how.seed,
        task="TOKEN_CLS" if tokens else "SEQ_CLS",
    )
    return loaded.together()


def padded(rows: Sequence[Sequence[int]], pad: int) -> "dict[str, torch.Tensor]":
    """Return token ids and their mask, both (B, T), padded on the right."""
    import torch

    longest = max(len(row) for row in rows)
    return {
        "input_ids": torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows]),
        "attention_mask": torch.tensor(
            [[*[1] * len(row), *[0] * (longest - len(row))] for row in rows]
        ),
    }
