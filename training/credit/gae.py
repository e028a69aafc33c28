"""Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438)."""

import math
from collections.abc import Sequence

from cogitate.errors import ConfigError, DataError
from cogitate.training.described import described

__all__ = ["gae"]


@described(
    "gae",
    paper="Schulman et al. 2016, arXiv:1506.02438",
    needs="rewards and values step by step",
    costs="a model of values",
    pays="where there is a critic: less noise for some bias, as `lam` says",
)
def gae(
    rewards: Sequence[float],
    values: Sequence[float],
    gamma: float,
    lam: float,
    *,
    bootstrap: float = 0.0,
) -> list[float]:
    """Return the sum over l of (gamma * lam)^l * delta[t + l], for each t.

    Here delta[t] = rewards[t] + gamma * values[t + 1] - values[t].

    Args:
        rewards: After each action.
        values: Of the state before each action.
        gamma: How much a later reward counts, in [0, 1].
        lam: How far rewards are trusted over values, in [0, 1].
        bootstrap: The value of the state after the last action: 0 where the episode ended there,
            an estimate where it was only cut.

    Raises:
        ConfigError: `gamma` or `lam` is not in [0, 1].
        DataError: Rewards and values differ in number, or one is no finite number.

    Example:
        >>> gae([0, 1], [0.5, 0.5], 1, 0.5)
        [0.25, 0.5]
    """
    if not (0 <= gamma <= 1 and 0 <= lam <= 1):
        raise ConfigError(f"gae(gamma={gamma}, lam={lam}): give both in [0, 1]")
    if len(rewards) != len(values):
        raise DataError(f"{len(rewards)} rewards and {len(values)} values: give one for each")
    if not all(map(math.isfinite, (*rewards, *values, bootstrap))):
        raise DataError("a reward or a value is no finite number: leave that episode out")
    advantages: list[float] = []
    following, later = bootstrap, 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        later = reward + gamma * following - value + gamma * lam * later
        following = value
        advantages.append(later)
    return advantages[::-1]
