"""How often the simulated solver errs: all that `benchmarks/simulated.py` reports follows from it.

They were written down before any strategy was run on the simulation and are not fitted to an
outcome. `--sweep` varies them one at a time, and reports where search loses too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["RATES", "Level", "Rates"]


class Level(NamedTuple):
    """A difficulty of step-wise arithmetic."""

    steps: int
    """Calculations in a row; each works on the result of the one before."""
    error: float
    """The probability that a step's result is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the simulated generator, critic, verifier and refiner get wrong."""

    levels: tuple[Level, ...] = (
        Level(4, 0.02), Level(5, 0.06), Level(6, 0.12), Level(8, 0.16), Level(10, 0.24)
    )  # fmt: skip
    """Arithmetic, from easy to hard: one sample is right in 92, 73, 46, 25 and 6 of 100 cases."""
    front: float = 0.0
    """The part of a solution's errors that fall on its first step, as where a wrong approach
    decides; one sample is right as often as without. Added for a sweep; 0 changes nothing."""
    habit: float = 0.4
    """The share of wrong results that are the same wrong result in every sample: errors agree."""

    whole: float = 2.0
    """How many standard deviations (of its noise, in logits) part the verifier's scores of right
    solutions from those of wrong ones: the area under its curve is Φ(2 / √2) = 0.92."""
    partial: float = 1.5
    """The same for beginnings of solutions: 0.86."""
    persistence: float = 0.6
    """The correlation of the verifier's noise from one step to the next of the same solution."""

    critic_finds: float = 0.7
    """The critic rejects a wrong solution with this probability."""
    critic_accepts: float = 0.85
    """The critic accepts a right solution with this probability."""
    refiner_mends: float = 0.5
    """The refiner redoes the first wrong step rightly with this probability; later steps are made
    anew at the generator's rates."""
    refiner_spoils: float = 0.3
    """The refiner breaks a right solution that was rejected with this probability."""

    promising: Mapping[int, float] = field(default_factory=lambda: {4: 0.2, 3: 0.35, 2: 0.7})
    """Game of 24: the generator picks a move after which 24 can still be reached (where there is
    one) with this probability, by the numbers left: 5 of 100 chains of thought come out right."""
    slip: float = 0.02
    """Game of 24: a move's result is calculated wrongly with this probability."""
    states: Mapping[int, float] = field(default_factory=lambda: {3: 1.5, 2: 2.5, 1: 4.0})
    """Game of 24: as `whole`, for states with so many numbers left. The verdict is `sure` above a
    quarter of the separation, `impossible` below minus a quarter, and `likely` between."""
    mood: float = 0.5
    """Game of 24: the part of a verdict's noise variance that differs from sample to sample."""

    sorts: float = 0.10
    """Sorting 32 numbers: each number is lost, doubled or misplaced with this probability ..."""
    sorts_growth: float = 1.3
    """... and of a shorter list with `sorts * (length / 32) ** sorts_growth`."""
    merges: float = 0.03
    """The same for merging two sorted lists into one of 32, falling in proportion to length."""
    improves: float = 0.35
    """Sorting: the refiner mends each error of a list with this probability ..."""
    worsens: float = 0.01
    """... and makes a new one at each number with this probability."""


RATES = Rates()
