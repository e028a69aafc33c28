"""OREO: offline reasoning optimisation by the soft Bellman equation (Wang et al. 2024).

With lr = log pi / pi_ref (arXiv:2412.16145), V_t the value of the state before action t and R the
outcome:

    value:   mean_t (V_t - R + beta sum_{i >= t} lr_i)^2                     only V learns
    policy:  mean_t (sg V_t - R + beta lr_t + sg[beta sum_{i > t} lr_i])^2   pi, by lr_t alone

An action is a token, or a step: then lr is the sum over its tokens and V_t the value where the step
begins (`step_log_ratios`). The paper adds alpha KL(pi || pi_ref) to the policy's loss:
`log_probs.exact_kl`. The means are over the actions of a response, then over responses.
"""

import torch
from torch import Tensor

__all__ = ["oreo_policy_loss", "oreo_value_loss", "step_log_ratios"]


def oreo_value_loss(
    values_BT: Tensor, log_ratios_BT: Tensor, rewards_B: Tensor, mask_BT: Tensor, *, beta: float
) -> Tensor:
    """Return the value model's loss.

    Args:
        values_BT: Of the state before each action.
        log_ratios_BT: log pi / pi_ref of each action; no gradient goes into them.
        rewards_B: The outcome of each response.
        mask_BT: Which actions there are.
        beta: Weight of the distance to the reference.
    """
    to_come_BT = beta * _to_come(log_ratios_BT.detach(), mask_BT)
    return _mean((values_BT - rewards_B.unsqueeze(1) + to_come_BT).square(), mask_BT)


def oreo_policy_loss(
    values_BT: Tensor, log_ratios_BT: Tensor, rewards_B: Tensor, mask_BT: Tensor, *, beta: float
) -> Tensor:
    """Return the policy's loss: the gradient of an action's term goes through that action alone.

    Args:
        values_BT: As in `oreo_value_loss`; no gradient goes into them.
        log_ratios_BT: As there, with gradient.
        rewards_B: As there.
        mask_BT: As there.
        beta: As there.
    """
    to_come_BT = _to_come(log_ratios_BT.detach(), mask_BT)
    after_BT = to_come_BT - torch.where(mask_BT.bool(), log_ratios_BT.detach(), 0.0)
    residuals_BT = (
        values_BT.detach() - rewards_B.unsqueeze(1) + beta * log_ratios_BT + beta * after_BT
    )
    return _mean(residuals_BT.square(), mask_BT)


def step_log_ratios(log_ratios_BT: Tensor, steps_BT: Tensor, steps: int) -> Tensor:
    """Return (B, S): the log-ratio of each step, the sum over its tokens.

    Args:
        log_ratios_BT: Of tokens.
        steps_BT: The number of the step that each token is in, from 0; -1: in none.
        steps: S.
    """
    inside_BT = steps_BT >= 0
    summed_BS = log_ratios_BT.new_zeros(len(log_ratios_BT), steps)
    return summed_BS.scatter_add(
        1, steps_BT.clamp(min=0), torch.where(inside_BT, log_ratios_BT, 0.0)
    )


def _to_come(log_ratios_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The sum of the log-ratios from each action on."""
    kept_BT = torch.where(mask_BT.bool(), log_ratios_BT, 0.0)
    return kept_BT.flip(1).cumsum(1).flip(1)


def _mean(terms_BT: Tensor, mask_BT: Tensor) -> Tensor:
    mask_BT = mask_BT.bool()
    sums_B = torch.where(mask_BT, terms_BT, 0.0).sum(1)
    return (sums_B / mask_BT.sum(1).clamp(min=1)).mean()
