"""From thought graphs to training rows: what a grader verified, and nothing else.

Every solution of every graph is graded by its problem's own grader, whatever a critic or a verifier
thought of it. That its answer is right does not make every step right: a row is as good as the
grader. Left out here: credit for critiques and verdicts, and for thoughts that only led to others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from cogitate.errors import ConfigError, GraderError
from cogitate.graphs import Source, Thought, ThoughtGraph, ThoughtKind, gather
from cogitate.graphs.solve import wait_for
from cogitate.inference import Message
from cogitate.tasks import Problem, grader_for, has_answer_line
from cogitate.training.dataset import SFTRow, distinct
from cogitate.training.held_back import held_back

__all__ = ["Harvest", "PromptForm", "aharvest", "harvest"]

PromptForm = Literal["sampled", "zero-shot"]
"""Which prompt a reply is trained on: the one it was sampled from, or the same without its worked
examples, so that the model learns to do without them."""


class Harvest(NamedTuple):
    """The rows, and what became of every solution that is not among them."""

    rows: list[SFTRow]
    counts: dict[str, int]
    """`solutions` in all, of which: `kept`; `failed` (no text), `wrong`, `undecided` (the grader
    could not), `disputed` (another grade was written before), `cut` (at the token limit),
    `unmarked` (no line `Answer: ...`), `duplicates`, `capped`."""


async def aharvest(
    graphs: Iterable[ThoughtGraph],
    *,
    prompt: PromptForm = "sampled",
    role: str | None = None,
    per_problem: int | None = 4,
    marked: bool = True,
) -> Harvest:
    """Grade every solution, write the grade on its thought, and keep the right ones as rows.

    Args:
        graphs: Finished ones, as `episode.graph` has them.
        prompt: Which prompt the replies are trained on.
        role: Keep replies of this role alone.
        per_problem: The most replies kept for one text and role; the first ones.
        marked: Keep only replies that mark their answer with a line `Answer: ...`.

    Raises:
        ConfigError: A problem is held back for measuring, or has no reference answer.
    """
    graphs = list(graphs)
    for graph in graphs:
        _check(graph.problem)
    counts: Counter[str] = Counter()
    found: list[SFTRow] = []
    for graph in graphs:
        solutions = [
            thought
            for thought in graph.in_order()
            if thought.kind is ThoughtKind.SOLUTION
            and role in (None, thought.role)
            and graph.whole(thought)
        ]
        counts["solutions"] += len(solutions)
        grades = await _grades(graph.problem, solutions)
        for thought, score in zip(solutions, grades, strict=True):
            fault = _fault(thought, score, marked, graph.problem.kind)
            if score is not None and fault not in ("failed", "disputed"):
                graph.score(thought, "grader", score)
            if fault is None:
                found.append(_row(graph.problem, thought, prompt))
            else:
                counts[fault] += 1
    rows, counts["duplicates"], counts["capped"] = distinct(found, per_problem=per_problem)
    counts["kept"] = len(rows)
    return Harvest(rows, dict(counts))


def harvest(
    graphs: Iterable[ThoughtGraph],
    *,
    prompt: PromptForm = "sampled",
    role: str | None = None,
    per_problem: int | None = 4,
    marked: bool = True,
) -> Harvest:
    """Grade every solution and keep the right ones as training rows (see `aharvest`)."""
    return wait_for(
        aharvest(graphs, prompt=prompt, role=role, per_problem=per_problem, marked=marked)
    )


def _check(problem: Problem) -> None:
    if reason := held_back(problem):
        raise ConfigError(f"problem {problem.id!r}: {reason}: train on other problems")
    if problem.reference is None:
        raise ConfigError(f"problem {problem.id!r} has no reference answer to verify replies with")


async def _grades(problem: Problem, solutions: Sequence[Thought]) -> list[float | None]:
    """Grade each distinct answer once, all at the same time; None where the grader could not."""
    grader = grader_for(problem)

    async def grade(answer: str) -> float | None:
        try:
            return (await grader.grade(problem, answer)).score
        except GraderError:
            return None

    answers = {thought.answer for thought in solutions if thought.answer is not None}
    graded = dict(zip(answers, await gather(map(grade, answers)), strict=True))
    return [0.0 if t.answer is None else graded[t.answer] for t in solutions]


def _fault(thought: Thought, score: float | None, marked: bool, kind: str) -> str | None:
    """Why a solution is no row, or None."""
    if not thought.text:
        return "failed"
    if score is None:
        return "undecided"
    if thought.scores.get("grader", score) != score:
        return "disputed"
    if score < 1:
        return "wrong"
    if thought.finish == "length":
        return "cut"
    if marked and not has_answer_line(thought.text, kind=kind):
        return "unmarked"
    return None


def _row(problem: Problem, thought: Thought, prompt: PromptForm) -> SFTRow:
    messages = thought.prompt or ()
    trained = messages if prompt == "sampled" else without_examples(messages)
    prompt_ids, completion_ids = None, None
    if thought.tokens is not None:
        completion_ids = thought.tokens.token_ids
        prompt_ids = thought.tokens.prompt_ids if trained == messages else None
    return SFTRow(
        problem=problem.id,
        question=problem.prompt,
        thought=thought.id,
        role=thought.role,
        agent=thought.agent,
        operation=thought.operation,
        messages=trained,
        prefix=thought.prefix,
        completion=thought.text.removeprefix(thought.prefix),
        prompt_ids=prompt_ids,
        completion_ids=completion_ids,
        source=thought.source or Source(""),
        grade=thought.scores["grader"],
    )


def without_examples(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the system message, where there is one, and the last user message.

    Example:
        >>> turns = (Message("system", "s"), Message("user", "1 + 1?"), Message("assistant", "2"))
        >>> [turn.content for turn in without_examples((*turns, Message("user", "2 + 2?")))]
        ['s', '2 + 2?']
    """
    last = max((i for i, turn in enumerate(messages) if turn.role == "user"), default=None)
    system = tuple(turn for turn in messages if turn.role == "system")
    return messages if last is None else (*system, messages[last])
