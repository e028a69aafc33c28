"""mDPO and mIPO: training on groups of better and worse responses to one prompt.

The objectives are in `cogitate.training.objectives.preference_groups`. A ranked row gives one pair
of groups: replies worth more than `threshold` are chosen and the others rejected, as value back-up
calls thoughts positive. The reference is the policy as training begins.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from accelerate import Accelerator
from pydantic import Field
from torch import Tensor

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.objectives import group_margin, mdpo_loss, mipo_loss
from cogitate.training.rows import RankedRow
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

__all__ = ["PreferenceGroupSettings", "train_preference_groups"]


class PreferenceGroupSettings(OfflineSettings):
    """How to learn from groups."""

    loss: Literal["mdpo", "mipo"] = "mdpo"
    beta: float = Field(default=0.1, gt=0)
    """Weight of the distance to the reference."""
    threshold: float = 0.5
    """A reply worth more than this is chosen."""


class _Groups(NamedTuple):
    chosen: list[Scored]
    rejected: list[Scored]


@described(
    "preference-groups",
    paper="mDPO and mIPO: Wang et al. 2024, arXiv:2410.12138",
    needs="`RankedRow`s with token ids: several replies to one prompt and their values",
    costs="passes of policy and reference over all replies of a row",
    pays=(
        "where a prompt has several better and worse replies: one pair of them is a matter of "
        "chance"
    ),
)
def train_preference_groups(
    rows: Sequence[RankedRow],
    base: str,
    output: Path,
    settings: PreferenceGroupSettings | None = None,
    *,
    adapter: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Train a policy to prefer one group of responses to another.

    Args:
        rows: Ranked replies, with token ids. Rows without a reply on each side are left out.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The folder of the result; what is there is replaced once training has ended well.
        settings: How to train.
        adapter: An adapter to go on with; it is the reference then.
        on_step: Called with the steps done and the steps in all.

    Raises:
        ConfigError: Nothing to learn from, or replies without this model's token ids.
    """
    settings = settings or PreferenceGroupSettings()
    start, began = Start.at(base, adapter), time.perf_counter()
    responses = Responses(start.folder)
    units, left_out = [], {"one side": 0, "too long": 0}
    for row in rows:
        groups = _groups(row, responses, settings.threshold)
        everyone = [*groups.chosen, *groups.rejected]
        if not (groups.chosen and groups.rejected):
            left_out["one side"] += 1
        elif any(len(r.row.prompt_ids) + len(r.ids) > settings.max_tokens for r in everyone):
            left_out["too long"] += 1
        else:
            units.append(groups)
    if not units:
        raise ConfigError(f"no groups to train on ({left_out}): give rows with both sides")
    accelerator = Accelerator()
    policy = load_policy(
        start.folder, rank=settings.rank, seed=settings.seed, values=False, adapter=adapter
    )

    def loss(forward: Callable[..., Predicted], some: Sequence[_Groups]) -> Tensor:
        flat = [scored for groups in some for scored in (*groups.chosen, *groups.rejected)]
        ratios_N = log_ratios(forward, policy, flat).ratios_BT.sum(1)
        margins, start = [], 0
        for groups in some:
            middle = start + len(groups.chosen)
            end = middle + len(groups.rejected)
            chosen_1G, rejected_1G = ratios_N[None, start:middle], ratios_N[None, middle:end]
            margins.append(
                group_margin(
                    chosen_1G,
                    rejected_1G,
                    torch.ones_like(chosen_1G),
                    torch.ones_like(rejected_1G),
                )
            )
            start = end
        objective = mdpo_loss if settings.loss == "mdpo" else mipo_loss
        return objective(torch.cat(margins), beta=settings.beta)

    losses = fit(policy, units, loss, settings, accelerator, on_step=on_step)
    seconds = keep(
        output,
        policy.save,
        start=start,
        method=settings.loss,
        settings=settings,
        rows=[scored for groups in units for side in groups for scored in side],
        losses=losses,
        accelerator=accelerator,
        began=began,
    )
    return Fitted(output, losses, len(units), left_out, seconds)


def _groups(row: RankedRow, responses: Responses, threshold: float) -> _Groups:
    prompt = responses.prompt(row.messages, row.prefix, row.prompt_ids)
    found = _Groups([], [])
    for reply in row.replies:
        side = found.chosen if reply.value > threshold else found.rejected
        side.append(responses.reply(prompt, reply))
    return found
