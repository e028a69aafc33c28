"""Grades for every solution of a graph, so that roles and samples can be measured.

A run grades the final answer alone; who drafted, criticised and refined is only known when each
solution has its grade. Unlike harvesting this makes no training rows, so problems that are held
back for measuring may be graded too.
"""

from collections import Counter
from collections.abc import Iterable

from cogitate.errors import ConfigError
from cogitate.graphs import ThoughtGraph, ThoughtKind, gather
from cogitate.graphs.solve import wait_for
from cogitate.training.credit.outcomes import is_right
from cogitate.training.rewards.outcome import grade_of

__all__ = ["agrade", "grade"]


async def agrade(graphs: Iterable[ThoughtGraph]) -> dict[str, int]:
    """Have each problem's own grader grade every solution, and write the grades on them.

    A score of source `grader` that it does not confirm is taken off: whatever measures the graph
    afterwards would count it.

    Args:
        graphs: Finished ones, of any strategy.

    Returns:
        How many solutions are `right`, `wrong`, and `ungraded`: failed ones, those of a part of the
        problem, those on which the grader could not decide, and those that claim a grade or an
        answer that they have not.

    Raises:
        ConfigError: A problem has no reference answer.
    """
    graphs = list(graphs)
    for graph in graphs:
        if graph.problem.reference is None:
            raise ConfigError(f"problem {graph.problem.id!r} has no reference answer to grade with")
    solutions = [
        (graph, thought)
        for graph in graphs
        for thought in graph.in_order()
        if thought.kind is ThoughtKind.SOLUTION
    ]
    grades = await gather(grade_of(graph, thought) for graph, thought in solutions)
    for (_, thought), found in zip(solutions, grades, strict=True):
        if found is None:
            thought.scores.pop("grader", None)
    counts = Counter({"right": 0, "wrong": 0, "ungraded": 0})
    counts.update(
        "ungraded" if found is None else "right" if is_right(found) else "wrong" for found in grades
    )
    return dict(counts)


def grade(graphs: Iterable[ThoughtGraph]) -> dict[str, int]:
    """Have every solution graded, and write the grades on them (see `agrade`)."""
    return wait_for(agrade(graphs))
