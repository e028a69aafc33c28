"""Whether two evaluations of the same problems differ: tests that pair them, problem by problem.

What both get right, or both get wrong, says nothing about a difference; two intervals that overlap
say little. Three p-values, all two-sided:

    exact       McNemar's test (1947) in its exact form: of the problems that one got right and the
                other wrong, could as many fall on one side by tossing a coin? None where a score
                is neither 0 nor 1.
    sign flip   Fisher's randomisation (1935): how often is the difference as large when each
                problem's two scores change sides at random? For any scores; it equals the exact
                test for 0 and 1.
    bootstrap   problems are drawn anew, with their pairs (Efron 1979): how often does the
                difference fall on the other side of 0, or on it? The interval is of these draws.

Left out: tests over several seeds, or over generations of one problem as if they were problems.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from statistics import NormalDist

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.errors import ConfigError, DataError
from cogitate.training.intervals import Interval
from cogitate.training.outcome import Outcome

__all__ = ["Comparison", "compare", "mcnemar", "needed_problems", "scores_of"]

_POWER = 0.8
"""How sure a set of `needed_problems` shows a difference like the one that was measured."""


class Comparison(BaseModel):
    """Two evaluations, `a` and `b`, of the same problems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: int
    """That both finished."""
    unpaired: int = 0
    """That only one of them did; they are not compared."""
    both_right: int
    only_a: int
    """Problems that `a` has wholly right and `b` has not."""
    only_b: int
    both_wrong: int
    mean_a: FiniteFloat
    mean_b: FiniteFloat
    difference: FiniteFloat
    """`mean_b - mean_a`: more than 0 where `b` is better."""
    interval: Interval
    """95% of the difference, by the bootstrap. It has no width where no problem changed: trust it
    where ten or more did."""
    p_exact: FiniteFloat | None
    p_sign_flip: FiniteFloat
    p_bootstrap: FiniteFloat
    draws: int
    seed: int

    @property
    def p(self) -> float:
        """The p-value that decides: the exact one where there is one."""
        return self.p_sign_flip if self.p_exact is None else self.p_exact


def scores_of(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Return 1 or 0 for each problem, right or not; of several outcomes, the share that is right.

    A problem without a grade is wrong.
    """
    found: dict[str, list[bool]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.problem, []).append(outcome.correct)
    return {problem: sum(right) / len(right) for problem, right in found.items()}


def compare(
    a: Mapping[str, float], b: Mapping[str, float], *, draws: int = 2000, seed: int = 0
) -> Comparison:
    """Compare two evaluations on the problems that both finished.

    Args:
        a: A score in [0, 1] for each problem, by its id: see `scores_of`.
        b: The same of the other.
        draws: Of the bootstrap, and of the sign flips where no exact test applies.
        seed: Of both.

    Raises:
        ConfigError: They share no problem, or there are no draws.
        DataError: A score does not lie in [0, 1].

    Example:
        >>> found = compare({"p": 0, "q": 0, "r": 1}, {"p": 1, "q": 1, "r": 1})
        >>> found.only_b, round(found.difference, 3), found.p_exact
        (2, 0.667, 0.5)
    """
    shared = [problem for problem in a if problem in b]
    if not shared:
        raise ConfigError("the two evaluations share no problem: evaluate both on the same ones")
    if draws < 1:
        raise ConfigError(f"draws={draws}: give at least 1")
    pairs = [(float(a[problem]), float(b[problem])) for problem in shared]
    for score in (score for pair in pairs for score in pair):
        if not 0 <= score <= 1:
            raise DataError(f"a score is {score}: scores lie in [0, 1]")
    right = [(x == 1, y == 1) for x, y in pairs]
    only_a, only_b = right.count((True, False)), right.count((False, True))
    differences = [y - x for x, y in pairs]
    binary = all(score in (0, 1) for pair in pairs for score in pair)
    exact = mcnemar(only_a, only_b) if binary else None
    interval, p_bootstrap = _bootstrap(differences, draws, seed)
    return Comparison(
        problems=len(pairs),
        unpaired=len(a) + len(b) - 2 * len(pairs),
        both_right=right.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        both_wrong=right.count((False, False)),
        mean_a=math.fsum(x for x, _ in pairs) / len(pairs),
        mean_b=math.fsum(y for _, y in pairs) / len(pairs),
        difference=math.fsum(differences) / len(pairs),
        interval=interval,
        p_exact=exact,
        p_sign_flip=_sign_flip(differences, draws, seed) if exact is None else exact,
        p_bootstrap=p_bootstrap,
        draws=draws,
        seed=seed,
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Args:
        only_a: Problems that only `a` has right.
        only_b: Problems that only `b` has right.

    Raises:
        ConfigError: A count is negative.

    Example:
        >>> mcnemar(1, 9), mcnemar(4, 4)
        (0.021484375, 1.0)
    """
    if min(only_a, only_b) < 0:
        raise ConfigError(f"mcnemar({only_a}, {only_b}): give counts from 0 on")
    total = only_a + only_b
    tail = sum(math.comb(total, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, float(Fraction(2 * tail, 1 << total)))


def needed_problems(differences: Sequence[float], *, alpha: float = 0.05) -> int | None:
    """Return how many problems would show a gain like this one in four of five cases.

    The normal approximation of McNemar's test (Connor 1987), with the second moment of the
    differences in place of the share of problems that changed, which is the same for 0 and 1.

    Args:
        differences: Of the two scores of each problem, that were measured.
        alpha: The p-value that shall not be exceeded.

    Returns:
        None where the mean is no gain.

    Example:
        >>> needed_problems([1.0] * 30 + [-1.0] * 10 + [0.0] * 160)
        155
    """
    size = len(differences)
    gain = math.fsum(differences) / size if size else 0.0
    if gain <= 0:
        return None
    second = math.fsum(d * d for d in differences) / size
    normal = NormalDist()
    under_null = normal.inv_cdf(1 - alpha / 2) * math.sqrt(second)
    under_gain = normal.inv_cdf(_POWER) * math.sqrt(max(0.0, second - gain**2))
    return math.ceil(((under_null + under_gain) / gain) ** 2)


def _sign_flip(differences: Sequence[float], draws: int, seed: int) -> float:
    moved = [difference for difference in differences if difference]
    observed = abs(math.fsum(moved))
    chance = random.Random(f"sign flip {seed}")
    as_large = 0
    for _ in range(draws):
        signs = chance.getrandbits(len(moved)) if moved else 0
        total = math.fsum(d if signs >> i & 1 else -d for i, d in enumerate(moved))
        as_large += abs(total) >= observed - 1e-9  # sums of the same parts differ in their last bit
    return (as_large + 1) / (draws + 1)


def _bootstrap(differences: Sequence[float], draws: int, seed: int) -> tuple[Interval, float]:
    size = len(differences)
    chance = random.Random(f"bootstrap {seed}")
    means = sorted(math.fsum(chance.choices(differences, k=size)) / size for _ in range(draws))
    at_most = sum(mean <= 0 for mean in means)
    at_least = sum(mean >= 0 for mean in means)
    p = min(1.0, 2 * (min(at_most, at_least) + 1) / (draws + 1))
    return Interval(_quantile(means, 0.025), _quantile(means, 0.975)), p


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two neighbours of a place, in proportion."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
