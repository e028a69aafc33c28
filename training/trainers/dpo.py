"""Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) by TRL's `DPOTrainer`.

-log sigmoid(beta [log pi/pi_ref(chosen) - log pi/pi_ref(rejected)]) on the tokens as they were
sampled. IPO and TRL's other losses are options. The reference is the weights that training begins
with: the base, or the adapter of `start`, such as the role's own after fine-tuning.

Departures: TRL always encodes texts again; here its preparation is skipped. TRL loads the reference
of full weights from the folder that the model names; here it is a copy of the weights that training
begins with. A filter leaves out pairs of which a reply surprises the policy more than nearly all
others do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cogitate.training.described import described
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.fit import OnStep, Trained, begin
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.pairs import Pair, encode_pairs, familiar
from cogitate.training.trainers.perplexity import perplexities
from cogitate.training.trainers.weights import (
    Start,
    load,
    load_policy,
    reference_of,
    tokenizer_of,
)

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel
    from trl.trainer.dpo_trainer import DPOTrainer

__all__ = ["DPOLoss", "DPOSettings", "train_dpo"]

DPOLoss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
"""TRL's names; `sigmoid` is DPO."""

_SMOOTHED = ("robust", "exo_pair")


class DPOSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=5e-5, epochs=1)
    adapter: Adapter = LoRA()
    beta: float = Field(default=0.2, gt=0)
    """How strongly the policy is held to the reference; of IPO its regularisation."""
    loss: DPOLoss | dict[DPOLoss, float] = "sigmoid"
    """One loss, or a weight for each of several."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """How many of the preferences are taken for wrong; `robust` and `exo_pair` need it."""
    perplexity_quantile: float | None = Field(default=None, gt=0, le=1)
    """0.95 leaves out pairs with a reply among the twentieth of all that surprises the policy most;
    None: all stay."""
    max_tokens: int = Field(default=1024, ge=2)
    """Pairs of which prompt and reply have more tokens are left out and counted."""

    @model_validator(mode="after")
    def _smooth(self) -> Self:
        if "exo_pair" in self.losses and self.label_smoothing == 0:
            raise ValueError("loss 'exo_pair' needs label_smoothing, such as 0.001")
        return self

    @property
    def losses(self) -> dict[DPOLoss, float]:
        """The weight of each loss."""
        return {self.loss: 1.0} if isinstance(self.loss, str) else self.loss


@described(
    "dpo",
    paper="Rafailov et al. 2023, arXiv:2305.18290",
    needs="`PreferenceRow`s: a better and a worse reply to one prompt",
    costs=(
        "passes of policy and reference over both replies; with full weights the reference is "
        "a second model in memory"
    ),
    pays="after supervised training of the same role, where siblings differ in worth",
)
def train_dpo(
    rows: Sequence[PreferenceRow],
    base: str,
    output: Path,
    settings: DPOSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on pairs of a better and a worse reply.

    Args:
        rows: The pairs.
        base: A model's name or its folder.
        output: The folder to make, replaced once training has ended well.
        settings: How to train.
        start: An adapter of the base to go on with; it is also the reference.
        on_step: For progress.

    Returns:
        What it came to; see `Pairs` for the counts.

    Raises:
        ConfigError: No pair is left, or weights that cannot be trained so.
    """
    settings = settings or DPOSettings()
    where = Start.at(base, start)
    how = settings.optimisation
    found = encode_pairs(rows, where, max_tokens=settings.max_tokens)
    if settings.perplexity_quantile is not None:
        policy = load_policy(where)
        found = familiar(
            found,
            lambda replies: perplexities(policy, replies, batch_size=how.batch_size),
            quantile=settings.perplexity_quantile,
        )
        del policy
    with begin(
        f"dpo-{settings.adapter.kind}",
        where,
        settings.adapter,
        settings,
        found.pairs,
        output,
        counts=found.counts,
        keep=how.save_steps is not None,
    ) as run:
        loaded = load(where, settings.adapter, steps=how.steps(len(found.pairs)), seed=how.seed)
        trainer = make_dpo(loaded.model, loaded.new, found.pairs, where, settings, run.work.trainer)
        return run.fit(trainer, on_step)


def make_dpo(
    model: "PreTrainedModel | PeftModel",
    new: "PeftConfig | None",
    pairs: Sequence[Pair],
    start: Start,
    settings: DPOSettings,
    folder: Path,
) -> "DPOTrainer":
    """Make the trainer; its reference is the model as it is in memory now.

    Args:
        model: The policy.
        new: The adapter to put on it.
        pairs: What to train on.
        start: Whose tokenizer.
        settings: How to train.
        folder: Where the trainer keeps its checkpoints.
    """
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Sampled(DPOTrainer):
        def _prepare_dataset(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, dataset: Dataset, *args: object
        ) -> Dataset:
            return dataset  # it holds ids already

    return Sampled(
        model=model,
        ref_model=None if new is not None else reference_of(model),
        args=arguments(
            DPOConfig,
            folder,
            settings.optimisation,
            beta=settings.beta,
            loss_type=list(settings.losses),
            loss_weights=list(settings.losses.values()),
            label_smoothing=settings.label_smoothing,
            max_length=None,
        ),
        train_dataset=Dataset.from_list([pair._asdict() for pair in pairs]),
        processing_class=tokenizer_of(start),
        peft_config=new,
    )
