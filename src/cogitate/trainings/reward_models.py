"""Reward models from rows: what a verifier rates with, saved whole."""

from pathlib import Path

from cogitate.training.rows import KTORow, PreferenceRow, RankedRow, StepRow
from cogitate.training.trainers import (
    OutcomeModelSettings,
    ProcessModelSettings,
    RankingModelSettings,
    RewardModelSettings,
    Trained,
    train_outcome_model,
    train_process_model,
    train_ranking_model,
    train_reward_model,
)
from cogitate.training.trainers.fit import OnStep
from cogitate.trainings.on_rows import OnRows
from cogitate.trainings.told import of_kind

__all__ = ["OutcomeModel", "ProcessModel", "RankingModel", "RewardModel"]


class RewardModel(OnRows):
    """Pairs, after Bradley and Terry."""

    method = "reward-model"
    settings: RewardModelSettings = RewardModelSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows = of_kind(self.rows, PreferenceRow)
        return train_reward_model(rows, self.base, output, self.settings, on_step=on_step)


class RankingModel(OnRows):
    """Rankings, after Plackett and Luce."""

    method = "ranking-model"
    settings: RankingModelSettings = RankingModelSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows = of_kind(self.rows, RankedRow)
        return train_ranking_model(rows, self.base, output, self.settings, on_step=on_step)


class OutcomeModel(OnRows):
    """Replies that are wanted or not, or solutions with a grade."""

    method = "outcome-model"
    settings: OutcomeModelSettings = OutcomeModelSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows: list[KTORow | StepRow] = of_kind(self.rows, KTORow, StepRow)
        return train_outcome_model(rows, self.base, output, self.settings, on_step=on_step)


class ProcessModel(OnRows):
    """Steps with labels."""

    method = "process-model"
    settings: ProcessModelSettings = ProcessModelSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows = of_kind(self.rows, StepRow)
        return train_process_model(rows, self.base, output, self.settings, on_step=on_step)
