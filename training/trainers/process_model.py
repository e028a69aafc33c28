"""A process reward model: is each step right (Lightman et al. 2023, arXiv:2305.20050)?

Binary cross-entropy at the last token of each step, with labels in [0, 1]: a person's, or the part
of roll-outs from there that ended right (Wang et al. 2023, 2312.08935). Steps without a label
carry no loss. The head rates tokens and has one label, so soft labels need no classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import StepRow
from cogitate.training.trainers.classifier import RewardSettings, classifier, padded
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import arguments
from cogitate.training.trainers.outcome_model import binary_loss
from cogitate.training.trainers.tokens import IGNORED, Coder
from cogitate.training.trainers.weights import Start, padding_of, tokenizer_of

if TYPE_CHECKING:
    import torch
    from transformers.modeling_outputs import TokenClassifierOutput

__all__ = ["ProcessModelSettings", "train_process_model"]


class ProcessModelSettings(RewardSettings):
    """How to train."""


class Steps(NamedTuple):
    """One solution as the trainer takes it; both lists are of one length."""

    ids: list[int]
    labels: list[float]
    """At the last token of each step that has one; `IGNORED` elsewhere."""


@described(
    "process-model",
    paper=(
        "Lightman et al. 2023, arXiv:2305.20050; labels by roll-outs: Wang et al. 2023, "
        "arXiv:2312.08935"
    ),
    needs="`StepRow`s with labels of steps",
    costs="a pass back and forth over each solution; its labels cost k roll-outs a step",
    pays="for searches over steps, and for advantages by step",
)
def train_process_model(
    rows: Sequence[StepRow],
    base: str,
    output: Path,
    settings: ProcessModelSettings | None = None,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Train a process model on solutions in steps.

    Args:
        rows: The solutions.
        base: A model's name or its folder.
        output: The folder to make: a whole model, for `cg.Verifier("hf/FOLDER")`.
        settings: How to train.
        on_step: For progress.

    Returns:
        What it came to; `counts` are `too_long`, `unlabelled` (rows without any label) and `steps`
        (labelled ones).

    Raises:
        ConfigError: No row is left.
    """
    settings = settings or ProcessModelSettings()
    start = Start.at(base)
    solutions, counts = _solutions(rows, start, settings)
    with begin(
        f"process-model-{settings.adapter.kind}",
        start,
        settings.adapter,
        settings,
        solutions,
        output,
        counts=counts,
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, solutions, settings, on_step)


def _solutions(
    rows: Sequence[StepRow], start: Start, settings: ProcessModelSettings
) -> tuple[list[Steps], dict[str, int]]:
    from cogitate.inference.hf.reading import Reader  # imports transformers

    reader = Reader(Coder(start.folder).encoder, "process")
    solutions: list[Steps] = []
    counts = {"too_long": 0, "unlabelled": 0, "steps": 0}
    for row in rows:
        begun = [(row.prefix, None)] if row.prefix else []
        steps = [*begun, *((step.text, step.label) for step in row.steps if step.text)]
        known = sum(label is not None for _, label in steps)
        if not known:
            counts["unlabelled"] += 1
            continue
        reading = reader.read(row.messages, [text for text, _ in steps])
        if len(reading.ids) > settings.max_tokens:
            counts["too_long"] += 1
            continue
        labels = [float(IGNORED)] * len(reading.ids)
        for end, (_, label) in zip(reading.ends, steps, strict=True):
            if label is not None:
                labels[end] = label
        solutions.append(Steps(list(reading.ids), labels))
        counts["steps"] += known
    if not solutions:
        raise ConfigError(f"no rows to train on: {len(rows)} were given, of which {counts}")
    return solutions, counts


def _fit(
    run: Run, solutions: Sequence[Steps], settings: ProcessModelSettings, on_step: OnStep | None
) -> Trained:
    # Heavy libraries.
    import torch
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    def loss(
        output: "TokenClassifierOutput",
        labels_BT: torch.Tensor,
        num_items_in_batch: "torch.Tensor | int | None" = None,
    ) -> torch.Tensor:
        assert output.logits is not None
        return binary_loss(output.logits.squeeze(-1), labels_BT, num_items_in_batch)

    def collate(batch: Sequence[dict[str, list[float]]]) -> dict[str, torch.Tensor]:
        inputs = padded([[int(i) for i in row["ids"]] for row in batch], pad)
        labels_BT = torch.full(inputs["input_ids"].shape, float(IGNORED))
        for i, row in enumerate(batch):
            labels_BT[i, : len(row["labels"])] = torch.tensor(row["labels"])
        return {**inputs, "labels": labels_BT}

    tokenizer = tokenizer_of(run.start)
    pad = padding_of(tokenizer)
    trainer = Trainer(
        model=classifier(run, len(solutions), tokens=True),
        args=arguments(
            TrainingArguments, run.work.trainer, settings.optimisation, remove_unused_columns=False
        ),
        train_dataset=Dataset.from_list([solution._asdict() for solution in solutions]),
        data_collator=collate,
        processing_class=tokenizer,
        compute_loss_func=loss,
    )
    return run.fit(trainer, on_step)
