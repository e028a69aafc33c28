"""What graders said of solutions: the only outcomes that credit rests on."""

from collections.abc import Mapping

from cogitate.errors import DataError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind

__all__ = ["is_right", "outcomes"]


def outcomes(graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the grade of each graded solution of the whole problem, by id, in [0, 1].

    A grade is the score of source `grader`, or one that is passed in. No other score, verdict or
    text can set one.

    Raises:
        DataError: A grade is not in [0, 1], is of no such solution, or differs from another one.
    """
    found = {
        thought.id: thought.scores["grader"]
        for thought in graph.thoughts(ThoughtKind.SOLUTION)
        if "grader" in thought.scores and graph.whole(thought)
    }
    for name, grade in (grades or {}).items():
        if name not in graph or not _gradable(graph, graph.thought(name)):
            raise DataError(f"grade of {name!r}: the graph has no such solution: grade its own")
        if found.setdefault(name, grade) != grade:
            raise DataError(f"thought {name} was graded {found[name]} and {grade}: grade it once")
    for name, grade in found.items():
        if not 0 <= grade <= 1:
            raise DataError(f"thought {name} has the grade {grade}: grades are in [0, 1]")
    return found


def is_right(grade: float) -> bool:
    """Whether a grade says that the answer is correct: part of the marks is not."""
    return grade >= 1


def _gradable(graph: ThoughtGraph, thought: Thought) -> bool:
    return thought.kind is ThoughtKind.SOLUTION and graph.whole(thought)
