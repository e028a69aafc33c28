"""A reward model from rankings, by the Plackett-Luce loss (see `plackett_luce`).

Ours, on transformers' `Trainer`: no library keeps one. All replies of a ranking are in one batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import RankedRow
from cogitate.training.trainers.classifier import RewardSettings, classifier, padded
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import arguments
from cogitate.training.trainers.plackett_luce import orders, plackett_luce
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Start, padding_of, tokenizer_of

if TYPE_CHECKING:
    import torch

__all__ = ["RankingModelSettings", "train_ranking_model"]


class RankingModelSettings(RewardSettings):
    """How to train; `batch_size` counts rankings."""


class Ranking(NamedTuple):
    """One ranking as the trainer takes it."""

    replies: list[list[int]]
    """The conversation with each reply."""
    ranks: list[int | None]


@described(
    "ranking-model",
    paper="Plackett 1975; Luce 1959",
    needs="`RankedRow`s: several replies to one prompt and their values",
    costs="a pass back and forth over all replies of a row, in one batch; saved as a whole model",
    pays="where more than two replies are ranked: all of the order is used",
)
def train_ranking_model(
    rows: Sequence[RankedRow],
    base: str,
    output: Path,
    settings: RankingModelSettings | None = None,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Train an outcome model on rankings, full or partial.

    Args:
        rows: The rankings.
        base: A model's name or its folder.
        output: The folder to make: a whole model, for `cg.Verifier("hf/FOLDER")`.
        settings: How to train.
        on_step: For progress.

    Returns:
        What it came to; `counts` are `too_long`, `unordered` (no reply is above another) and
        `empty` (a reply says nothing).

    Raises:
        ConfigError: No ranking is left.
    """
    settings = settings or RankingModelSettings()
    start = Start.at(base)
    rankings, counts = _rankings(rows, start, settings)
    with begin(
        f"ranking-model-{settings.adapter.kind}",
        start,
        settings.adapter,
        settings,
        rankings,
        output,
        counts=counts,
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, rankings, settings, on_step)


def _rankings(
    rows: Sequence[RankedRow], start: Start, settings: RankingModelSettings
) -> tuple[list[Ranking], dict[str, int]]:
    from cogitate.inference.hf.reading import Reader  # imports transformers

    reader = Reader(Coder(start.folder).encoder, "outcome")
    rankings: list[Ranking] = []
    counts = {"too_long": 0, "unordered": 0, "empty": 0}
    for row in rows:
        if not orders(row.ranks):
            counts["unordered"] += 1
            continue
        if not all(reply.completion for reply in row.replies):
            counts["empty"] += 1
            continue
        replies = [
            list(reader.read(row.messages, [row.prefix + reply.completion]).ids)
            for reply in row.replies
        ]
        if max(map(len, replies)) > settings.max_tokens:
            counts["too_long"] += 1
        else:
            rankings.append(Ranking(replies, list(row.ranks)))
    if not rankings:
        raise ConfigError(f"no rankings to train on: {len(rows)} were given, of which {counts}")
    return rankings, counts


def _fit(
    run: Run,
    rankings: Sequence[Ranking],
    settings: RankingModelSettings,
    on_step: OnStep | None,
) -> Trained:
    # Heavy libraries.
    import torch
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    class Ranked(Trainer):
        def compute_loss(
            self,
            model: torch.nn.Module,
            inputs: "dict[str, Any]",  # as transformers has it: tensors, and the ranks
            return_outputs: bool = False,
            num_items_in_batch: "torch.Tensor | int | None" = None,
        ) -> torch.Tensor:
            ranks: list[list[int | None]] = inputs.pop("ranks")
            rewards_N = model(**inputs).logits.float().squeeze(-1)
            sizes = [len(one) for one in ranks]
            losses = map(plackett_luce, rewards_N.split(sizes), ranks)
            return torch.stack(list(losses)).mean()

    tokenizer = tokenizer_of(run.start)
    pad = padding_of(tokenizer)
    model = classifier(run, len(rankings))
    model.config.pad_token_id = pad
    trainer = Ranked(
        model=model,
        args=arguments(
            TrainingArguments, run.work.trainer, settings.optimisation, remove_unused_columns=False
        ),
        train_dataset=Dataset.from_list([ranking._asdict() for ranking in rankings]),
        data_collator=lambda batch: {
            **padded([ids for row in batch for ids in row["replies"]], pad),
            "ranks": [row["ranks"] for row in batch],
        },
        processing_class=tokenizer,
    )
    return run.fit(trainer, on_step)
