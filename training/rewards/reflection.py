"""The reflection bonus (Satori, Shen et al. 2025): mend what was wrong, leave what was right.

Where a reply began is read in this order: from the restart state of its problem whose text it was
given as its prefix; from the one solution that it refines or reflects on, by its grade. So
refiners, which the paper does not have, are rewarded in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.training.credit.outcomes import is_right
from cogitate.training.credit.satori import reflection_bonus
from cogitate.training.described import described
from cogitate.training.rewards.outcome import grade_of

__all__ = ["ReflectionReward"]

_LOOKED_BACK = (Relation.REFINES, Relation.REFLECTS)


@described(
    "reflection",
    paper="Satori, Shen et al. 2025, arXiv:2502.02508",
    needs=(
        "grades of a reply and of what it began with: a restart state, or a draft that it refines"
    ),
    costs="a grade of each",
    pays="with restarts, or for refiners: to mend what is wrong and leave what is right",
)
@dataclass(frozen=True)
class ReflectionReward:
    """Give +beta for wrong to right, -beta for right to wrong, and else 0."""

    beta: float = 0.5
    starts: Mapping[tuple[str, str], bool | None] = field(default_factory=dict)
    """Whether the trajectory that was backed up was right, by the id of its problem and the text of
    the restart state."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the bonus; None where the reply, or what it began from, has no grade."""
        grade = await grade_of(graph, thought)
        if grade is None:
            return None
        start = (graph.problem.id, thought.prefix)
        if start in self.starts:
            began = self.starts[start]
        else:
            before = [
                parent
                for parent in graph.parents(thought)
                if parent.kind is ThoughtKind.SOLUTION
                and graph.edges[parent.id, thought.id]["relation"] in _LOOKED_BACK
            ]
            if len(before) != 1:
                return 0.0
            earlier = await grade_of(graph, before[0])
            if earlier is None:
                return None
            began = is_right(earlier)
        return reflection_bonus(began, is_right(grade), beta=self.beta)
