"""Graphs whose solutions a grader saw here and now: what credit and rows rest on.

Every solution of the whole problem is graded anew, whatever stands on it (see
`cogitate.training.regrade`). One without an outcome is counted, and no score of source `grader` is
left in the graph but those that were found here.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Literal, NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.solve import wait_for
from cogitate.tasks import Problem
from cogitate.training.held_back import held_back
from cogitate.training.regrade import Fault, Grades, said_by

__all__ = ["Graded", "Judge", "Unfit", "check_fit"]

Unfit = Literal["refuse", "drop"]
"""What becomes of problems that nothing may be trained on, and of those without a reference."""

Wait = Callable[[Coroutine[None, None, None]], None]

_MEMORY = 65_536
"""Grades that are remembered: several kinds of rows are made of the same episodes."""


class Graded(NamedTuple):
    """A graph of which every solution has a grade or a reason for having none."""

    graph: ThoughtGraph
    """Its `grader` scores are those that were found here; no others are left."""
    faults: dict[str, str]
    """By the id of a solution of the whole problem: `failed`, `undecided` or `disputed`."""

    def solutions(self) -> list[Thought]:
        """All solutions of the whole problem, graded or not, in an order that the graph decides."""
        found = set(_solutions(self.graph))
        return [thought for thought in self.graph.in_order() if thought in found]


class Judge:
    """Grades graphs, each distinct answer to a problem once."""

    def __init__(self) -> None:
        self._grades = Grades()

    def __call__(
        self,
        graph: ThoughtGraph,
        counts: Counter[str],
        *,
        recorded: bool = False,
        wait: Wait = wait_for,
    ) -> Graded:
        """Grade the solutions of a graph and write the grades on them.

        Args:
            graph: A finished graph.
            counts: Of faults.
            recorded: Take a score of source `grader` that stands on a solution for its grade: that
                of a run of one's own, which a store kept. The others are graded.
            wait: Runs what grades to its end.

        Raises:
            ConfigError: The grader cannot work: something must be installed or changed.
        """
        if len(self._grades) > _MEMORY:
            self._grades = Grades()
        solutions = _solutions(graph)
        found = {
            thought.id: thought.scores["grader"]
            for thought in solutions
            if recorded and thought.text and "grader" in thought.scores
        }
        said = {t.id: said_by(graph, t) for t in solutions if t.text and t.id not in found}
        if new := self._grades.unknown(graph, said.values()):
            wait(self._grades.ask(graph, new))
        faults: dict[str, str] = {}
        for thought in (t for t in solutions if t.id not in found):
            outcome = (
                self._grades.outcome(graph, thought, said[thought.id])
                if thought.text
                else Fault.FAILED
            )
            if isinstance(outcome, Fault):
                faults[thought.id] = outcome
                counts[outcome] += 1
            else:
                found[thought.id] = outcome
        claims = [t.id for t in graph.thoughts() if "grader" in t.scores and t.id not in found]
        if claims:  # scores are append-only, so the graph that was given keeps its claims
            graph = graph.copy()
            for name in claims:
                del graph.thought(name).scores["grader"]
        for name, score in found.items():
            graph.score(graph.thought(name), "grader", score)
        return Graded(graph, faults)


def check_fit(problem: Problem, policy: Unfit, counts: Counter[str], *, graded: bool) -> bool:
    """Whether rows are made of a problem; one that is dropped is counted.

    Args:
        problem: What was thought about.
        policy: Whether one that is not fit ends the harvest or is left out.
        counts: Of what was left out.
        graded: Whether the rows need grades.

    Raises:
        ConfigError: It is not fit, and the policy is to refuse.
    """
    reason = held_back(problem)
    if reason is None and (problem.reference is not None or not graded):
        return True
    if policy == "refuse":
        if reason is not None:
            raise ConfigError(f"problem {problem.id!r}: {reason}: train on other problems")
        raise ConfigError(f"problem {problem.id!r} has no reference answer to verify replies with")
    counts["no reference" if reason is None else "held back"] += 1
    return False


def _solutions(graph: ThoughtGraph) -> list[Thought]:
    return [thought for thought in graph.thoughts(ThoughtKind.SOLUTION) if graph.whole(thought)]
