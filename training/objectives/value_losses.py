"""Value losses: the squared error, PPO's clipped form, and how much of the returns is explained."""

import torch
from torch import Tensor

__all__ = ["explained_variance", "value_loss"]


def value_loss(
    values_BT: Tensor, returns_BT: Tensor, *, old_BT: Tensor | None = None, clip: float | None = 0.2
) -> Tensor:
    """Return half the squared error of each token (B, T).

    Args:
        values_BT: Of the state before each token.
        returns_BT: What they should have been; no gradient goes into them. Advantage + old value
            gives Monte-Carlo returns with GAE's lambda = 1, and TD targets with lambda = 0.
        old_BT: The values when the responses were sampled.
        clip: How far a value may go from its old one before the larger of both errors counts, as
            in PPO's published implementation; None, or without old values: no bound.
    """
    errors_BT = (values_BT - returns_BT.detach()).square()
    if old_BT is not None and clip is not None:
        near_BT = old_BT.detach() + (values_BT - old_BT.detach()).clamp(-clip, clip)
        errors_BT = torch.maximum(errors_BT, (near_BT - returns_BT.detach()).square())
    return 0.5 * errors_BT


def explained_variance(values_N: Tensor, returns_N: Tensor) -> float:
    """Return 1 - Var(returns - values) / Var(returns): 1 is perfect, 0 no better than a constant.

    It is 0 where all returns are equal: there is nothing to explain.
    """
    spread = float(returns_N.var(correction=0)) if returns_N.numel() else 0.0
    if spread == 0:
        return 0.0
    return 1 - float((returns_N - values_N).var(correction=0)) / spread
