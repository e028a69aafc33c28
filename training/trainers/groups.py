"""Advantages within groups, from rewards of which nothing unsound reaches a trainer.

TRL 1.16 lets an infinite reward through, and a single NaN or missing one changes the baseline of
its group. Here each reward that is no finite number is counted and its reply teaches nothing; a
group without two finite rewards, or with equal ones alone, teaches nothing either, and is counted.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from cogitate.training.credit import group_relative, process_group_relative
from cogitate.training.trainers.rollout import Rollout

__all__ = ["Advantages", "group_advantages"]

Advantages = list[tuple[float, ...]]
"""Of each reply of a group: one for each token."""


def group_advantages(
    group: Sequence[Rollout],
    counts: Counter[str],
    *,
    level: Literal["outcome", "process"] = "outcome",
    scale: Literal["std", "none"] = "std",
) -> Advantages:
    """Return the advantage of each token of each reply of a group.

    Args:
        group: Replies to one start.
        counts: Added to: `replies`, `failed` (without tokens), `none`, `nan`, `infinite` (rewards),
            `groups`, `empty` (no finite reward), `alone` (one), `equal`.
        level: `process`: the rewards of all steps of the group are normalised together.
        scale: Whether to divide by the standard deviation.
    """
    counts["groups"] += 1
    counts["replies"] += len(group)
    sound = [i for i, one in enumerate(group) if _is_sound(one, counts, level)]
    found: Advantages = [one.advantages or (0.0,) * len(one.completion_ids) for one in group]
    judged = [i for i in sound if group[i].advantages is None]
    if not judged:
        counts["empty"] += not sound
        return found
    rewards = [_rewards(group[i], level) for i in judged]
    flat = [reward for trajectory in rewards for reward in trajectory]
    if len(judged) < 2 or min(flat) == max(flat):
        counts["alone" if len(judged) < 2 else "equal"] += 1
        return found
    if level == "process":
        by_step = process_group_relative(rewards)
    else:
        by_step = [[advantage] for advantage in group_relative(flat, scale=scale)]
    for i, advantages in zip(judged, by_step, strict=True):
        found[i] = _spread(group[i], advantages)
    return found


def _rewards(one: Rollout, level: Literal["outcome", "process"]) -> list[float]:
    rewards = one.step_rewards if level == "process" else (one.reward,)
    return [reward for reward in rewards if reward is not None]


def _is_sound(one: Rollout, counts: Counter[str], level: Literal["outcome", "process"]) -> bool:
    if not one.completion_ids:
        counts["failed"] += 1
        return False
    if one.advantages is not None:
        return True
    rewards = one.step_rewards if level == "process" else (one.reward,)
    if not rewards or None in rewards:
        counts["none"] += 1
        return False
    numbers = [reward for reward in rewards if reward is not None]
    if any(map(math.isnan, numbers)):
        counts["nan"] += 1
        return False
    if any(map(math.isinf, numbers)):
        counts["infinite"] += 1
        return False
    return True


def _spread(one: Rollout, advantages: Sequence[float]) -> tuple[float, ...]:
    """Give each token the advantage of the step that it is in."""
    ends = one.step_ends if len(advantages) > 1 else (len(one.completion_ids) - 1,)
    spread: list[float] = []
    for end, advantage in zip(ends, advantages, strict=True):
        spread += [advantage] * (end + 1 - len(spread))
    spread += [0.0] * (len(one.completion_ids) - len(spread))
    return tuple(spread)
