"""Odds-ratio preference optimisation (Hong et al. 2024, arXiv:2403.07691) by TRL's `ORPOTrainer`.

NLL(chosen) + weight (-log sigmoid(log odds(chosen) - log odds(rejected))), odds = p / (1 - p), with
p the geometric mean of a reply's token probabilities. There is no reference.

Departures: TRL encodes texts again, here the tokens are those that were sampled; TRL's NLL counts
the prompt's tokens, here, as in the paper's formula, those of the reply alone. TRL keeps this
trainer among its experiments.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel, ConfigDict, Field

from cogitate.training.described import described
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.pairs import Pair, encode_pairs
from cogitate.training.trainers.tokens import IGNORED
from cogitate.training.trainers.weights import Start, load, tokenizer_of

if TYPE_CHECKING:
    import torch

__all__ = ["ORPOSettings", "train_orpo"]


class ORPOSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=5e-5, epochs=1)
    adapter: Adapter = LoRA()
    weight: float = Field(default=0.1, gt=0)
    """Of the odds ratio, the paper's lambda."""
    max_tokens: int = Field(default=1024, ge=2)
    """Pairs of which prompt and reply have more tokens are left out and counted."""


@described(
    "orpo",
    paper="Hong et al. 2024, arXiv:2403.07691",
    needs="`PreferenceRow`s: a better and a worse reply to one prompt",
    costs="a pass over both replies, and no reference",
    pays="in place of supervised training and DPO, in one stage; where memory is short",
)
def train_orpo(
    rows: Sequence[PreferenceRow],
    base: str,
    output: Path,
    settings: ORPOSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on pairs of a better and a worse reply, without a reference.

    Arguments and result are those of `train_dpo`.

    Raises:
        ConfigError: No pair is left, or weights that cannot be trained so.
    """
    settings = settings or ORPOSettings()
    where = Start.at(base, start)
    found = encode_pairs(rows, where, max_tokens=settings.max_tokens)
    with begin(
        f"orpo-{settings.adapter.kind}",
        where,
        settings.adapter,
        settings,
        found.pairs,
        output,
        counts=found.counts,
        keep=settings.optimisation.save_steps is not None,
    ) as run:
        return _fit(run, found.pairs, settings, on_step)


def _fit(
    run: Run, pairs: Sequence[Pair], settings: ORPOSettings, on_step: OnStep | None
) -> Trained:
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    import torch
    from datasets import Dataset
    from trl.import_utils import TRLExperimentalWarning

    with warnings.catch_warnings():  # the module docstring says so
        warnings.simplefilter("ignore", TRLExperimentalWarning)
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    class Sampled(ORPOTrainer):
        def tokenize_row(
            self, feature: dict[str, list[int]], model: object = None
        ) -> dict[str, list[int]]:
            prompt = feature["prompt_ids"]
            row = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
            for side in ("chosen", "rejected"):
                ids = feature[f"{side}_ids"]
                row[f"{side}_input_ids"] = [*prompt, *ids]
                row[f"{side}_attention_mask"] = [1] * (len(prompt) + len(ids))
                row[f"{side}_labels"] = [*(IGNORED for _ in prompt), *ids]
            return row

        def concatenated_forward(  # type: ignore[override]  # TRL's says four values, and gives five
            self, model: torch.nn.Module, batch: dict[str, torch.Tensor]
        ) -> "tuple[torch.Tensor, ...]":
            forward = cast("Callable[..., tuple[torch.Tensor, ...]]", super().concatenated_forward)
            chosen, rejected, more, less, _, *rest = forward(model, batch)
            return (chosen, rejected, more, less, _nll(chosen, batch["chosen_labels"]), *rest)

    how = settings.optimisation
    loaded = load(run.start, run.adapter, steps=how.steps(len(pairs)), seed=how.seed)
    trainer = Sampled(
        model=loaded.together(),
        args=arguments(
            ORPOConfig,
            run.work.trainer,
            how,
            beta=settings.weight,
            max_length=settings.max_tokens,
            remove_unused_columns=False,
        ),
        train_dataset=Dataset.from_list([pair._asdict() for pair in pairs]),
        processing_class=tokenizer_of(run.start),
    )
    return run.fit(trainer, on_step)


def _nll(mean_logp_B: "torch.Tensor", labels_BT: "torch.Tensor") -> "torch.Tensor":
    """Return the mean over all tokens of the mean log-probabilities of replies, negated."""
    tokens_B = (labels_BT[:, 1:] != IGNORED).sum(-1).to(mean_logp_B.device)
    return -(mean_logp_B * tokens_B).sum() / tokens_B.sum()
