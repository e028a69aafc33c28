"""Graphs by hand, whose thoughts were asked for and sampled as a run would have it."""

from cogitate.graphs import Relation, Source, Thought, ThoughtGraph, ThoughtKind, Tokens
from cogitate.inference import Message
from cogitate.tasks import Problem

SOLUTION, CRITIQUE, STEP = ThoughtKind.SOLUTION, ThoughtKind.CRITIQUE, ThoughtKind.STEP
MALT = [[3, 2, 0], [1, 1, 3], [0, 0, 1]]
"""Of the three refinements of each critique of each generation, how many are right."""


def begun(name: str = "p") -> ThoughtGraph:
    return ThoughtGraph.of(Problem(id=name, prompt=f"{name}: 6 * 7?", reference="42"))


def add(
    graph: ThoughtGraph,
    name: str,
    kind: ThoughtKind,
    text: str,
    parents: list[Thought],
    relation: Relation,
    role: str,
    **fields: object,
) -> Thought:
    """Add a thought that was asked for by name of its parents, so siblings share their prompt."""
    asked = " ".join(parent.id for parent in parents)
    thought = Thought(
        name,
        kind,
        text,
        agent=role,
        role=role,
        operation=relation.value,
        about=graph.root.id,
        prompt=(Message("user", f"{relation.value} {asked}"),),
        source=Source("hf/x", "r1"),
        tokens=Tokens(tuple(asked.encode()), tuple(text.encode()), (-0.5,) * len(text.encode())),
    )
    for field, value in fields.items():
        setattr(thought, field, value)
    graph.add(thought, parents, relation)
    return thought


def solution(
    graph: ThoughtGraph,
    name: str,
    answer: int,
    parents: list[Thought],
    relation: Relation = Relation.GENERATES,
    role: str = "generator",
) -> Thought:
    text = f"I say {name}.\nAnswer: {answer}"
    return add(graph, name, SOLUTION, text, parents, relation, role, answer=str(answer))


def critique(graph: ThoughtGraph, name: str, of: Thought, accepts: bool | None = None) -> Thought:
    text = f"{name} says.\nAccept: {'yes' if accepts else 'no'}"
    return add(graph, name, CRITIQUE, text, [of], Relation.CRITIQUES, "critic", accepts=accepts)


def malt(right: list[list[int]], name: str = "p") -> ThoughtGraph:
    """Three generations x three critiques x three refinements, of which so many are right."""
    graph = begun(name)
    for g, row in enumerate(right):
        draft = solution(graph, f"g.{g}", 41, [graph.root])
        for c, correct in enumerate(row):
            said = critique(graph, f"c{g}.{c}", draft, accepts=False)
            for r in range(3):
                answer = 42 if r < correct else 41
                solution(graph, f"r{g}{c}.{r}", answer, [draft, said], Relation.REFINES, "refiner")
    return graph


def step(graph: ThoughtGraph, name: str, parent: Thought) -> Thought:
    text = f"{name}\n\n"
    relation = Relation.CONTINUES
    return add(graph, name, STEP, text, [parent], relation, "generator", operation="step")


def ended(graph: ThoughtGraph, name: str, answer: int, parent: Thought, how: str) -> Thought:
    """A solution that continues a step: `step` wrote its last one, `finish` rolled it out."""
    begun_ = graph.text(parent) if parent.kind is STEP else ""
    text = f"{begun_}{name}\nAnswer: {answer}"
    relation = Relation.CONTINUES
    return add(
        graph, name, SOLUTION, text, [parent], relation, "generator",
        answer=str(answer), operation=how, prefix=begun_,
    )  # fmt: skip
