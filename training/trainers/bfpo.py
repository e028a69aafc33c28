"""BFPO: training for helpfulness and safety at once, from pairs with safety labels.

The objective is in `cogitate.training.objectives.bfpo`. The reference is the policy as training
begins. Departure: the paper also buffers rows of earlier training; that is who gathers rows' work.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.objectives import bfpo_loss, bfpo_target
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.offline import (
    Fitted,
    OfflineSettings,
    Responses,
    fit,
    keep,
    log_ratios,
)
from cogitate.training.trainers.policy.batch import Scored
from cogitate.training.trainers.policy.model import load_policy
from cogitate.training.trainers.policy.policy import Predicted
from cogitate.training.trainers.weights import Start

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


class _Pair(NamedTuple):
    chosen: Scored
    rejected: Scored
    target: float


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
    start, began = Start.at(base, adapter), time.perf_counter()
    responses = Responses(start.folder)
    units, left_out = [], {"too long": 0}
    for pair in pairs:
        one = _encode(pair, responses, settings)
        longest = max(len(one.chosen.ids), len(one.rejected.ids))
        if len(one.chosen.row.prompt_ids) + longest > settings.max_tokens:
            left_out["too long"] += 1
        else:
            units.append(one)
    if not units:
        raise ConfigError(f"no pairs to train on ({left_out}): give some, or raise max_tokens")
    accelerator = Accelerator()
    policy = load_policy(
        start.folder, rank=settings.rank, seed=settings.seed, values=False, adapter=adapter
    )

    def loss(forward: Callable[..., Predicted], some: Sequence[_Pair]) -> Tensor:
        flat = [pair.chosen for pair in some] + [pair.rejected for pair in some]
        chosen_B, rejected_B = log_ratios(forward, policy, flat).ratios_BT.sum(1).chunk(2)
        targets_B = torch.tensor([pair.target for pair in some], device=chosen_B.device)
        return bfpo_loss(chosen_B, rejected_B, targets_B)

    losses = fit(policy, units, loss, settings, accelerator, on_step=on_step)
    seconds = keep(
        output,
        policy.save,
        start=start,
        method="bfpo",
        settings=settings,
        rows=[scored for pair in units for scored in (pair.chosen, pair.rejected)],
        losses=losses,
        accelerator=accelerator,
        began=began,
    )
    return Fitted(output, losses, len(units), left_out, seconds)


def _encode(pair: SafetyPair, responses: Responses, settings: BFPOSettings) -> _Pair:
    row = pair.row
    prompt = responses.prompt(row.messages, row.prefix, row.prompt_ids)
    target = bfpo_target(
        torch.tensor([pair.chosen_safe]),
        torch.tensor([pair.rejected_safe]),
        beta=settings.beta,
        b1=settings.b1,
        alpha=settings.alpha,
    )
    return _Pair(
        responses.reply(prompt, row.chosen), responses.reply(prompt, row.rejected), target.item()
    )
