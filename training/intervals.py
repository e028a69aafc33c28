"""How sure a measured share is: intervals for the accuracies that reports show."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cogitate.errors import ConfigError

__all__ = [
    "Interval",
    "clustered_interval",
    "exact_interval",
    "share_interval",
    "student_quantile",
    "wilson",
]

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


@lru_cache(maxsize=4096)
def exact_interval(share: float, samples: float) -> Interval:
    """Return the 95% interval of a share that covers in 95% of cases however few draws there are.

    That of Clopper and Pearson (1934). Wilson's covers on average: of three draws with the
    probability 0.06 it misses one in six.

    Args:
        share: In [0, 1], as in `share_interval`.
        samples: How many, more than 0; a fraction where draws weigh differently.

    Raises:
        ConfigError: Not 0 <= share <= 1, or no samples.

    Example:
        >>> low, high = exact_interval(1 / 3, 3)
        >>> f"{low:.4f} {high:.4f}"
        '0.0084 0.9057'
    """
    if not (0 <= share <= 1 and 0 < samples < math.inf):
        raise ConfigError(f"exact_interval({share}, {samples}): give a share and its samples")
    right, wrong = share * samples, (1 - share) * samples
    low = _beta_quantile(0.025, right, wrong + 1) if right else 0.0
    high = _beta_quantile(0.975, right + 1, wrong) if wrong else 1.0
    return Interval(min(low, share), max(high, share))


def clustered_interval(clusters: Sequence[tuple[int, int]]) -> Interval:
    """Return the 95% interval of a share whose cases come in clusters, such as many of one problem.

    Cases of one problem are alike, so they tell less than as many of different problems. Wilson's
    interval is taken at the number of cases divided by the design effect (Kish 1965): the variance
    of the share over clusters, as a ratio, against that of independent cases; never below 1. Where
    all cases agree, nothing can be told of it, and a cluster counts as one case.

    Args:
        clusters: (right, total) of each; those with a total of 0 are left out.

    Raises:
        ConfigError: Not 0 <= right <= total.

    Example:
        >>> low, high = clustered_interval([(1, 1)] * 8 + [(0, 1)] * 2)
        >>> f"{low:.2f} {high:.2f}"
        '0.49 0.94'
    """
    for right, total in clusters:
        if not 0 <= right <= total:
            raise ConfigError(f"a cluster of {right} of {total}: give 0 <= right <= total")
    clusters = [cluster for cluster in clusters if cluster[1]]
    cases = sum(total for _, total in clusters)
    if not cases:
        return Interval(0.0, 1.0)
    share = sum(right for right, _ in clusters) / cases
    many = len(clusters)
    if share in (0, 1) or many == 1:
        return share_interval(share, many)
    spread = math.fsum((right - share * total) ** 2 for right, total in clusters)
    variance = spread * many / (many - 1) / cases**2
    design = max(1.0, variance * (cases - 1) / (share * (1 - share)))
    return share_interval(share, cases / design)


@lru_cache(maxsize=256)
def student_quantile(degrees: int) -> float:
    """Return the 97.5% quantile of Student's t: 95% lie between minus that and that.

    Raises:
        ConfigError: Fewer than 1 degree of freedom.

    Example:
        >>> f"{student_quantile(10):.3f} {student_quantile(1):.3f}"
        '2.228 12.706'
    """
    if degrees < 1:
        raise ConfigError(f"student_quantile({degrees}): give at least 1 degree of freedom")
    x = _beta_quantile(0.05, degrees / 2, 0.5)
    return math.sqrt(degrees * (1 - x) / x)


def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_share(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_share(x: float, a: float, b: float) -> float:
    """The share of a beta distribution below x: a continued fraction (DLMF 8.17.22)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    scale += a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 400):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return math.exp(scale) * fraction / a
