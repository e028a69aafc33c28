"""mDPO and mIPO: preferences between groups of responses (Wang et al. 2024, arXiv:2410.12138).

DPO and IPO with the mean log-ratio of a group on each side:

    h = mean over chosen of log pi/pi_ref - mean over rejected of log pi/pi_ref
    mDPO: -log sigmoid(beta h)         mIPO: (h - 1 / (2 beta))^2

A log-ratio is that of a whole response, the sum over its tokens. With one response on each side
these are DPO and IPO. Departure: the means are of the responses that are there; the paper's
correction of what the square of a noisy mean adds is left out.
"""

import torch
from torch import Tensor

__all__ = ["group_margin", "mdpo_loss", "mipo_loss"]


def group_margin(
    chosen_BG: Tensor, rejected_BG: Tensor, has_chosen_BG: Tensor, has_rejected_BG: Tensor
) -> Tensor:
    """Return h of each pair of groups (B).

    Args:
        chosen_BG: Log-ratios of the chosen responses.
        rejected_BG: Of the rejected ones; G may differ.
        has_chosen_BG: Which responses there are: groups may differ in size, none is empty.
        has_rejected_BG: The same.
    """
    return _mean(chosen_BG, has_chosen_BG) - _mean(rejected_BG, has_rejected_BG)


def mdpo_loss(margins_B: Tensor, *, beta: float = 0.1) -> Tensor:
    """Return the mean of -log sigmoid(beta h)."""
    return -torch.nn.functional.logsigmoid(beta * margins_B).mean()


def mipo_loss(margins_B: Tensor, *, beta: float = 0.1) -> Tensor:
    """Return the mean of (h - 1 / (2 beta))^2."""
    return (margins_B - 1 / (2 * beta)).square().mean()


def _mean(log_ratios_BG: Tensor, has_BG: Tensor) -> Tensor:
    has_BG = has_BG.bool()
    return torch.where(has_BG, log_ratios_BG, 0.0).sum(1) / has_BG.sum(1)
