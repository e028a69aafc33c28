"""Trainings on rows: a policy's weights from what `cogitate harvest` wrote.

base = "hf/smollm2-135m"              # cogitate train sft run.toml
rows = "rows"                         # what `cogitate harvest` wrote; or a list of these
output = "runs/sft"

[settings]                            # of the method, such as cogitate.training.SFTSettings
optimisation = {epochs = 1}
"""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.rows import KTORow, PreferenceRow, SFTRow
from cogitate.training.trainers import (
    DPOSettings,
    KTOSettings,
    ORPOSettings,
    SFTSettings,
    Trained,
    train_dpo,
    train_kto,
    train_orpo,
    train_sft,
)
from cogitate.training.trainers.fit import OnStep
from cogitate.trainings.once import Once
from cogitate.trainings.results import of_trained
from cogitate.trainings.told import Base, Reported, RowFiles, Told, of_kind, start_of

__all__ = ["DPO", "KTO", "ORPO", "SFT", "OnRows"]


class OnRows(Told):
    """Rows in, weights out."""

    base: Base
    rows: RowFiles

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        """Train once."""
        done, on_step = Once.of(self), of_steps(progress, self.method)
        trained = done.kept or done.keep(self.train(Path(self.output), on_step))
        yield of_trained(trained, done.kept is not None)

    @abstractmethod
    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""


class _GoesOn(OnRows):
    start: str | None = None
    """An adapter of the base to go on with."""


class SFT(_GoesOn):
    """Imitation."""

    method = "sft"
    settings: SFTSettings = SFTSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows, start = of_kind(self.rows, SFTRow), start_of(self.start)
        return train_sft(rows, self.base, output, self.settings, start=start, on_step=on_step)


class DPO(_GoesOn):
    """Pairs, with a reference."""

    method = "dpo"
    settings: DPOSettings = DPOSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows, start = of_kind(self.rows, PreferenceRow), start_of(self.start)
        return train_dpo(rows, self.base, output, self.settings, start=start, on_step=on_step)


class ORPO(_GoesOn):
    """Pairs, without a reference."""

    method = "orpo"
    settings: ORPOSettings = ORPOSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows, start = of_kind(self.rows, PreferenceRow), start_of(self.start)
        return train_orpo(rows, self.base, output, self.settings, start=start, on_step=on_step)


class KTO(_GoesOn):
    """Replies that are wanted or not."""

    method = "kto"
    settings: KTOSettings = KTOSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows, start = of_kind(self.rows, KTORow), start_of(self.start)
        return train_kto(rows, self.base, output, self.settings, start=start, on_step=on_step)
