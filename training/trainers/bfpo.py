"""BFPO: training for helpfulness and safety at once, from pairs with safety labels.

The objective is in `cogitate.training.objectives.bfpo`. The reference is the policy as training
begins. Departure: the paper also buffers rows of earlier training; that is who gathers rows' work.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from cogitate.training.described import described
from cogitate.training.objectives import bfpo_loss, bfpo_target
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.compared import Compared, fit_compared
from cogitate.training.trainers.offline import Fitted, OfflineSettings, Responses

__all__ = ["BFPOSettings", "SafetyPair", "train_bfpo"]


class BFPOSettings(OfflineSettings):
    """How to learn from pairs with safety labels."""

    beta: float = Field(default=0.1, gt=0)
    """Weight of the distance to the reference."""
    b1: float = Field(default=3.0, gt=1)
    alpha: float = 0.5
    """Both as in `bfpo_target`."""


class SafetyPair(NamedTuple):
    """A pair whose chosen reply is the more helpful one, safe or not."""

    row: PreferenceRow
    chosen_safe: bool
    rejected_safe: bool


@described(
    "bfpo",
    paper="Zhang et al. 2024, arXiv:2408.15313",
    needs="`SafetyPair`s with token ids: the more helpful reply is chosen, each is safe or not",
    costs="passes of policy and reference over both replies",
    pays="where helpful and safe pull apart, and both were labelled",
)
def train_bfpo(
    pairs: Sequence[SafetyPair],
    base: str,
    output: Path,
    settings: BFPOSettings | None = None,
    *,
    adapter: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Train a policy on pairs with safety labels.

    Args:
        pairs: Replies with token ids.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The folder of the result; what is there is replaced once training has ended well.
        settings: How to train.
        adapter: An adapter to go on with; it is the reference then.
        on_step: Called with the steps done and the steps in all.

    Raises:
        ConfigError: Nothing to learn from, or replies without this model's token ids.
    """
    settings = settings or BFPOSettings()

    def compare(pair: SafetyPair, responses: Responses) -> Compared[Tensor]:
        row = pair.row
        prompt = responses.prompt(row.messages, row.prefix, row.prompt_ids)
        replies = [responses.reply(prompt, reply) for reply in (row.chosen, row.rejected)]
        target_1 = bfpo_target(
            torch.tensor([pair.chosen_safe]),
            torch.tensor([pair.rejected_safe]),
            beta=settings.beta,
            b1=settings.b1,
            alpha=settings.alpha,
        )
        return Compared(replies, target_1)

    return fit_compared(
        pairs, compare, _loss, base, output, settings,
        method="bfpo", adapter=adapter, on_step=on_step,
    )  # fmt: skip


def _loss(ratios: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    chosen_B, rejected_B = torch.stack(list(ratios)).unbind(1)
    return bfpo_loss(chosen_B, rejected_B, torch.cat(list(targets)).to(chosen_B.device))
