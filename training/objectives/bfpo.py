"""BFPO: one supervised loss for helpfulness and safety (Zhang et al. 2024, arXiv:2408.15313).

Of two responses the more helpful is called chosen, S is 1 where one is safe, and the log-ratios of
both shall differ by g:

    (log pi/pi_ref(chosen) - log pi/pi_ref(rejected) - g)^2
    g = (B3 (B1 S+ - S-) - alpha) / beta,  B1 = 3, B3 = 1 / (B1 - 1), alpha = 1/2

so beta g is 1 where only the chosen one is safe, 1/2 where both are, -1/2 where none is (what helps
with harm is worse), and -1 where only the rejected one is.
"""

from torch import Tensor

__all__ = ["bfpo_loss", "bfpo_target"]


def bfpo_target(
    safe_chosen_B: Tensor,
    safe_rejected_B: Tensor,
    *,
    beta: float = 0.1,
    b1: float = 3.0,
    alpha: float = 0.5,
) -> Tensor:
    """Return g of each pair (B).

    Args:
        safe_chosen_B: 1 where the more helpful response is safe, else 0.
        safe_rejected_B: The same of the other.
        beta: Weight of the distance to the reference.
        b1: How much more the safety of the chosen one counts; more than 1.
        alpha: What safety has to outweigh.
    """
    b3 = 1 / (b1 - 1)
    return (b3 * (b1 * safe_chosen_B.float() - safe_rejected_B.float()) - alpha) / beta


def bfpo_loss(chosen_B: Tensor, rejected_B: Tensor, targets_B: Tensor) -> Tensor:
    """Return the mean squared distance of the difference of log-ratios from g.

    Args:
        chosen_B: log pi/pi_ref of whole responses, the more helpful ones.
        rejected_B: Of the others.
        targets_B: See `bfpo_target`.
    """
    return (chosen_B - rejected_B - targets_B).square().mean()
