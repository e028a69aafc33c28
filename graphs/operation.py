"""What agents can be asked for: whose role it is, and where the reply stands in the graph."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cogitate.agents import Parser, Prompt, Shot, parse_solution
from cogitate.graphs.thought import Relation, ThoughtKind

__all__ = ["OPERATIONS", "Operation"]


class Operation(NamedTuple):
    """Who is asked for what, and where the reply stands in the graph."""

    role: str
    kind: ThoughtKind
    relation: Relation
    prompt: Prompt | None = None
    """For agents that have no prompt of their own for it."""
    parser: Parser = parse_solution
    """For agents that have no parser of their own for it."""
    shots: Sequence[Shot] = ()
    """Worked examples for agents that have none of their own for it."""


OPERATIONS: Mapping[str, Operation] = {
    "direct": Operation("generator", ThoughtKind.SOLUTION, Relation.GENERATES),
    "generate": Operation("generator", ThoughtKind.SOLUTION, Relation.GENERATES),
    "step": Operation("generator", ThoughtKind.STEP, Relation.CONTINUES),
    "finish": Operation("generator", ThoughtKind.SOLUTION, Relation.CONTINUES),
    "propose": Operation("generator", ThoughtKind.STEP, Relation.EXPLORES),
    "polish": Operation("generator", ThoughtKind.PROBLEM, Relation.POLISHES),
    "critique": Operation("critic", ThoughtKind.CRITIQUE, Relation.CRITIQUES),
    "value": Operation("verifier", ThoughtKind.VERDICT, Relation.VERIFIES),
    "refine": Operation("refiner", ThoughtKind.SOLUTION, Relation.REFINES),
    "aggregate": Operation("refiner", ThoughtKind.SOLUTION, Relation.AGGREGATES),
    "select": Operation("refiner", ThoughtKind.VERDICT, Relation.AGGREGATES),
}
"""What the agents can be asked for. `Deliberation.ask` takes an `Operation` of one's own too."""
