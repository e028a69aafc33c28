"""Monte-Carlo step labels: can a step still lead to the answer? (Math-Shepherd, Wang et al. 2024).

From each step k completions are rolled out (arXiv:2312.08935). The hard label is 1 if any of them
is correct, the soft label is the share that is. A step with fewer than k graded roll-outs has no
label, for a hard label of fewer would be of another kind. The step that ends a solution is its own
completion.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from cogitate.errors import ConfigError
from cogitate.graphs import Deliberation, Thought, ThoughtGraph, ThoughtKind, gather
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.credit.record import Credit, Credited, Origin
from cogitate.training.described import described
from cogitate.training.intervals import Interval, exact_interval

__all__ = ["MonteCarloSteps", "roll_out"]

_LAST_STEPS = ("step", "proposal")


@described(
    "monte-carlo-steps",
    paper="Math-Shepherd, Wang et al. 2024, arXiv:2312.08935",
    needs="thoughts that are steps, and `roll_out` before it, or a search below them",
    costs="k completions and grades a step",
    pays="for labels of process models, where right answers can come of wrong steps only by luck",
)
@dataclass(frozen=True)
class MonteCarloSteps:
    """Label each step by k completions that were rolled out from it."""

    k: int
    """Completions a step; the first k of more."""
    label: Literal["hard", "soft"] = "hard"
    rollouts: Literal["finish", "descendants"] = "finish"
    """What counts as a completion: what `finish` wrote from the step itself, or every graded
    solution below it, the first k of `graph.in_order()`: a search that prunes has made them better
    than the step is, and what they share makes them no draws of their own, so that such a soft
    label has no interval."""

    def __post_init__(self) -> None:
        """Refuse labels from nothing and labels that are not there."""
        if self.k < 1:
            raise ConfigError(f"MonteCarloSteps(k={self.k}): roll out at least one completion")
        if self.label not in ("hard", "soft"):
            raise ConfigError(f"MonteCarloSteps(label={self.label!r}): give 'hard' or 'soft'")
        if self.rollouts not in ("finish", "descendants"):
            raise ConfigError(
                f"MonteCarloSteps(rollouts={self.rollouts!r}): give 'finish' or 'descendants'"
            )

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return a label for each step with k graded roll-outs."""
        graded = outcomes(graph, grades)
        found: dict[str, list[Credit]] = {}
        counts = Counter({"labelled": 0, "too few": 0})
        for thought in graph.in_order():
            right = None
            if thought.kind is ThoughtKind.STEP:
                right = self._completions(graph, thought, graded)
            elif thought.operation in _LAST_STEPS and thought.id in graded:
                right = [is_right(graded[thought.id])]
            if right is not None:
                counts["labelled" if right else "too few"] += 1
            if right:
                found[thought.id] = [self._credit(thought, right)]
        return Credited(found, dict(counts))

    def _completions(
        self, graph: ThoughtGraph, step: Thought, graded: Mapping[str, float]
    ) -> list[bool]:
        """Whether each of the first k completions is right; empty where there are fewer."""
        if self.rollouts == "finish":
            ends = [child.id for child in graph.children(step) if child.operation == "finish"]
        else:
            below = nx.descendants(graph, step.id)
            ends = [thought.id for thought in graph.in_order() if thought.id in below]
        right = [is_right(graded[end]) for end in ends if end in graded][: self.k]
        return right if len(right) == self.k else []

    def _credit(self, thought: Thought, right: list[bool]) -> Credit:
        correct, total = sum(right), len(right)
        interval = None
        if self.label == "soft" and thought.kind is ThoughtKind.SOLUTION:
            interval = Interval(correct, correct)
        elif self.label == "soft" and self.rollouts == "finish":
            interval = exact_interval(correct / total, total)
        return Credit(
            thought=thought.id,
            measure="label",
            value=float(any(right)) if self.label == "hard" else correct / total,
            samples=total,
            interval=interval,
            origin=Origin(
                "monte-carlo-steps",
                2,
                (("k", self.k), ("label", self.label), ("rollouts", self.rollouts)),
            ),
        )


async def roll_out(d: Deliberation, steps: Iterable[Thought], k: int) -> list[list[Thought]]:
    """Write k completions of each step, all at the same time; they stay in the graph.

    Returns:
        The completions of each step, in the order of `steps`; a grader has yet to see them.

    Raises:
        ConfigError: k is less than 1.
        BudgetExhausted: The budget ended before the last of them.
    """
    if k < 1:
        raise ConfigError(f"roll_out(k={k}): roll out at least one completion")
    return await gather(d.finish(step, n=k) for step in dict.fromkeys(steps))
