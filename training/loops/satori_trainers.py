"""Who trains in Satori: tokens, format, outcome model, policy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from cogitate.training.coat_tokens import add_coat_tokens, tune_format
from cogitate.training.loops.reinforce import Reinforce, reinforce
from cogitate.training.rows import PreferenceRow, SFTRow
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.reward_model import RewardModelSettings, train_reward_model
from cogitate.training.trainers.sft import SFTSettings

__all__ = ["SatoriTrainers", "TrainFormat", "TrainReward"]


class TrainFormat(Protocol):
    """Tunes the format, as `tune_format` does."""

    def __call__(
        self,
        rows: list[SFTRow],
        base: str,
        output: Path,
        settings: SFTSettings | None = None,
        *,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`, a whole model."""
        ...


class TrainReward(Protocol):
    """Trains an outcome model, as `train_reward_model` does."""

    def __call__(
        self,
        rows: Sequence[PreferenceRow],
        base: str,
        output: Path,
        settings: RewardModelSettings | None = None,
        *,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`, a whole model."""
        ...


class SatoriTrainers(NamedTuple):
    """Who trains: those of this package by default."""

    tokens: Callable[[str, Path], Path] = add_coat_tokens
    form: TrainFormat = tune_format
    reward: TrainReward = train_reward_model
    policy: Reinforce = reinforce
