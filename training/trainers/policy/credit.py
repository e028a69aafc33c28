"""From rewards to the advantage of each token, as an objective's estimator says."""

from collections.abc import Sequence

import torch

from cogitate.training.credit import group_relative, leave_one_out, process_group_relative
from cogitate.training.objectives import (
    MovingAverage,
    batch_mean,
    by_group,
    gae_advantages,
    kl_penalised,
    minimum_risk_advantages,
    over_steps,
    place_rewards,
    self_critical,
    whiten,
)
from cogitate.training.trainers.policy.batch import Scored
from cogitate.training.trainers.policy.settings import Objective
from cogitate.training.trainers.rollout import Rollout

__all__ = ["give_credit"]


def give_credit(batch: Sequence[Scored], objective: Objective, average: MovingAverage) -> None:
    """Set the advantages, and with a value head the returns, of a whole batch of rollouts.

    Args:
        batch: Of all processes, with what the estimator needs: old and reference log-probabilities,
            values.
        objective: What the estimator is.
        average: The rewards of earlier batches; those of this one enter it.
    """
    if objective.estimator == "gae":
        _by_values(batch, objective)
    elif objective.estimator == "process":
        _by_steps(batch)
    else:
        rows = [scored.row for scored in batch]
        for scored, advantage in zip(
            batch, _by_response(batch, rows, objective, average), strict=True
        ):
            scored.advantages = [advantage] * len(scored.ids)
    if objective.whiten:
        _whiten(batch)


def _by_response(
    batch: Sequence[Scored], rows: Sequence[Rollout], objective: Objective, average: MovingAverage
) -> list[float]:
    totals, groups = [row.total for row in rows], [row.group for row in rows]
    match objective.estimator:
        case "batch_mean":
            return batch_mean(totals)
        case "moving_average":
            return average.advantages(totals)
        case "leave_one_out":
            return by_group(totals, groups, leave_one_out)
        case "greedy":
            return self_critical(totals, [row.baseline or 0.0 for row in rows])
        case "group":
            return by_group(totals, groups, lambda r: group_relative(r, scale=objective.scale))
        case "minimum_risk":
            return _by_risk(batch, objective.alpha)
        case _:
            return totals


def _by_risk(batch: Sequence[Scored], alpha: float) -> list[float]:
    """Weigh the distinct responses of each group; one that came again has no weight of its own."""
    sets: dict[str, dict[tuple[int, ...], int]] = {}
    for number, scored in enumerate(batch):
        sets.setdefault(scored.row.group, {}).setdefault(scored.ids, number)
    advantages = [0.0] * len(batch)
    for distinct in sets.values():
        members = list(distinct.values())
        log_probs_G = torch.tensor([sum(batch[n].old) for n in members], dtype=torch.float64)
        rewards_G = torch.tensor([batch[n].row.total for n in members], dtype=torch.float64)
        weights_G = minimum_risk_advantages(log_probs_G, rewards_G, alpha=alpha)
        for number, advantage in zip(members, weights_G.tolist(), strict=True):
            # The mean is over responses and shall be over sets.
            advantages[number] = advantage * len(batch) / len(sets)
    return advantages


def _by_steps(batch: Sequence[Scored]) -> None:
    """Normalise all step rewards of a group; the reward of a whole response joins its last step."""
    groups: dict[str, list[Scored]] = {}
    for scored in batch:
        groups.setdefault(scored.row.group, []).append(scored)
    for members in groups.values():
        rewards_GS = []
        for scored in members:
            steps = [reward or 0.0 for reward in scored.row.step_rewards]
            steps[-1] += scored.row.reward or 0.0
            rewards_GS.append(steps)
        advantages_GS = process_group_relative(rewards_GS)
        tokens = max(len(scored.ids) for scored in members)
        spread_GT = over_steps(advantages_GS, [scored.row.step_ends for scored in members], tokens)
        for scored, advantages in zip(members, spread_GT.tolist(), strict=True):
            scored.advantages = advantages[: len(scored.ids)]


def _by_values(batch: Sequence[Scored], objective: Objective) -> None:
    for scored in batch:
        row, tokens = scored.row, len(scored.ids)
        rewards = [reward or 0.0 for reward in row.step_rewards]
        rewards_1T = place_rewards(
            [[*rewards, row.reward or 0.0]], [[*row.step_ends, tokens - 1]], tokens
        ).double()
        sampled_1T = torch.arange(tokens).unsqueeze(0) >= row.forced
        if objective.kl_in == "reward" and scored.reference is not None:
            old_1T, reference_1T = torch.tensor([scored.old]), torch.tensor([scored.reference])
            rewards_1T = kl_penalised(
                rewards_1T, old_1T, reference_1T, sampled_1T, objective.kl_weight
            )
        values_1U = torch.tensor([scored.values], dtype=torch.float64)
        advantages_1T = gae_advantages(
            rewards_1T,
            values_1U,
            sampled_1T,
            [row.truncated],
            gamma=objective.gamma,
            lam=objective.lam,
        )
        scored.advantages = advantages_1T[0].tolist()
        scored.returns = (advantages_1T + values_1U[:, :-1])[0].tolist()


def _whiten(batch: Sequence[Scored]) -> None:
    sampled = [a for scored in batch for a in scored.advantages[scored.row.forced :]]
    all_N = torch.tensor(sampled, dtype=torch.float64)
    if not sampled:
        return
    mean, std = float(all_N.mean()), float(all_N.std(correction=0))
    for scored in batch:
        advantages_1T = torch.tensor([scored.advantages], dtype=torch.float64)
        sampled_1T = torch.arange(len(scored.ids)).unsqueeze(0) >= scored.row.forced
        scored.advantages = whiten(advantages_1T, sampled_1T, mean=mean, std=std)[0].tolist()
