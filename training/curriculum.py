"""Which problems to train on next: those that are solved sometimes, by measured pass rate.

A problem that is always or never solved gives a group of equal rewards and teaches nothing; what is
solved about every other time teaches most (Kimi k1.5, arXiv:2501.12599, samples by success rate). A
rate is measured from few samples, so it is a share with an interval, and a problem that was never
measured is neither easy nor hard: it is counted apart.

Left out: guesses of difficulty from anything but outcomes, and schedules; a loop measures again.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.tasks import Problem
from cogitate.training.intervals import Interval, exact_interval
from cogitate.training.passes import Samples

__all__ = ["Chosen", "Curriculum", "PassRate", "pass_rates"]


class PassRate(NamedTuple):
    """How often a problem was solved."""

    right: int
    samples: int
    """1 or more."""

    @property
    def share(self) -> float:
        """In [0, 1]."""
        return self.right / self.samples

    @property
    def interval(self) -> Interval:
        """95%, exact."""
        return exact_interval(self.share, self.samples)


class Chosen(NamedTuple):
    """The problems to train on, and what became of the others."""

    problems: list[Problem]
    counts: dict[str, int]
    """`chosen`, `below` and `above` the band, `unmeasured`, and `left`: in the band, not drawn."""


@dataclass(frozen=True)
class Curriculum:
    """Choose problems whose pass rate lies in a band."""

    low: float = 0.1
    """The lowest rate, itself included."""
    high: float = 0.9
    """The highest, itself included."""
    bins: int = 1
    """The band is cut into so many bins, from which equally many are drawn while they last."""

    def __post_init__(self) -> None:
        """Refuse a band that is none."""
        if not (0 <= self.low <= self.high <= 1 and self.bins >= 1):
            raise ConfigError(
                f"Curriculum(low={self.low}, high={self.high}, bins={self.bins}): give "
                "0 <= low <= high <= 1 and at least 1 bin"
            )

    def choose(
        self,
        problems: Sequence[Problem],
        rates: Mapping[str, PassRate],
        *,
        size: int | None = None,
        seed: int = 0,
    ) -> Chosen:
        """Choose problems, in the order in which they were given.

        Args:
            problems: From which to choose.
            rates: By id: see `pass_rates`.
            size: The most that are chosen; all in the band by default.
            seed: Decides which, where there are more.

        Raises:
            ConfigError: `size` is less than 1.
        """
        if size is not None and size < 1:
            raise ConfigError(f"size={size}: give at least 1, or None for all in the band")
        counts = {"chosen": 0, "below": 0, "above": 0, "unmeasured": 0, "left": 0}
        binned: list[list[str]] = [[] for _ in range(self.bins)]
        for problem in problems:
            rate = rates.get(problem.id)
            if rate is None:
                counts["unmeasured"] += 1
            elif rate.share < self.low:
                counts["below"] += 1
            elif rate.share > self.high:
                counts["above"] += 1
            else:
                binned[self.bin_of(rate)].append(problem.id)
        chosen = _even(binned, size, random.Random(f"curriculum {seed}"))
        counts["chosen"] = len(chosen)
        counts["left"] = sum(map(len, binned)) - len(chosen)
        return Chosen([problem for problem in problems if problem.id in chosen], counts)

    def bin_of(self, rate: PassRate) -> int:
        """Return the number of the bin of a rate within the band, from 0 for the hardest."""
        width = (self.high - self.low) / self.bins
        edges = [self.low + width * i for i in range(1, self.bins)]
        return bisect_right(edges, rate.share)


def pass_rates(samples: Iterable[Samples]) -> dict[str, PassRate]:
    """Return the pass rate of each problem, from samples of one or several rounds."""
    rates: dict[str, PassRate] = {}
    for one in samples:
        before = rates.get(one.problem, PassRate(0, 0))
        rates[one.problem] = PassRate(before.right + one.right, before.samples + one.total)
    return {name: rate for name, rate in rates.items() if rate.samples}


def _even(binned: Sequence[list[str]], size: int | None, chance: random.Random) -> set[str]:
    """One from each bin in turn, hardest first, until there are enough or none is left."""
    waiting = [chance.sample(names, len(names)) for names in binned]
    total = sum(map(len, waiting))
    wanted = total if size is None else min(size, total)
    chosen: set[str] = set()
    while len(chosen) < wanted:
        for names in waiting:
            if names and len(chosen) < wanted:
                chosen.add(names.pop())
    return chosen
