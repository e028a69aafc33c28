"""The outcome: what a grader says of the answer. All other rewards are measured by it."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.tasks import Grader
from cogitate.training.credit.outcomes import is_right
from cogitate.training.described import described
from cogitate.training.regrade import Fault, Grades, said_by

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

    A grade that stands there is believed from nobody: the grader is asked, once for several rewards
    of one graph. An empty reply is wrong.

    Returns:
        None where the call failed, it is no solution of the whole problem, no grader could tell, or
        it claims another grade than its own, or an answer that its text does not give.
    """
    if thought.kind is not ThoughtKind.SOLUTION or failed(thought) or not graph.whole(thought):
        return None
    if grader is not None:
        grades = Grades(grader)
    elif (known := _GRADES.get(graph)) is not None:
        grades = known
    else:
        grades = _GRADES[graph] = Grades()
    said = said_by(graph, thought)
    await grades.ask(graph, grades.unknown(graph, [said]))
    found = grades.outcome(graph, thought, said)
    if isinstance(found, Fault):
        return None
    if grader is None:
        graph.score(thought, "grader", found)
    return found


def failed(thought: Thought) -> bool:
    """Whether the call failed, so that there is nothing to reward; an empty reply did not fail."""
    return not thought.text and bool(thought.error)


_GRADES = WeakKeyDictionary[ThoughtGraph, Grades]()
"""What was graded here of each graph that is still in use."""
