"""Value back-up: how often what was made from a thought came out right (MALT, Motwani et al. 2024).

In MALT's tree (arXiv:2412.01928) a refinement is worth 1 if its answer is correct and else 0, a
critique the mean of its refinements, a generation the mean of its critiques. Here that holds in any
graph: the children of a thought are those of the transitive reduction, for a draft is a parent of
its refinement too, and that edge goes past the critique. A merged child counts fully for each of
its parents. A grade on a thought that led to graded ones does not enter its own value.

Beyond the paper, each value has an interval. It counts as many draws as there are children, for
what lies below one child shares it, and fewer where few leaves decide or some decide more than
others: (sum of weights)^2 / sum of squares (Kish 1965). It is the exact one (Clopper and Pearson
1934), for three draws are usual here. The value of a leaf is its grade, exactly. Values are summed
as fractions: a value at the threshold is at the threshold, whatever rounding would make of it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import networkx as nx

from cogitate.errors import ConfigError
from cogitate.graphs import Thought, ThoughtGraph
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.credit.record import Credit, Credited, Origin
from cogitate.training.credit.siblings import siblings
from cogitate.training.described import described
from cogitate.training.intervals import Interval, exact_interval

__all__ = ["PreferencePair", "ValueBackup"]


class PreferencePair(NamedTuple):
    """Two thoughts that were asked for in the same words, of which one led to right answers."""

    chosen: Thought
    rejected: Thought
    margin: float
    """How much more the chosen one is worth."""


class _Value(NamedTuple):
    exactly: Fraction
    leaves: dict[str, float]
    """The weight of each graded leaf; they sum to 1."""
    draws: float
    """0 of a leaf."""

    @property
    def value(self) -> float:
        return float(self.exactly)

    @property
    def interval(self) -> Interval:
        if not self.draws:
            return Interval(self.value, self.value)
        return exact_interval(self.value, self.draws)


@described(
    "value-backup",
    paper="MALT, Motwani et al. 2024, arXiv:2412.01928",
    needs="a graph with graded solutions; best a tree of several thoughts from each",
    costs="nothing beyond the grades",
    pays="where roles made thoughts from each other's: each gets a value, and siblings make pairs",
)
@dataclass(frozen=True)
class ValueBackup:
    """Give each thought the mean value of what was made from it; positive above `threshold`."""

    threshold: float = 0.5
    """A value must be more than this to be positive."""

    def __post_init__(self) -> None:
        """Refuse a threshold that nothing, or everything, is above."""
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"ValueBackup(threshold={self.threshold}): give 0 <= threshold < 1")

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return a value for each thought from which a graded one was made."""
        origin = Origin("value-backup", 2, (("threshold", self.threshold),))
        found = {}
        counts = Counter({"positive": 0, "negative": 0})
        for name, backed in _back_up(graph, grades).items():
            positive = backed.value > self.threshold
            counts["positive" if positive else "negative"] += 1
            found[name] = [
                Credit(
                    thought=name,
                    measure="value",
                    value=backed.value,
                    samples=len(backed.leaves),
                    interval=backed.interval,
                    positive=positive,
                    origin=origin,
                )
            ]
        counts["no value"] = len(graph) - len(found)
        return Credited(found, dict(counts))

    def pairs(
        self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None
    ) -> list[PreferencePair]:
        """Pair each thought above the threshold with each sibling at or below it.

        Siblings share all parents, the role, the operation and the prompt. Two of the same text
        make no pair.
        """
        values = {name: backed.value for name, backed in _back_up(graph, grades).items()}
        return [
            PreferencePair(chosen, rejected, values[chosen.id] - values[rejected.id])
            for group in siblings(graph, values)
            for chosen in group
            for rejected in group
            if values[chosen.id] > self.threshold >= values[rejected.id]
            and chosen.text != rejected.text
        ]


def _back_up(graph: ThoughtGraph, grades: Mapping[str, float] | None) -> dict[str, _Value]:
    graded = outcomes(graph, grades)
    order = graph.in_order()
    children = _reduced(graph)
    backed: dict[str, _Value] = {}
    for thought in reversed(order):
        below = [backed[child] for child in sorted(children[thought.id]) if child in backed]
        if below:
            backed[thought.id] = _mean(below)
        elif thought.id in graded:
            right = Fraction(is_right(graded[thought.id]))
            backed[thought.id] = _Value(right, {thought.id: 1.0}, 0.0)
    return {thought.id: backed[thought.id] for thought in order if thought.id in backed}


def _reduced(graph: ThoughtGraph) -> dict[str, list[str]]:
    """The children of each thought in the transitive reduction."""
    children: dict[str, list[str]] = {thought: [] for thought in graph}
    for thought, parents in graph.pred.items():
        longer: set[str] = set()
        for parent in parents if len(parents) > 1 else ():
            longer |= nx.ancestors(graph, parent)
        for parent in parents:
            if parent not in longer:
                children[parent].append(thought)
    return children


def _mean(below: list[_Value]) -> _Value:
    leaves: dict[str, float] = {}
    for child in below:
        for leaf, weight in child.leaves.items():
            leaves[leaf] = leaves.get(leaf, 0.0) + weight / len(below)
    value = sum((child.exactly for child in below), Fraction(0)) / len(below)
    effective = 1 / sum(weight * weight for weight in leaves.values())
    return _Value(value, leaves, min(float(len(below)), effective))
