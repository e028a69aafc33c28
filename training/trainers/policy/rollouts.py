"""Who supplies rollouts to the policy-gradient trainer, and which of them may be learned from.

Rewards that are no finite numbers are counted and left out here, before anything learns from them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from cogitate.errors import ConfigError
from cogitate.training.trainers.policy.settings import Objective, Schedule
from cogitate.training.trainers.rollout import Rollout

__all__ = ["Admitted", "Rollouts", "admit"]

P_contra = TypeVar("P_contra", contravariant=True)


class Rollouts(Protocol[P_contra]):
    """Produces a batch of rollouts from the policy as it is now."""

    def __call__(self, prompts: Sequence[P_contra], step: int) -> Sequence[Rollout]:
        """Return rollouts of each prompt.

        Args:
            prompts: This process's share of the batch.
            step: The number of the batch, from 0: what is sampled may depend on it and on nothing
                that a resumed run would not have.
        """
        ...


class Admitted(NamedTuple):
    """What may be learned from."""

    rows: list[Rollout]
    refused: dict[str, int]
    """Why others may not: `no reward`, `not finite`, `empty`, `too long`, `alone`."""
    equal_groups: int
    """Groups of two or more whose rewards are all equal: they teach nothing by comparison."""


def admit(rollouts: Sequence[Rollout], objective: Objective, schedule: Schedule) -> Admitted:
    """Leave out what cannot be learned from, and count it.

    Raises:
        ConfigError: A rollout lacks what every rollout must have here: token ids,
            log-probabilities, a greedy baseline, or step rewards; or it has what only GRPO takes.
    """
    refused: Counter[str] = Counter()
    rows = []
    for rollout in rollouts:
        _require(rollout, objective, schedule)
        why = _refusal(rollout, objective, schedule)
        if why is None:
            rows.append(rollout)
        else:
            refused[why] += 1
    sizes = Counter(row.group for row in rows)
    if objective.estimator == "leave_one_out":
        alone = [row for row in rows if sizes[row.group] < 2]
        refused["alone"] += len(alone)
        rows = [row for row in rows if sizes[row.group] > 1]
    totals: dict[str, set[float]] = {}
    for row in rows:
        totals.setdefault(row.group, set()).add(row.total)
    equal = sum(sizes[group] > 1 and len(found) == 1 for group, found in totals.items())
    return Admitted(rows, {why: n for why, n in refused.items() if n}, equal)


def _require(rollout: Rollout, objective: Objective, schedule: Schedule) -> None:
    if not rollout.completion_ids:
        return  # a reply that failed lacks the rest too, and is refused as empty
    if not rollout.prompt_ids:
        raise ConfigError("a rollout has no prompt: give the tokens that the model saw")
    if rollout.advantages is not None:
        raise ConfigError(
            "this trainer finds the advantages itself: give rollouts without them, or train_grpo"
        )
    if rollout.logprobs is None and schedule.old == "sampled":
        raise ConfigError('a rollout has no logprobs: sample with them, or give old="recomputed"')
    if rollout.baseline is None and objective.estimator == "greedy":
        raise ConfigError("the greedy estimator needs Rollout.baseline: decode greedily as well")
    if not rollout.step_rewards and objective.estimator == "process":
        raise ConfigError("the process estimator needs Rollout.step_rewards: score the steps")
    if rollout.forced and not objective.forced:
        raise ConfigError('a rollout was begun with given tokens: that is for the "mixer" preset')


def _refusal(rollout: Rollout, objective: Objective, schedule: Schedule) -> str | None:
    tokens = len(rollout.completion_ids)
    if not tokens:
        return "empty"
    if tokens > schedule.max_tokens:
        return "too long"
    if rollout.reward is None and not rollout.step_rewards:
        return "no reward"
    if None in rollout.step_rewards:
        return "no reward"
    numbers = [rollout.reward, rollout.baseline, *rollout.step_rewards]
    if not all(math.isfinite(number) for number in numbers if number is not None):
        return "not finite"
    return None
