"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv:2402.01306) by TRL's `KTOTrainer`.

Replies that are wanted or not, unpaired, on the tokens as they were sampled. The reference is the
weights that training begins with, as for DPO.

Departures: TRL's preparation, which encodes texts again, is skipped. The loss compares with the KL
to the reference, estimated on mismatched prompts and replies; as in TRL each reply is moved to the
next prompt of its batch, so the rows are shuffled once, by the seed, and keep that order.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import KTORow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.fit import OnStep, Trained, begin
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Loaded, Start, load, reference_of, tokenizer_of

if TYPE_CHECKING:
    from trl.trainer.kto_trainer import KTOTrainer

__all__ = ["KTOSettings", "train_kto"]


class KTOSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=5e-5, epochs=1)
    adapter: Adapter = LoRA()
    beta: float = Field(default=0.1, gt=0)
    loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    wanted_weight: float = Field(default=1.0, gt=0)
    unwanted_weight: float = Field(default=1.0, gt=0)
    """The paper sets the weights so that weight times number is about equal on both sides."""
    max_tokens: int = Field(default=1024, ge=2)
    """Rows of more tokens, prompt included, are left out and counted."""


class Judged(NamedTuple):
    """One row as the trainer takes it."""

    prompt_ids: list[int]
    completion_ids: list[int]
    KL_completion_ids: list[int]
    """The reply to another prompt of its batch."""
    label: bool


@described(
    "kto",
    paper="Ethayarajh et al. 2024, arXiv:2402.01306",
    needs="`KTORow`s: replies that are wanted or not, two or more prompts",
    costs="passes of policy and reference over each reply, and over it after another prompt",
    pays="where replies have no siblings to be compared with",
)
def train_kto(
    rows: Sequence[KTORow],
    base: str,
    output: Path,
    settings: KTOSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on replies that are wanted or not.

    Args:
        rows: The replies.
        base: A model's name or its folder.
        output: The folder to make, replaced once training has ended well.
        settings: How to train.
        start: An adapter of the base to go on with; it is also the reference.
        on_step: For progress.

    Returns:
        What it came to; `counts` are `wanted`, `reencoded`, `too_long`.

    Raises:
        ConfigError: No row is left, or batches of one row, which have no other prompt.
    """
    settings = settings or KTOSettings()
    where = Start.at(base, start)
    how = settings.optimisation
    judged, counts = encode_judged(rows, where, settings)
    with begin(
        f"kto-{settings.adapter.kind}",
        where,
        settings.adapter,
        settings,
        judged,
        output,
        counts=counts,
        keep=how.save_steps is not None,
    ) as run:
        loaded = load(where, settings.adapter, steps=how.steps(len(judged)), seed=how.seed)
        return run.fit(_make(loaded, judged, where, settings, run.work.trainer), on_step)


def encode_judged(
    rows: Sequence[KTORow], start: Start, settings: KTOSettings
) -> tuple[list[Judged], dict[str, int]]:
    """Return the tokens of rows in the order in which they are trained, and what was counted.

    Raises:
        ConfigError: See `train_kto`.
    """
    how = settings.optimisation
    if how.batch_size < 2:
        raise ConfigError(
            "KTO takes replies to other prompts of a batch: set batch_size to 2 or more"
        )
    coder = Coder(start.folder)
    found: list[tuple[list[int], list[int], bool]] = []
    for row in rows:
        prompt = list(coder.prompt(row, own=coder.owns(row.reply.source)))
        completion = list(coder.reply(row.reply))
        if len(prompt) + len(completion) <= settings.max_tokens:
            found.append((prompt, completion, row.wanted))
    if not found:
        raise ConfigError(
            f"no rows to train on: {len(rows)} were given, none of at most "
            f"max_tokens={settings.max_tokens}: harvest more, or raise it"
        )
    random.Random(how.seed).shuffle(found)
    judged = []
    for at in range(0, len(found), how.batch_size):
        batch = found[at : at + how.batch_size]
        judged += [
            Judged(prompt, completion, batch[i - 1][1], wanted)
            for i, (prompt, completion, wanted) in enumerate(batch)
        ]
    counts = {
        "wanted": sum(row.label for row in judged),
        "reencoded": coder.reencoded,
        "too_long": len(rows) - len(judged),
    }
    return judged, counts


def _make(
    loaded: Loaded, rows: Sequence[Judged], start: Start, settings: KTOSettings, folder: Path
) -> "KTOTrainer":
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    from datasets import Dataset
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    class Sampled(KTOTrainer):
        def _prepare_dataset(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, dataset: Dataset, *args: object
        ) -> Dataset:
            return dataset  # it holds ids already

    return Sampled(
        model=loaded.model,
        ref_model=None if loaded.new is not None else reference_of(loaded.model),
        args=arguments(
            KTOConfig,
            folder,
            settings.optimisation,
            beta=settings.beta,
            loss_type=settings.loss,
            desirable_weight=settings.wanted_weight,
            undesirable_weight=settings.unwanted_weight,
            max_length=None,
        ),
        train_dataset=Dataset.from_list([row._asdict() for row in rows]),
        processing_class=tokenizer_of(start),
        peft_config=loaded.new,
    )
