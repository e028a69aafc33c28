"""MIXER: cross-entropy on the beginning, REINFORCE on the end (Ranzato et al. 2016).

The first T - delta tokens of a response are those of a given one (arXiv:1511.06732), the policy
samples the last delta, and delta grows until the policy samples all. Departures: the baseline is
any estimator of ours, where the paper regresses one on the hidden state (the value head does that);
and delta grows by steps, not by epochs.
"""

import torch
from torch import Tensor

__all__ = ["mixed", "sampled_tail"]


def mixed(losses_BT: Tensor, log_probs_BT: Tensor, forced_BT: Tensor) -> Tensor:
    """Return -log pi where a token was given, and the policy loss where it was sampled.

    Args:
        losses_BT: The policy loss of each token.
        log_probs_BT: Of the policy that learns.
        forced_BT: True where the token is that of the given response.
    """
    return torch.where(forced_BT.bool(), -log_probs_BT, losses_BT)


def sampled_tail(step: int, length: int, *, warm_up: int, every: int, by: int) -> int:
    """Return delta: how many tokens at the end of a given response are sampled at this step.

    Args:
        step: From 0.
        length: Of the given response; 0 or more.
        warm_up: Steps of cross-entropy alone.
        every: Steps after which delta grows again.
        by: By how many tokens it grows.

    Example:
        >>> [sampled_tail(step, 4, warm_up=2, every=2, by=3) for step in range(6)]
        [0, 0, 3, 3, 4, 4]
    """
    if step < warm_up:
        return 0
    return min(length, by * (1 + (step - warm_up) // every))
