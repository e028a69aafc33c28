"""What a loop asks of trainers, and what it keeps of what they say."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.errors import DataError
from cogitate.training.rewards.hacking import HackingReport, hacking_signs
from cogitate.training.rows import PreferenceRow, SFTRow
from cogitate.training.trainers.dpo import DPOSettings
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.sft import SFTSettings

__all__ = ["Learned", "TrainDPO", "TrainSFT"]


class TrainSFT(Protocol):
    """Trains on replies, as `train_sft` does."""

    def __call__(
        self,
        rows: Sequence[SFTRow],
        base: str,
        output: Path,
        settings: SFTSettings | None = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`."""
        ...


class TrainDPO(Protocol):
    """Trains on pairs, as `train_dpo` does."""

    def __call__(
        self,
        rows: Sequence[PreferenceRow],
        base: str,
        output: Path,
        settings: DPOSettings | None = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`."""
        ...


class Learned(BaseModel):
    """What one training came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """That were trained on."""
    losses: tuple[FiniteFloat, ...]
    counts: dict[str, int]
    """What became of the other rows."""
    metrics: dict[str, FiniteFloat]
    """Of the last step, by the trainer's own names."""
    signs: HackingReport | None = None
    """Of reinforcement learning: whether the reward was learned instead of the task."""

    @property
    def warning(self) -> str:
        """A line for each sign."""
        return "".join(f"\n{sign}" for sign in self.signs.signs) if self.signs else ""

    @classmethod
    def of(cls, trained: Trained, *, outcome_weight: float = 1.0) -> Self:
        """Keep what a trainer said.

        Args:
            trained: What it said.
            outcome_weight: See `hacking_signs`.

        Raises:
            DataError: The loss was no number any more.
        """
        if not all(map(math.isfinite, trained.losses)):
            raise DataError(
                f"{trained.folder}: the loss became infinite or no number: lower the learning rate"
            )
        return cls(
            rows=trained.rows,
            losses=tuple(trained.losses),
            counts=dict(trained.counts),
            metrics={name: one for name, one in trained.metrics.items() if math.isfinite(one)},
            signs=hacking_signs(trained.history, outcome_weight=outcome_weight),
        )
