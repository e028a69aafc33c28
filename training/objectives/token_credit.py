"""Rewards and advantages of single tokens.

Generalised advantage estimation runs over the tokens that were sampled, by
`cogitate.training.credit.gae`: with lambda = 1 the advantage is the discounted return less the
value (A2C's Monte-Carlo form), with lambda = 0 the TD error. Where a response was cut, the value of
the state after its last token stands for what did not come; where it ended, nothing follows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cogitate.training.credit import gae

__all__ = ["gae_advantages", "kl_penalised", "over_steps", "place_rewards", "whiten"]


def place_rewards(
    rewards_B: Sequence[Sequence[float]], ends_B: Sequence[Sequence[int]], tokens: int
) -> Tensor:
    """Return a (B, T) of zeros with each reward at the token after which it was given.

    Args:
        rewards_B: Of each response, any number.
        ends_B: The place of the token of each of them; several at one place are added.
        tokens: T.

    Example:
        >>> place_rewards([[0.5, 1.0]], [[0, 2]], 3).tolist()
        [[0.5, 0.0, 1.0]]
    """
    placed_BT = torch.zeros(len(rewards_B), tokens)
    for row, (rewards, ends) in enumerate(zip(rewards_B, ends_B, strict=True)):
        for reward, end in zip(rewards, ends, strict=True):
            placed_BT[row, end] += reward
    return placed_BT


def kl_penalised(
    rewards_BT: Tensor, log_probs_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor, beta: float
) -> Tensor:
    """Return rewards less beta * (log pi - log pi_ref) at each token of the mask, no gradient.

    Args:
        rewards_BT: See `place_rewards`.
        log_probs_BT: Of the policy that sampled: the penalty is part of the reward it earned.
        reference_BT: Of the reference policy.
        mask_BT: Which tokens were sampled.
        beta: How much a nat costs.
    """
    distance_BT = (log_probs_BT - reference_BT).detach()
    return rewards_BT - beta * torch.where(mask_BT.bool(), distance_BT, 0.0)


def gae_advantages(
    rewards_BT: Tensor,
    values_BU: Tensor,
    mask_BT: Tensor,
    truncated_B: Sequence[bool],
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
) -> Tensor:
    """Return the advantage of each token (B, T), no gradient; advantage + value is its return.

    Args:
        rewards_BT: After each token.
        values_BU: Of the state before each token and, in one more place, after the last: U = T + 1.
        mask_BT: Which tokens were sampled: an unbroken run in each row, or none.
        truncated_B: Whether the response was cut rather than ended.
        gamma: Discount per token.
        lam: See `cogitate.training.credit.gae`.
    """
    rewards, values = rewards_BT.detach().cpu().tolist(), values_BU.detach().cpu().tolist()
    places = mask_BT.bool().cpu().tolist()
    advantages = [[0.0] * len(row) for row in rewards]
    for b, kept in enumerate(places):
        if not any(kept):
            continue
        first, end = kept.index(True), len(kept) - kept[::-1].index(True)
        advantages[b][first:end] = gae(
            rewards[b][first:end],
            values[b][first:end],
            gamma,
            lam,
            bootstrap=values[b][end] if truncated_B[b] else 0.0,
        )
    return torch.tensor(advantages, dtype=rewards_BT.dtype, device=rewards_BT.device)


def over_steps(
    advantages_BS: Sequence[Sequence[float]], ends_BS: Sequence[Sequence[int]], tokens: int
) -> Tensor:
    """Return (B, T): each token has the advantage of the step that it is in.

    Args:
        advantages_BS: Of the steps of each response, such as process group-relative ones.
        ends_BS: The place of each step's last token, rising. Tokens after the last step have 0.
        tokens: T.

    Example:
        >>> over_steps([[2.0, 1.0]], [[1, 2]], 4).tolist()
        [[2.0, 2.0, 1.0, 0.0]]
    """
    spread_BT = torch.zeros(len(advantages_BS), tokens)
    for row, (advantages, ends) in enumerate(zip(advantages_BS, ends_BS, strict=True)):
        start = 0
        for advantage, end in zip(advantages, ends, strict=True):
            spread_BT[row, start : end + 1] = advantage
            start = end + 1
    return spread_BT


def whiten(
    advantages_BT: Tensor, mask_BT: Tensor, *, mean: float, std: float, epsilon: float = 1e-8
) -> Tensor:
    """Return (A - mean) / (std + epsilon) inside the mask and 0 outside.

    Mean and deviation are given, for they are those of the whole batch, wherever its rows are.
    """
    return torch.where(mask_BT.bool(), (advantages_BT - mean) / (std + epsilon), 0.0)
