"""How sure a measured share is: intervals for the accuracies that reports show."""

import math
from typing import NamedTuple

from cogitate.errors import ConfigError

__all__ = ["Interval", "share_interval", "wilson"]

_Z = 1.959963984540054
"""The 97.5% quantile of the normal distribution: 95% lie between -z and z."""


class Interval(NamedTuple):
    """Where the true value lies, in 95 of 100 such measurements."""

    low: float
    high: float


def wilson(correct: int, total: int) -> Interval:
    """Return the 95% interval of a share (Wilson 1927): good for small samples and near 0 and 1.

    Args:
        correct: How many were right.
        total: Of how many; none at all tell nothing, so 0 gives [0, 1].

    Raises:
        ConfigError: Not 0 <= correct <= total.

    Example:
        >>> low, high = wilson(8, 10)
        >>> f"{low:.3f} {high:.3f}"
        '0.490 0.943'
    """
    if not 0 <= correct <= total:
        raise ConfigError(f"wilson({correct}, {total}): give 0 <= correct <= total")
    if total == 0:
        return Interval(0.0, 1.0)
    return share_interval(correct / total, total)


def share_interval(share: float, samples: float) -> Interval:
    """Return the 95% interval of a share that was seen in `samples` draws (Wilson 1927).

    Args:
        share: In [0, 1]; a mean of draws in [0, 1] will do, for none spreads more than 0 and 1.
        samples: How many, more than 0; a fraction where draws weigh differently.

    Raises:
        ConfigError: Not 0 <= share <= 1, or no samples.
    """
    if not (0 <= share <= 1 and 0 < samples < math.inf):
        raise ConfigError(f"share_interval({share}, {samples}): give a share and its samples")
    z2 = _Z * _Z
    centre = share + z2 / (2 * samples)
    spread = _Z * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples * samples))
    scale = 1 + z2 / samples
    return Interval(max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))
