"""Supervised fine-tuning on verified replies, by TRL's `SFTTrainer`.

The loss is the mean negative log-probability of the completion's tokens, exactly as they were
sampled; the prompt carries no loss. It is also how a student learns from a teacher's rationales
(Hinton et al. 2015, arXiv:1503.02531, in the sequence form of Kim and Rush 2016, 1606.07947): rows
that another model wrote are encoded from their text, and counted.

Training begins with the base, or goes on with an adapter. Departures from TRL: batches of like
lengths are drawn from the seed and the epoch alone, so that a resumed run is the same run; and each
token weighs the same. TRL divides a batch's loss by the batch's own tokens. Where rows of like
lengths come together, a token of a short row would then weigh several times one of a long row. The
losses that are told stay those of the batches' own tokens. Left out here: packing.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.tokens import IGNORED, Labelled, encode
from cogitate.training.trainers.weights import Start, load, tokenizer_of
from cogitate.training.trainers.work import processes

__all__ = ["SFTSettings", "train_sft"]


class SFTSettings(BaseModel):
    """How to train. The defaults suit a few hundred short rows and a small model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation()
    adapter: Adapter = LoRA()
    max_tokens: int = Field(default=1024, ge=2)
    """Rows of more tokens, prompt included, are left out and counted."""

    def steps(self, rows: int) -> int:
        """The steps that training on so many rows takes."""
        return self.optimisation.steps(rows)


@described(
    "sft",
    paper=(
        "from a teacher: Hinton et al. 2015, arXiv:1503.02531; Kim and Rush 2016, arXiv:1606.07947"
    ),
    needs="`SFTRow`s: replies worth imitating",
    costs="a pass back and forth over each row and epoch",
    pays=(
        "to begin with: for a format, and where right replies are at hand; it learns nothing "
        "from wrong ones"
    ),
)
def train_sft(
    rows: Sequence[SFTRow],
    base: str,
    output: Path,
    settings: SFTSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on replies that are worth imitating.

    Args:
        rows: What to imitate.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The folder to make; what is there is replaced once training has ended well. Each
            role's adapter of one base has a folder of its own.
        settings: How to train.
        start: An adapter of the base to go on with, instead of a new one.
        on_step: For progress.

    Returns:
        What it came to; `counts` are `reencoded` (completions encoded from their text) and
        `too_long` (rows left out because of `max_tokens`).

    Raises:
        ConfigError: No rows, rows without a prompt, or no such model.
    """
    settings = settings or SFTSettings()
    where = Start.at(base, start)
    encoded, reencoded = encode(rows, where.folder)
    kept = [row for row in encoded if len(row.input_ids) <= settings.max_tokens]
    if not kept:
        raise ConfigError(
            f"no rows to train on: {len(rows)} were given, {len(encoded)} of them longer than "
            f"max_tokens={settings.max_tokens}: harvest more, or raise it"
        )
    with begin(
        f"sft-{settings.adapter.kind}",
        where,
        settings.adapter,
        settings,
        kept,
        output,
        counts={"reencoded": reencoded, "too_long": len(encoded) - len(kept)},
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, kept, settings, on_step)


def _fit(
    run: Run, rows: Sequence[Labelled], settings: SFTSettings, on_step: OnStep | None
) -> Trained:
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    import torch
    from datasets import Dataset
    from torch.utils.data import Sampler
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from cogitate.training.trainers.order import ByLength

    how = settings.optimisation
    lengths = [len(row.input_ids) for row in rows]
    imitated = sum(label != IGNORED for row in rows for label in row.labels)

    class InOrder(SFTTrainer):
        _weight = 1.0

        def _get_train_sampler(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, train_dataset: Dataset | None = None
        ) -> Sampler[int]:
            return ByLength(lengths, self._rows_of_a_step(), seed=how.seed)

        def _rows_of_a_step(self) -> int:
            a_pass: int = self.args.train_batch_size
            return a_pass * how.accumulate * processes()

        def _get_num_items_in_batch(
            self, batch_samples: list[dict[str, torch.Tensor]], device: torch.device
        ) -> torch.Tensor | None:
            own = super()._get_num_items_in_batch(batch_samples, device)
            if not isinstance(own, torch.Tensor):
                return None
            usual = imitated / len(rows) * self._rows_of_a_step()
            self._weight = usual / float(own.max())
            return torch.full_like(own, usual, dtype=torch.float)

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                logs["loss"] *= self._weight
            super().log(logs, start_time)

    loaded = load(run.start, run.adapter, steps=how.steps(len(rows)), seed=how.seed)
    trainer = InOrder(
        model=loaded.together(),
        args=arguments(
            SFTConfig,
            run.work.trainer,
            how,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
        ),
        train_dataset=Dataset.from_list([row._asdict() for row in rows]),
        processing_class=tokenizer_of(run.start),
    )
    return run.fit(trainer, on_step)
