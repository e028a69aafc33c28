"""The outcome: what a grader says of the answer. All other rewards are measured by it."""

from dataclasses import dataclass

from cogitate.errors import GraderError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.once import Once
from cogitate.tasks import Grader, grader_for
from cogitate.training.credit.outcomes import is_right
from cogitate.training.described import described

__all__ = ["AgreementReward", "OutcomeReward", "failed", "grade_of"]


@described(
    "outcome",
    needs="solutions that a grader can grade",
    costs="a grade",
    pays="always, as the reward that others are measured by; it says nothing of how to get there",
)
@dataclass(frozen=True)
class OutcomeReward:
    """Reward a solution that a grader finds right."""

    right: float = 1.0
    wrong: float = 0.0
    """Satori's is -1, with 0 for right."""
    partial: bool = False
    """Reward part of the marks in proportion, instead of as wrong."""
    grader: Grader | None = None
    """The problem's own by default."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the reward; None where there is no solution to the whole problem, or no grade."""
        grade = await grade_of(graph, thought, grader=self.grader)
        if grade is None:
            return None
        share = grade if self.partial else float(is_right(grade))
        return self.wrong + share * (self.right - self.wrong)


@described(
    "agreement",
    needs="critiques of one whole solution that a grader can grade",
    costs="a grade",
    pays="to train a critic by what it accepts, whatever was made of its critique",
)
@dataclass(frozen=True)
class AgreementReward:
    """Reward a critique that accepts what a grader finds right, and rejects what is wrong."""

    agrees: float = 1.0
    disagrees: float = 0.0
    """A critique that does not say whether it accepts does not agree."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the reward; None where it is no critique of one solution that can be graded."""
        judged = [
            parent
            for parent in graph.parents(thought)
            if graph.edges[parent.id, thought.id]["relation"] == Relation.CRITIQUES
        ]
        if thought.kind is not ThoughtKind.CRITIQUE or len(judged) != 1 or failed(thought):
            return None
        grade = await grade_of(graph, judged[0])
        if grade is None:
            return None
        return self.agrees if thought.accepts is is_right(grade) else self.disagrees


async def grade_of(
    graph: ThoughtGraph, thought: Thought, *, grader: Grader | None = None
) -> float | None:
    """Return the grade of a solution, in [0, 1]; the problem's own grader's is kept on the thought.

    Several rewards may ask at once: the grader is asked once. An empty reply is wrong.

    Returns:
        None where the call failed, it is no solution of the whole problem, or no grader could tell.
    """
    if thought.kind is not ThoughtKind.SOLUTION or failed(thought) or not graph.whole(thought):
        return None
    if grader is not None:
        return await _graded(graph, thought, grader)
    if "grader" in thought.scores:
        return thought.scores["grader"]
    key = id(graph), thought.id
    once = _UNDER_WAY.setdefault(key, Once())
    try:
        grade = await once.do(lambda: _graded(graph, thought, grader_for(graph.problem)))
    finally:
        if _UNDER_WAY.get(key) is once:
            del _UNDER_WAY[key]
    if grade is not None:
        graph.score(thought, "grader", grade)
    return grade


def failed(thought: Thought) -> bool:
    """Whether the call failed, so that there is nothing to reward; an empty reply did not fail."""
    return not thought.text and bool(thought.error)


async def _graded(graph: ThoughtGraph, thought: Thought, grader: Grader) -> float | None:
    if thought.answer is None:
        return 0.0
    try:
        return (await grader.grade(graph.problem, thought.answer)).score
    except GraderError:
        return None


_UNDER_WAY: dict[tuple[int, str], Once[float | None]] = {}
"""Gradings that have not ended, by graph and thought."""
