"""A reward model from pairs (Bradley and Terry 1952), by TRL's `RewardTrainer`.

-log sigmoid(r(chosen) - r(rejected) - margin). The margin (Touvron et al. 2023, arXiv:2307.09288)
is what the chosen reply is worth more than the other, times a factor; the paper's are discrete.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.classifier import RewardSettings, classifier
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import arguments
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Start, tokenizer_of

__all__ = ["RewardModelSettings", "train_reward_model"]


class RewardModelSettings(RewardSettings):
    """How to train."""

    margin: float = Field(default=0.0, ge=0)
    """Times the difference of the two replies' values; 0: no margin."""
    centre: float | None = Field(default=None, ge=0)
    """The weight of the squared sum of both rewards, which keeps them around 0."""


class Rated(NamedTuple):
    """One pair as the trainer takes it."""

    chosen_ids: list[int]
    rejected_ids: list[int]
    margin: float


@described(
    "reward-model",
    paper="Bradley and Terry 1952; margin: Touvron et al. 2023, arXiv:2307.09288",
    needs="`PreferenceRow`s: a better and a worse reply to one prompt",
    costs="a pass back and forth over both replies; saved as a whole model",
    pays="where replies are known to be better or worse, not right or wrong",
)
def train_reward_model(
    rows: Sequence[PreferenceRow],
    base: str,
    output: Path,
    settings: RewardModelSettings | None = None,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Train an outcome model on pairs of a better and a worse reply.

    Args:
        rows: The pairs.
        base: A model's name or its folder.
        output: The folder to make: a whole model, for `cg.Verifier("hf/FOLDER")`.
        settings: How to train.
        on_step: For progress.

    Raises:
        ConfigError: No pair is left.
    """
    settings = settings or RewardModelSettings()
    start = Start.at(base)
    pairs, counts = _pairs(rows, start, settings)
    with begin(
        f"reward-model-{settings.adapter.kind}",
        start,
        settings.adapter,
        settings,
        pairs,
        output,
        counts=counts,
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, pairs, settings, on_step)


def _pairs(
    rows: Sequence[PreferenceRow], start: Start, settings: RewardModelSettings
) -> tuple[list[Rated], dict[str, int]]:
    from cogitate.inference.hf.reading import Reader  # imports transformers

    reader, pairs = Reader(Coder(start.folder).encoder, "outcome"), []
    counts = {"too_long": 0, "empty": 0}
    for row in rows:
        if not (row.chosen.completion and row.rejected.completion):
            counts["empty"] += 1
            continue
        better, worse = (
            list(reader.read(row.messages, [row.prefix + reply.completion]).ids)
            for reply in (row.chosen, row.rejected)
        )
        if max(len(better), len(worse)) > settings.max_tokens:
            counts["too_long"] += 1
        else:
            margin = settings.margin * (row.chosen.value - row.rejected.value)
            pairs.append(Rated(better, worse, margin))
    if not pairs:
        raise ConfigError(f"no pairs to train on: {len(rows)} were given, of which {counts}")
    return pairs, counts


def _fit(
    run: Run, pairs: Sequence[Rated], settings: RewardModelSettings, on_step: OnStep | None
) -> Trained:
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    tokenizer = tokenizer_of(run.start)
    model = classifier(run, len(pairs))
    model.config.pad_token_id = tokenizer.pad_token_id
    trainer = RewardTrainer(
        model=model,
        args=arguments(
            RewardConfig,
            run.work.trainer,
            settings.optimisation,
            max_length=None,
            center_rewards_coefficient=settings.centre,
        ),
        train_dataset=Dataset.from_list([pair._asdict() for pair in pairs]),
        processing_class=tokenizer,
    )
    return run.fit(trainer, on_step)
