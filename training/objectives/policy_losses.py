"""Policy losses of each token: plain, clipped (PPO), sequence ratio (GSPO), clipped weight (CISPO).

`plain`     -A log pi                                       REINFORCE; A2C
`clipped`   -min(rho A, clip(rho, 1 - low, 1 + high) A)     PPO (arXiv:1707.06347), GRPO; with
                                                            high > low DAPO (arXiv:2503.14476)
`sequence`  the same with rho the geometric mean of the response's ratios   GSPO (arXiv:2507.18071)
`cispo`     -sg[clip(rho, 1 - low, 1 + high)] A log pi      CISPO (arXiv:2506.13585)

Here rho = pi / pi_old, the policy that *sampled*, never the reference. The sequence ratio is put on
tokens as in GSPO's token form: its gradient is that of the sequence form wherever all tokens of a
response have one advantage, and it takes different ones.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PolicyLoss", "cispo", "clipped", "plain", "sequence"]


class PolicyLoss(NamedTuple):
    """What each token loses."""

    losses_BT: Tensor
    clipped_BT: Tensor
    """True where the bound was met: the ratio went beyond it in the direction of the advantage."""


def plain(log_probs_BT: Tensor, advantages_BT: Tensor) -> PolicyLoss:
    """Return -A log pi of each token; nothing is ever clipped."""
    losses_BT = -advantages_BT.detach() * log_probs_BT
    return PolicyLoss(losses_BT, torch.zeros_like(losses_BT, dtype=torch.bool))


def clipped(
    log_probs_BT: Tensor,
    old_BT: Tensor,
    advantages_BT: Tensor,
    *,
    low: float = 0.2,
    high: float = 0.2,
) -> PolicyLoss:
    """Return PPO's clipped loss of each token.

    Args:
        log_probs_BT: Of the policy that learns.
        old_BT: Of the policy that sampled.
        advantages_BT: No gradient goes into them.
        low: The ratio counts down to 1 - low.
        high: And up to 1 + high.
    """
    return _bounded((log_probs_BT - old_BT.detach()).exp(), advantages_BT.detach(), low, high)


def sequence(
    log_probs_BT: Tensor,
    old_BT: Tensor,
    advantages_BT: Tensor,
    mask_BT: Tensor,
    *,
    low: float = 3e-4,
    high: float = 4e-4,
) -> PolicyLoss:
    """Return GSPO's loss: the ratio of a whole response, its length-th root, is clipped.

    Args:
        log_probs_BT: As in `clipped`.
        old_BT: As in `clipped`.
        advantages_BT: As in `clipped`.
        mask_BT: Which tokens are the response.
        low: As in `clipped`, and far smaller than there.
        high: The same.
    """
    mask_BT = mask_BT.bool()
    log_ratios_BT = torch.where(mask_BT, log_probs_BT - old_BT, 0.0).detach()
    mean_B1 = log_ratios_BT.sum(1, keepdim=True) / mask_BT.sum(1, keepdim=True).clamp(min=1)
    ratios_BT = (mean_B1 + log_probs_BT - log_probs_BT.detach()).exp()
    return _bounded(ratios_BT, advantages_BT.detach(), low, high)


def cispo(
    log_probs_BT: Tensor,
    old_BT: Tensor,
    advantages_BT: Tensor,
    *,
    low: float = 1.0,
    high: float = 0.28,
) -> PolicyLoss:
    """Return CISPO's loss: the weight is clipped, and every token keeps its gradient.

    Args:
        log_probs_BT: As in `clipped`.
        old_BT: As in `clipped`.
        advantages_BT: As in `clipped`.
        low: 1, as in the paper: no lower bound.
        high: The weight is at most 1 + high.
    """
    ratios_BT = (log_probs_BT - old_BT).exp().detach()
    weights_BT = ratios_BT.clamp(1 - low, 1 + high)
    losses_BT = -weights_BT * advantages_BT.detach() * log_probs_BT
    return PolicyLoss(losses_BT, ratios_BT != weights_BT)


def _bounded(ratios_BT: Tensor, advantages_BT: Tensor, low: float, high: float) -> PolicyLoss:
    bounded_BT = ratios_BT.clamp(1 - low, 1 + high)
    losses_BT = -torch.minimum(ratios_BT * advantages_BT, bounded_BT * advantages_BT)
    beyond_BT = ((ratios_BT > 1 + high) & (advantages_BT > 0)) | (
        (ratios_BT < 1 - low) & (advantages_BT < 0)
    )
    return PolicyLoss(losses_BT, beyond_BT)
