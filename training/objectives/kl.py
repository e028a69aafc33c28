"""Estimates of KL(pi || pi_ref) from sampled tokens (Schulman 2020, "Approximating KL divergence").

k1 = log pi - log pi_ref is unbiased and may be negative: it belongs into rewards. k3 is unbiased,
never negative, and varies less: it belongs into losses, where k1's gradient would be 0 on average.
"""

from torch import Tensor

__all__ = ["k1", "k3"]


def k1(log_probs_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Return log pi - log pi_ref of each token."""
    return log_probs_BT - reference_BT


def k3(log_probs_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Return pi_ref/pi - log(pi_ref/pi) - 1 of each token."""
    log_ratio_BT = reference_BT.detach() - log_probs_BT
    return log_ratio_BT.exp() - log_ratio_BT - 1
