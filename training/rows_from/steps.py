"""Rows of solutions in steps, with what is known of each step.

A row is a path of steps from the problem, and the solution that ends it where it was written step
by step. Completions that were only rolled out from a step are what its label rests on, and no rows.
Every labelled step stands in a row. The prompt is that of the first step; steps that were proposed
together have none of their own, and then it is the problem alone. Left out: solutions that were
written in one go, of whose parts nothing is known.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from cogitate.errors import ConfigError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.chain import chain_of
from cogitate.inference import Message
from cogitate.training.rows import Step, StepRow
from cogitate.training.rows_from.asked import Asked, Credits, asked

__all__ = ["is_step", "step_rows"]

_STEP_BY_STEP = ("step", "proposal")


def step_rows(credits: Credits, counts: Counter[str], *, role: str | None) -> Iterator[StepRow]:
    """Yield the solutions, and the paths that were left unfinished, with labelled steps.

    Args:
        credits: Of one graph; labels or values in [0, 1].
        counts: Paths that are no row: `unlabelled` (nothing is known of any step).
        role: Rows of this role alone.

    Raises:
        ConfigError: The credits are advantages, which say how much better and not how right.
    """
    for path in _paths(credits):
        if role not in (None, path[0].role):
            continue
        if not any(thought.id in credits.worth for thought in path):
            counts["unlabelled"] += 1
            continue
        prompt = asked(credits, path[0]) or _plainly(credits)
        labelled = next(credits.worth[t.id] for t in path if t.id in credits.worth)
        if labelled.measure not in ("label", "value"):
            raise ConfigError(
                f"{labelled.origin.method} gives each step an {labelled.measure}: take "
                "MonteCarloSteps(k=...) or ValueBackup() for labels"
            )
        end = path[-1]
        yield StepRow(
            problem=credits.problem.id,
            run=credits.run,
            question=credits.problem.prompt,
            role=path[0].role,
            agent=path[0].agent,
            operation=path[0].operation,
            messages=prompt.messages,
            prefix=prompt.prefix,
            prompt_ids=prompt.ids,
            credit=labelled.origin,
            steps=tuple(_steps(credits, path)),
            grade=end.scores.get("grader") if end.kind is ThoughtKind.SOLUTION else None,
        )


def _paths(credits: Credits) -> Iterator[Sequence[Thought]]:
    graph = credits.graph
    for thought in graph.in_order():
        if is_step(graph, thought):
            children = [t for t in graph.children(thought) if t.text]
            if not any(_goes_on(credits, thought, child) for child in children):
                yield graph.path(thought)
        elif thought.kind is ThoughtKind.SOLUTION and thought.operation in _STEP_BY_STEP:
            before = graph.parents(thought)
            steps = graph.path(before[0]) if before else []
            if thought.text and (steps or thought.operation == "step"):
                yield [*steps, thought]


def is_step(graph: ThoughtGraph, thought: Thought) -> bool:
    """Whether a thought is one step, and not a reply from which several were read."""
    if thought.kind is not ThoughtKind.STEP or not thought.text or thought.operation == "propose":
        return False
    children = graph.children(thought)
    return not children or any(graph.parents(child)[0] is thought for child in children)


def _plainly(credits: Credits) -> Asked:
    return Asked((Message("user", credits.problem.prompt),), "", None)


def _goes_on(credits: Credits, step: Thought, child: Thought) -> bool:
    """Whether a path through `step` goes on to `child`, and so stands in a longer row."""
    if credits.graph.parents(child)[0] is not step:
        return False
    if child.kind is ThoughtKind.STEP:
        return True
    return child.kind is ThoughtKind.SOLUTION and child.operation in _STEP_BY_STEP


def _steps(credits: Credits, path: Sequence[Thought]) -> Iterator[Step]:
    for thought in path:
        text = thought.text
        if thought.kind is ThoughtKind.SOLUTION:
            text = "".join(chain_of(credits.graph, thought).rest) or text
        worth = credits.worth.get(thought.id)
        yield Step(
            thought=thought.id,
            text=text,
            ids=None if thought.tokens is None else thought.tokens.token_ids,
            label=None if worth is None else worth.value,
        )
