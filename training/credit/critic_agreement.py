"""Critic agreement: a critique is right when it accepts what is right and rejects what is wrong.

The outcome is a grader's, of the very thought that was judged, whatever was made of the critique.
A critic that did not say whether it accepts is not right. Left out: critiques of steps, which no
grader sees, and of several thoughts at once, for it is open which of them is accepted.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cogitate.graphs import Relation, ThoughtGraph, ThoughtKind
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.credit.record import Credit, Credited, Origin
from cogitate.training.described import described

__all__ = ["CriticAgreement"]


@described(
    "critic-agreement",
    needs="critiques that say whether they accept, of one solution with a grade",
    costs="nothing beyond the grades",
    pays="to train a critic by what it accepts; its words may still be of no use to a refiner",
)
@dataclass(frozen=True)
class CriticAgreement:
    """Give a critique 1 where its accept or reject equals the outcome of what it judged, else 0."""

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return the agreement of each critique of one graded solution."""
        graded = outcomes(graph, grades)
        counts = Counter({"right": 0, "wrong": 0, "silent": 0, "several": 0, "ungraded": 0})
        found: dict[str, list[Credit]] = {}
        for critique in graph.thoughts(ThoughtKind.CRITIQUE):
            judged = [
                parent.id
                for parent in graph.parents(critique)
                if graph.edges[parent.id, critique.id]["relation"] == Relation.CRITIQUES
            ]
            if len(judged) > 1:
                counts["several"] += 1
            elif not judged or judged[0] not in graded or not critique.text:
                counts["ungraded"] += 1
            else:
                right = critique.accepts is is_right(graded[judged[0]])
                counts["silent" if critique.accepts is None else "right" if right else "wrong"] += 1
                found[critique.id] = [
                    Credit(
                        thought=critique.id,
                        measure="agreement",
                        value=float(right),
                        samples=1,
                        positive=right,
                        origin=Origin("critic-agreement", 1),
                    )
                ]
        return Credited(found, dict(counts))
