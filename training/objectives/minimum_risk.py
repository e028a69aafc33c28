"""Minimum risk training (Shen et al. 2016, arXiv:1512.02433).

The expected risk over a *set* of sampled responses, under the policy sharpened and normalised on
that set: sum of Q(y) risk(y), with Q(y) proportional to pi(y)^alpha. A response that was sampled
twice is in the set once.

`minimum_risk_advantages` gives the weights with which -A log pi has exactly this gradient: the
responses of a set may then be in different micro-batches, or processes.
"""

import torch
from torch import Tensor

__all__ = ["minimum_risk", "minimum_risk_advantages"]


def minimum_risk(log_probs_G: Tensor, risks_G: Tensor, *, alpha: float = 5e-3) -> Tensor:
    """Return the expected risk of one set, of distinct responses.

    Args:
        log_probs_G: Of whole responses: the sums over their tokens.
        risks_G: What each costs, such as its negative reward.
        alpha: Sharpness; 0 weighs all alike.
    """
    return (torch.softmax(alpha * log_probs_G, dim=0) * risks_G.detach()).sum()


def minimum_risk_advantages(
    log_probs_G: Tensor, rewards_G: Tensor, *, alpha: float = 5e-3
) -> Tensor:
    """Return alpha Q(y) (reward(y) - expected reward) of each response, no gradient.

    The gradient of the sum of -A log pi is that of `minimum_risk` of the negative rewards.

    Args:
        log_probs_G: As there, of the policy as it is now.
        rewards_G: Of each response.
        alpha: As there.
    """
    weights_G = torch.softmax(alpha * log_probs_G.detach(), dim=0)
    return alpha * weights_G * (rewards_G - (weights_G * rewards_G).sum())
