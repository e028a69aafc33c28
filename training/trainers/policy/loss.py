"""The loss of one micro-batch: its share of the loss of a whole mini-batch, and what is reported.

Token weights count the tokens and responses of the whole mini-batch, in all processes, so the
shares only have to be added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cogitate.training.objectives import (
    PolicyLoss,
    cispo,
    clipped,
    k3,
    mixed,
    plain,
    sequence,
    token_entropy,
    token_log_probs,
    token_weights,
    value_loss,
)
from cogitate.training.trainers.policy.batch import Batch
from cogitate.training.trainers.policy.settings import Objective, Schedule
from cogitate.training.trainers.rollout import Rollout

__all__ = ["SUMS", "Counts", "Share", "policy_loss", "share_of_loss"]

SUMS = ("loss", "policy_loss", "value_loss", "kl", "kl_old", "clip_fraction", "entropy")
"""What a share reports, in this order: all but `loss` are means over tokens once added up, but for
the policy's loss, whose mean is the objective's."""


class Counts(NamedTuple):
    """Of a whole mini-batch, in all processes."""

    responses: int
    tokens: int
    sampled: int
    """Tokens that the policy chose."""

    @classmethod
    def of(cls, rows: Sequence[Rollout]) -> "Counts":
        """Count rollouts."""
        tokens = sum(len(row.completion_ids) for row in rows)
        return cls(len(rows), tokens, tokens - sum(row.forced for row in rows))


@dataclass(slots=True)
class Share:
    """What one micro-batch adds."""

    loss: Tensor
    sums: Tensor
    """In the order of `SUMS`, no gradient."""


def policy_loss(log_probs_BT: Tensor, batch: Batch, objective: Objective) -> PolicyLoss:
    """Return the policy loss of each token, as the objective says."""
    old_BT, advantages_BT = batch.old_BT, batch.advantages_BT
    low, high = objective.clip_low, objective.clip_high
    match objective.loss:
        case "plain":
            found = plain(log_probs_BT, advantages_BT)
        case "clipped":
            found = clipped(log_probs_BT, old_BT, advantages_BT, low=low, high=high)
        case "ratio":
            found = clipped(log_probs_BT, old_BT, advantages_BT, low=1.0, high=float("inf"))
        case "sequence":
            mask_BT = batch.sampled_BT
            found = sequence(log_probs_BT, old_BT, advantages_BT, mask_BT, low=low, high=high)
        case "cispo":
            found = cispo(log_probs_BT, old_BT, advantages_BT, low=low, high=high)
    return found._replace(losses_BT=mixed(found.losses_BT, log_probs_BT, batch.forced_BT))


def share_of_loss(
    logits_BTV: Tensor,
    values_BT: Tensor | None,
    batch: Batch,
    counts: Counts,
    objective: Objective,
    schedule: Schedule,
) -> Share:
    """Return what a micro-batch adds to the loss of its mini-batch.

    Args:
        logits_BTV: Those that predict each token of the completions.
        values_BT: Of the state before each token; None without a value head.
        batch: The rollouts.
        counts: Of the whole mini-batch.
        objective: What is optimised.
        schedule: For its temperature and its limit.
    """
    temperature = schedule.temperature
    log_probs_BT = token_log_probs(logits_BTV, batch.ids_BT, temperature=temperature)
    per_token = token_weights(batch.sampled_BT, "token", tokens=counts.sampled)
    weights_BT = token_weights(
        batch.mask_BT,
        objective.normalisation,
        responses=counts.responses,
        tokens=counts.tokens,
        limit=schedule.max_tokens,
    )
    found = policy_loss(log_probs_BT, batch, objective)
    policy = (weights_BT * found.losses_BT).sum()
    distance_BT = k3(log_probs_BT, batch.reference_BT)
    with torch.set_grad_enabled(objective.entropy_weight > 0 and torch.is_grad_enabled()):
        entropy = (per_token * token_entropy(logits_BTV, temperature=temperature)).sum()
    loss = policy - objective.entropy_weight * entropy
    if objective.kl_in == "loss":
        on_sampled_BT = torch.where(batch.sampled_BT, weights_BT, 0.0)
        loss = loss + objective.kl_weight * (on_sampled_BT * distance_BT).sum()
    value = torch.zeros_like(policy)
    if values_BT is not None:
        old_BT = batch.values_BT
        errors_BT = value_loss(
            values_BT, batch.returns_BT, old_BT=old_BT, clip=objective.value_clip
        )
        value = (per_token * errors_BT).sum()
        loss = loss + objective.value_weight * value
    with torch.no_grad():
        kl = (
            (per_token * distance_BT).sum()
            if objective.kl_in != "none"
            else torch.zeros_like(value)
        )
        kl_old = (per_token * k3(batch.old_BT, log_probs_BT)).sum()
        clip = (per_token * found.clipped_BT).sum()
        sums = torch.stack([loss, policy, value, kl, kl_old, clip, entropy])
    return Share(loss, sums.detach())
