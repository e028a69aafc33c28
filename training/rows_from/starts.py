"""Rows of where an episode of reinforcement learning begins, and chains of actions to imitate."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from cogitate.agents import Brief
from cogitate.errors import DataError
from cogitate.graphs import (
    Source,
    Thought,
    ThoughtGraph,
    ThoughtKind,
    coat_actions,
    write_coat,
)
from cogitate.graphs.coat_text import CHAIN, Meta
from cogitate.graphs.strategies.coat import COAT
from cogitate.inference import Message
from cogitate.tasks import Problem
from cogitate.training.credit.outcomes import is_right
from cogitate.training.credit.satori import restart_states
from cogitate.training.rows import PromptRow, SFTRow
from cogitate.training.rows_from.asked import Credits, asked
from cogitate.training.rows_from.steps import is_step

__all__ = ["StartKind", "coat_rows", "problem_starts", "prompt_rows"]

StartKind = Literal["problem", "restarts", "steps"]
"""`problem`: with nothing said; `restarts`: Satori's, after a trajectory was backed up and the
reflect token appended; `steps`: after every step of the graph, exactly as it was sampled."""


def problem_starts(problems: Iterable[Problem], *, role: str = "generator") -> list[PromptRow]:
    """Return problems of which nothing was thought yet as start states.

    They have no prompt: the strategy that thinks from them asks as it does.

    Args:
        problems: To begin at.
        role: Whose words are trained.
    """
    return [
        PromptRow(
            problem=problem.id,
            question=problem.prompt,
            role=role,
            agent=role,
            operation="generate",
            messages=(),
            thought=ThoughtGraph.of(problem).root.id,
            reference=problem.reference,
            kind=problem.kind,
            prefix_ids=(),
        )
        for problem in problems
    ]


def prompt_rows(
    credits: Credits, counts: Counter[str], *, starts: Sequence[StartKind], back: int
) -> Iterator[PromptRow]:
    """Yield the states from which an episode may begin.

    The prompt is the one with which a solution of the problem was first asked for.

    Args:
        credits: Of one graph.
        counts: Graphs that have no prompt: `no prompt`.
        starts: Which kinds of states.
        back: The most actions that a restart leaves out.
    """
    graph = credits.graph
    first = _first(credits)
    prompt = None if first is None else asked(credits, first)
    if first is None or prompt is None:
        counts["no prompt"] += 1
        return

    def row(
        thought: str,
        *,
        prefix: str = "",
        ids: tuple[int, ...] | None = None,
        began: Literal["problem", "right", "wrong", "unknown"],
        messages: tuple[Message, ...] = prompt.messages,
        prompt_ids: tuple[int, ...] | None = prompt.ids,
    ) -> PromptRow:
        return PromptRow(
            problem=credits.problem.id,
            run=credits.run,
            question=credits.problem.prompt,
            role=first.role,
            agent=first.agent,
            operation=first.operation,
            messages=messages,
            prefix=prefix,
            prompt_ids=prompt_ids,
            thought=thought,
            reference=credits.problem.reference,
            kind=credits.problem.kind,
            began=began,
            prefix_ids=ids,
        )

    if "problem" in starts:
        yield row(graph.root.id, began="problem", ids=())
    if "restarts" in starts:
        for state in restart_states(graph, back=back)[1:]:
            began: Literal["right", "wrong"] = "right" if state.right else "wrong"
            yield row(state.thought, prefix=state.text, began=began)
    if "steps" in starts:
        for thought in graph.in_order():
            path = graph.path(thought) if is_step(graph, thought) else []
            own = asked(credits, path[0]) if path else None
            if own is not None:
                yield row(
                    thought.id,
                    prefix=graph.text(thought),
                    ids=_ids(path),
                    began="unknown",
                    messages=own.messages,
                    prompt_ids=own.ids,
                )


def coat_rows(credits: Credits, counts: Counter[str], *, plain: bool = False) -> Iterator[SFTRow]:
    """Yield each right chain that reflects or explores, as text with its tokens.

    The prompt is that of `ChainOfActionThought(mode="tokens")`, whoever made the chain.

    Args:
        credits: Of one graph.
        counts: Right solutions that are no row: `no chain`, `no reflection` (nor another approach).
        plain: Yield chains that do neither as well.
    """
    said = set[str]()  # a reply with tokens, and the solution that was read from it, are one chain
    template = COAT.prompt
    assert template is not None  # an operation of its own has a prompt of its own
    messages = template(Brief(credits.problem.prompt), ())
    for thought in credits.graph.in_order():
        grade = thought.scores.get("grader")
        if thought.kind is not ThoughtKind.SOLUTION or grade is None or not is_right(grade):
            continue
        try:
            actions = coat_actions(credits.graph, thought)
        except DataError:
            counts["no chain"] += 1
            continue
        completion = write_coat(actions)
        if completion in said:
            continue
        said.add(completion)
        turns = any(action.meta in (Meta.REFLECT, Meta.EXPLORE) for action in actions)
        if not (turns or plain):
            counts["no reflection"] += 1
            continue
        yield SFTRow(
            problem=credits.problem.id,
            run=credits.run,
            question=credits.problem.prompt,
            thought=thought.id,
            role="generator",
            agent=thought.agent,
            operation=CHAIN,
            messages=messages,
            completion=completion,
            source=thought.source or Source(""),
            grade=grade,
        )


def _first(credits: Credits) -> Thought | None:
    """Who was first asked to solve the problem itself."""
    root = credits.graph.root
    for thought in credits.graph.children(root):
        solves = thought.kind in (ThoughtKind.SOLUTION, ThoughtKind.STEP)
        if solves and thought.prompt and len(credits.graph.parents(thought)) == 1:
            return thought
    return None


def _ids(path: Sequence[Thought]) -> tuple[int, ...] | None:
    ids: list[int] = []
    for step in path:
        if step.tokens is None:
            return None
        ids += step.tokens.token_ids
    return tuple(ids)
