"""Advantages of whole responses: the reward, less what was to be expected.

REINFORCE (Williams 1992) subtracts nothing, the mean of its batch or a moving average; RLOO, GRPO
and Dr. GRPO compare within a group (the mathematics is in `cogitate.training.credit`); SCST (Rennie
et al. 2017, arXiv:1612.00563) subtracts the reward of the greedy decode of the same prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cogitate.errors import DataError

__all__ = ["MovingAverage", "batch_mean", "by_group", "self_critical"]


@dataclass(slots=True)
class MovingAverage:
    """An exponential average of the rewards of earlier batches; without any it is 0.

    The rewards of a batch do not enter the baseline that is subtracted from them, so that the
    gradient stays unbiased.
    """

    decay: float = 0.9
    total: float = 0.0
    weight: float = 0.0
    """`total / weight` is the average: a young one is not drawn towards 0."""

    def advantages(self, rewards_B: Sequence[float]) -> list[float]:
        """Return rewards less the average so far, and then let them enter it."""
        baseline = self.total / self.weight if self.weight else 0.0
        if rewards_B:
            mean = sum(rewards_B) / len(rewards_B)
            self.total = self.decay * self.total + (1 - self.decay) * mean
            self.weight = self.decay * self.weight + (1 - self.decay)
        return [reward - baseline for reward in rewards_B]


def batch_mean(rewards_B: Sequence[float]) -> list[float]:
    """Return rewards less their mean.

    Example:
        >>> batch_mean([1, 0])
        [0.5, -0.5]
    """
    mean = sum(rewards_B) / max(len(rewards_B), 1)
    return [reward - mean for reward in rewards_B]


def self_critical(rewards_B: Sequence[float], greedy_B: Sequence[float]) -> list[float]:
    """Return rewards less those of the greedy decodes of the same prompts.

    Raises:
        DataError: They differ in number.

    Example:
        >>> self_critical([1, 0], [0.5, 0.5])
        [0.5, -0.5]
    """
    if len(rewards_B) != len(greedy_B):
        raise DataError(f"{len(rewards_B)} rewards, {len(greedy_B)} greedy ones: give one for each")
    return [reward - greedy for reward, greedy in zip(rewards_B, greedy_B, strict=True)]


def by_group(
    rewards_B: Sequence[float],
    groups_B: Sequence[str],
    advantages: Callable[[Sequence[float]], list[float]],
) -> list[float]:
    """Apply a function to the rewards of each group, and return the results in order.

    Example:
        >>> by_group([1, 5, 0], ["a", "b", "a"], batch_mean)
        [0.5, 0.0, -0.5]
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups_B):
        members.setdefault(group, []).append(row)
    found = [0.0] * len(rewards_B)
    for rows in members.values():
        for row, advantage in zip(rows, advantages([rewards_B[r] for r in rows]), strict=True):
            found[row] = advantage
    return found
