"""mDPO and mIPO: training on groups of better and worse responses to one prompt.

The objectives are in `cogitate.training.objectives.preference_groups`. A ranked row gives one pair
of groups: replies worth more than `threshold` are chosen and the others rejected, as value back-up
calls thoughts positive. The reference is the policy as training begins.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cogitate.training.described import described
from cogitate.training.objectives import group_margin, mdpo_loss, mipo_loss
from cogitate.training.rows import RankedRow
from cogitate.training.trainers.compared import Compared, fit_compared
from cogitate.training.trainers.offline import Fitted, OfflineSettings, Responses

__all__ = ["PreferenceGroupSettings", "train_preference_groups"]


class PreferenceGroupSettings(OfflineSettings):
    """How to learn from groups."""

    loss: Literal["mdpo", "mipo"] = "mdpo"
    beta: float = Field(default=0.1, gt=0)
    """Weight of the distance to the reference."""
    threshold: float = 0.5
    """A reply worth more than this is chosen."""


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
    objective = mdpo_loss if settings.loss == "mdpo" else mipo_loss
    two_sided = [row for row in rows if 0 < _chosen(row, settings.threshold) < len(row.replies)]

    def compare(row: RankedRow, responses: Responses) -> Compared[int]:
        prompt = responses.prompt(row.messages, row.prefix, row.prompt_ids)
        ordered = sorted(row.replies, key=lambda reply: reply.value <= settings.threshold)
        replies = [responses.reply(prompt, reply) for reply in ordered]
        return Compared(replies, _chosen(row, settings.threshold))

    def loss(ratios: Sequence[Tensor], chosen: Sequence[int]) -> Tensor:
        margins = [_margin(of, number) for of, number in zip(ratios, chosen, strict=True)]
        return objective(torch.cat(margins), beta=settings.beta)

    return fit_compared(
        two_sided, compare, loss, base, output, settings, method=settings.loss,
        left_out={"one side": len(rows) - len(two_sided)}, adapter=adapter, on_step=on_step,
    )  # fmt: skip


def _chosen(row: RankedRow, threshold: float) -> int:
    return sum(reply.value > threshold for reply in row.replies)


def _margin(ratios_N: Tensor, chosen: int) -> Tensor:
    chosen_1G, rejected_1G = ratios_N[None, :chosen], ratios_N[None, chosen:]
    has = torch.ones_like(chosen_1G), torch.ones_like(rejected_1G)
    return group_margin(chosen_1G, rejected_1G, *has)
