"""What every experiment shares: its size, its seeds, its section of the page, and its claims.

Strategies' parameters were chosen on the seeds of `DEV`; everything reported was measured on the
problems and the chance of another seed.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import cogitate as cg
from cogitate import training
from cogitate.tasks import Problem
from simulation import arithmetic
from simulation.chart import Line, Point, chart
from simulation.measure import Difference, Row, difference, engine, measure, ratio
from simulation.rates import RATES, Rates

__all__ = [
    "DEV",
    "FULL",
    "SHORT",
    "TEST",
    "Calculating",
    "Count",
    "Section",
    "Size",
    "accuracy_chart",
    "best_of",
    "claim",
    "judged",
    "line",
    "powers",
]

DEV, TEST = (1, 2, 3), 101
"""Seeds of what parameters and plans were chosen on, and of what is reported."""


_MARGIN = 0.05
Count = Literal["computed", "completion", "total"]
_COUNTS: Mapping[Count, str] = {
    "computed": "computed tokens",
    "completion": "completion tokens",
    "total": "tokens without a cache",
}


class Size(NamedTuple):
    """How much is run."""

    arithmetic: int
    """Problems of step-wise arithmetic."""
    claims: int
    """The same where a claim is judged."""
    puzzles: int
    """Games of 24."""
    lists: int
    """Lists to sort: the 50 shipped ones, as often as it takes."""
    swept: int
    """Problems for each row of a sweep."""
    largest: int
    """The n of the largest best-of-n."""


FULL = Size(arithmetic=300, claims=1000, puzzles=200, lists=200, swept=100, largest=32)
SHORT = Size(arithmetic=20, claims=20, puzzles=6, lists=10, swept=5, largest=8)


class Section(NamedTuple):
    """A part of the page."""

    text: str
    charts: Mapping[str, str]
    """SVG by file name."""


class Calculating(NamedTuple):
    """Step-wise arithmetic with one simulated team."""

    problems: list[Problem]
    rates: Rates
    seed: int

    @classmethod
    def of(cls, size: int, *, seed: int, rates: Rates = RATES) -> "Calculating":
        """Make problems."""
        made = arithmetic.problems(size, seed=seed, rates=rates)
        return cls([problem for problem, _ in made.values()], rates, seed)

    def team(self) -> cg.Team:
        """A team whose prefix cache is empty."""
        made = arithmetic.problems(len(self.problems), seed=self.seed, rates=self.rates)
        return cg.Team.of(engine(arithmetic.Arithmetic(made, self.rates)))

    def rows(self, *names: str) -> list[Row]:
        """Measure strategies."""
        return [
            measure(self.problems, self.team(), name, seed=self.seed, name=name) for name in names
        ]


def best_of(*sizes: int, weighted: bool = True) -> list[str]:
    """Name best-of-n strategies."""
    return [f"best-of-n?n={n}" + ("&weighted=true" if weighted else "") for n in sizes]


def powers(largest: int) -> list[int]:
    """The n of a curve of best-of-n."""
    return [n for n in (2, 4, 8, 16, 32, 64) if n <= largest]


def claim(what: str, row: Row, other: Row, *, count: Count, most: float) -> str:
    """Say whether a claim holds, as the head of the page defines it.

    Args:
        what: The claim.
        row: Whose claim it is.
        other: What it is compared with.
        count: The tokens that it is about.
        most: What part of the other's it may cost.
    """
    gain = difference(row.right, other.right)
    spent = {name: ratio(getattr(row, name), getattr(other, name)) for name in _COUNTS}
    word = judged(gain) if spent[count].high <= most else "Does not hold"
    value, low, high = spent[count]
    others = [
        f"{spent[name].value:.0%} of the {text}" for name, text in _COUNTS.items() if name != count
    ]
    return (
        f"**{word}**: {what}. {gain.value * 100:+.1f} points "
        f"({gain.low * 100:+.1f} to {gain.high * 100:+.1f}) at {value:.0%} ({low:.0%} to "
        f"{high:.0%}) of the {_COUNTS[count]}, {' and '.join(others)}."
    )


def judged(gain: Difference) -> str:
    """Whether nothing is lost: more than five points are excluded, not excluded, or lost."""
    if gain.low >= -_MARGIN:
        return "Holds"
    return "Open" if gain.high >= 0 else "Does not hold"


def line(name: str, rows: Sequence[Row]) -> Line:
    """Accuracy over computed tokens, with intervals."""
    points = []
    for row in rows:
        low, high = training.wilson(round(sum(row.right)), len(row.right))
        points.append(Point(row.cost, row.accuracy, low, high))
    return Line(name, points)


def accuracy_chart(title: str, lines: Sequence[Line]) -> str:
    """Draw accuracy over computed tokens."""
    return chart(
        f"{title} (simulated)", lines, x="computed tokens a problem (logarithmic)", y="right"
    )
