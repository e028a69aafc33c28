"""An outcome reward model: is the whole reply right (Cobbe et al. 2021, arXiv:2110.14168)?

Binary cross-entropy at the last token of the conversation. The paper predicts it at every token
and adds a language-modelling loss; both are left out here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import KTORow, StepRow
from cogitate.training.trainers.classifier import RewardSettings, classifier, padded
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import arguments
from cogitate.training.trainers.tokens import IGNORED, Coder
from cogitate.training.trainers.weights import Start, padding_of, tokenizer_of

if TYPE_CHECKING:
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutputWithPast

__all__ = ["OutcomeModelSettings", "binary_loss", "train_outcome_model"]


class OutcomeModelSettings(RewardSettings):
    """How to train."""


class Outcome(NamedTuple):
    """One conversation as the trainer takes it."""

    ids: list[int]
    label: float
    """How right it is, in [0, 1]."""


@described(
    "outcome-model",
    paper="Cobbe et al. 2021, arXiv:2110.14168",
    needs="`KTORow`s, or `StepRow`s with a grade: replies that are right or wrong",
    costs="a pass back and forth over each reply; saved as a whole model",
    pays=(
        "where a grader was there in training and is not when answering: for best-of-n and rewards"
    ),
)
def train_outcome_model(
    rows: Sequence[KTORow | StepRow],
    base: str,
    output: Path,
    settings: OutcomeModelSettings | None = None,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Train an outcome model on replies that are right or wrong.

    Args:
        rows: Replies that are wanted or not, or solutions in steps with a grade.
        base: A model's name or its folder.
        output: The folder to make: a whole model, for `cg.Verifier("hf/FOLDER")`.
        settings: How to train.
        on_step: For progress.

    Returns:
        What it came to; `counts` are `too_long`, `ungraded`, `empty` (without text) and `right`.

    Raises:
        ConfigError: No row is left.
    """
    settings = settings or OutcomeModelSettings()
    start = Start.at(base)
    outcomes, counts = _outcomes(rows, start, settings)
    with begin(
        f"outcome-model-{settings.adapter.kind}",
        start,
        settings.adapter,
        settings,
        outcomes,
        output,
        counts=counts,
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, outcomes, settings, on_step)


def binary_loss(
    logits: "torch.Tensor", labels: "torch.Tensor", items: "torch.Tensor | int | None"
) -> "torch.Tensor":
    """Return the mean binary cross-entropy of the labels that are not `IGNORED`.

    Args:
        logits: Of any shape.
        labels: In [0, 1], of the same shape.
        items: How many labels the whole step has, on all processes; None: those that are here.
    """
    import torch

    known = labels != IGNORED
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        logits.float()[known], labels[known], reduction="sum"
    )
    return losses / (known.sum() if items is None else items)


def _outcomes(
    rows: Sequence[KTORow | StepRow], start: Start, settings: OutcomeModelSettings
) -> tuple[list[Outcome], dict[str, int]]:
    from cogitate.inference.hf.reading import Reader  # imports transformers

    reader = Reader(Coder(start.folder).encoder, "outcome")
    outcomes: list[Outcome] = []
    counts = {"too_long": 0, "ungraded": 0, "empty": 0}
    for row in rows:
        text, label = _judged(row)
        if label is None or not text:
            counts["ungraded" if text else "empty"] += 1
            continue
        ids = list(reader.read(row.messages, [text]).ids)
        if len(ids) > settings.max_tokens:
            counts["too_long"] += 1
        else:
            outcomes.append(Outcome(ids, label))
    if not outcomes:
        raise ConfigError(f"no rows to train on: {len(rows)} were given, of which {counts}")
    return outcomes, {**counts, "right": sum(one.label > 0.5 for one in outcomes)}


def _judged(row: KTORow | StepRow) -> tuple[str, float | None]:
    match row:
        case KTORow():
            return row.prefix + row.reply.completion, float(row.wanted)
        case StepRow():
            return row.prefix + "".join(step.text for step in row.steps), row.grade


def _fit(
    run: Run,
    outcomes: Sequence[Outcome],
    settings: OutcomeModelSettings,
    on_step: OnStep | None,
) -> Trained:
    # Heavy libraries.
    import torch
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    def loss(
        output: "SequenceClassifierOutputWithPast",
        labels_B: torch.Tensor,
        num_items_in_batch: "torch.Tensor | int | None" = None,
    ) -> torch.Tensor:
        assert output.logits is not None
        return binary_loss(output.logits.squeeze(-1), labels_B, num_items_in_batch)

    tokenizer = tokenizer_of(run.start)
    pad = padding_of(tokenizer)
    model = classifier(run, len(outcomes))
    model.config.pad_token_id = pad
    trainer = Trainer(
        model=model,
        args=arguments(
            TrainingArguments, run.work.trainer, settings.optimisation, remove_unused_columns=False
        ),
        train_dataset=Dataset.from_list([outcome._asdict() for outcome in outcomes]),
        data_collator=lambda batch: {
            **padded([row["ids"] for row in batch], pad),
            "labels": torch.tensor([row["label"] for row in batch]),
        },
        processing_class=tokenizer,
        compute_loss_func=loss,
    )
    return run.fit(trainer, on_step)
