"""Advantages within a group of siblings: no critic is needed where several replies share a prompt.

`GroupRelative` is GRPO's (Shao et al. 2024, arXiv:2402.03300), without its division by the standard
deviation Dr. GRPO's (Liu et al. 2025, arXiv:2503.20783; the 1/|o| that it leaves out as well is the
trainer's). `LeaveOneOut` is RLOO's (Ahmadian et al. 2024, arXiv:2402.14740). The standard deviation
is that of the group itself (divided by its size).
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import ThoughtGraph
from cogitate.training.credit.outcomes import outcomes
from cogitate.training.credit.record import Credit, Credited, Origin
from cogitate.training.credit.siblings import siblings
from cogitate.training.credit.value_backup import ValueBackup
from cogitate.training.described import described

__all__ = ["GroupRelative", "LeaveOneOut", "group_relative", "leave_one_out"]

Reward = Literal["grade", "value"]


def group_relative(
    rewards: Sequence[float], *, scale: Literal["std", "none"] = "std", epsilon: float = 1e-4
) -> list[float]:
    """Return (r - mean) / (std + epsilon) of each reward of a group, or r - mean.

    Rewards that are all equal give exact zeros.

    Raises:
        DataError: A reward is no finite number.

    Example:
        >>> group_relative([1, 0, 0, 1], epsilon=0)
        [1.0, -1.0, -1.0, 1.0]
    """
    _check(rewards)
    if not rewards or min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    mean = math.fsum(rewards) / len(rewards)
    centred = [reward - mean for reward in rewards]
    if scale == "none":
        return centred
    std = math.sqrt(math.fsum(c * c for c in centred) / len(centred))
    return [c / (std + epsilon) for c in centred]


def leave_one_out(rewards: Sequence[float]) -> list[float]:
    """Return each reward less the mean of the others.

    Raises:
        DataError: A reward is no finite number, or there are no others.

    Example:
        >>> leave_one_out([1, 0, 0])
        [1.0, -0.5, -0.5]
    """
    _check(rewards)
    if len(rewards) < 2:
        raise DataError("leave-one-out needs two rewards or more: sample more replies")
    if min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    total = math.fsum(rewards)
    return [reward - (total - reward) / (len(rewards) - 1) for reward in rewards]


@described(
    "group-relative",
    paper="Shao et al. 2024, arXiv:2402.03300; without `std`: Liu et al. 2025, arXiv:2503.20783",
    needs="graded siblings: replies to one prompt",
    costs="nothing beyond the grades",
    pays="where replies to one prompt are right and wrong; equal ones have no credit",
)
@dataclass(frozen=True)
class GroupRelative:
    """Compare each thought with its siblings: (r - mean) / (std + epsilon)."""

    scale: Literal["std", "none"] = "std"
    """`none`: leave the standard deviation out."""
    epsilon: float = 1e-4
    reward: Reward = "grade"
    """What is compared: the grades of solutions, or the backed-up values of all thoughts, so that
    generators and critics are compared as well."""

    def __post_init__(self) -> None:
        """Refuse a scale or a reward that is not there."""
        if self.scale not in ("std", "none"):
            raise ConfigError(f"GroupRelative(scale={self.scale!r}): give 'std' or 'none'")
        if not 0 <= self.epsilon < math.inf:
            raise ConfigError(f"GroupRelative(epsilon={self.epsilon}): give a number from 0 on")
        _check_reward("GroupRelative", self.reward)

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return an advantage for each thought with a reward."""
        parameters = (("scale", self.scale), ("epsilon", self.epsilon), ("reward", self.reward))
        return _credit(
            graph,
            _rewards(graph, grades, self.reward),
            lambda rewards: group_relative(rewards, scale=self.scale, epsilon=self.epsilon),
            Origin("group-relative", 1, parameters),
            least=1,
        )


@described(
    "leave-one-out",
    paper="Ahmadian et al. 2024, arXiv:2402.14740",
    needs="graded siblings: replies to one prompt",
    costs="nothing beyond the grades",
    pays="as `group-relative`, where the scale of the reward shall stay",
)
@dataclass(frozen=True)
class LeaveOneOut:
    """Compare each thought with the mean of its siblings, itself left out."""

    reward: Reward = "grade"
    """As in `GroupRelative`."""

    def __post_init__(self) -> None:
        """Refuse a reward that is not there."""
        _check_reward("LeaveOneOut", self.reward)

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return an advantage for each thought that has a sibling, both with a reward."""
        origin = Origin("leave-one-out", 1, (("reward", self.reward),))
        rewards = _rewards(graph, grades, self.reward)
        return _credit(graph, rewards, leave_one_out, origin, least=2)


def _rewards(
    graph: ThoughtGraph, grades: Mapping[str, float] | None, reward: Reward
) -> dict[str, float]:
    if reward == "grade":
        return outcomes(graph, grades)
    return {name: found[0].value for name, found in ValueBackup()(graph, grades).credits.items()}


def _credit(
    graph: ThoughtGraph,
    rewards: Mapping[str, float],
    advantages: Callable[[Sequence[float]], list[float]],
    origin: Origin,
    *,
    least: int,
) -> Credited:
    found: dict[str, list[Credit]] = {}
    counts = Counter({"groups": 0, "equal": 0, "alone": 0})
    for group in siblings(graph, rewards):
        if len(group) < least:
            counts["alone"] += 1
            continue
        rewards_G = [rewards[thought.id] for thought in group]
        counts["groups"] += 1
        counts["equal"] += min(rewards_G) == max(rewards_G)
        for thought, advantage in zip(group, advantages(rewards_G), strict=True):
            found[thought.id] = [
                Credit(
                    thought=thought.id,
                    measure="advantage",
                    value=advantage,
                    samples=len(group),
                    origin=origin,
                )
            ]
    return Credited(found, dict(counts))


def _check(rewards: Sequence[float]) -> None:
    for i, reward in enumerate(rewards):
        if not math.isfinite(reward):
            raise DataError(f"reward {i} of a group is {reward}: rewards are finite numbers")


def _check_reward(name: str, reward: Reward) -> None:
    if reward not in ("grade", "value"):
        raise ConfigError(f"{name}(reward={reward!r}): give 'grade' or 'value'")
