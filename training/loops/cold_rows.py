"""Chains that were given for a cold start: which are right, as a grader sees it here.

A grade in a file is a claim. Where the problem of a row is among those that the loop knows, its
reply is graded anew. Of others no reference answer is known: their grade is taken as it stands, and
they are counted as `claimed`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind, gather
from cogitate.tasks import Problem, extract_answer
from cogitate.tasks.held_back import folded
from cogitate.training.credit.outcomes import is_right
from cogitate.training.harvest import Verified
from cogitate.training.judge import check_fit
from cogitate.training.rewards.outcome import grade_of
from cogitate.training.rows import SFTRow

__all__ = ["check_rows", "right_rows"]


def check_rows(rows: Iterable[SFTRow]) -> None:
    """Refuse rows of problems that are kept for measuring, as far as their text tells.

    Raises:
        ConfigError: There is one.
    """
    for row in rows:
        problem = Problem(id=row.problem, prompt=row.question)
        check_fit(problem, "refuse", Counter(), graded=False)


async def right_rows(rows: Sequence[SFTRow], *, role: str, problems: Iterable[Problem]) -> Verified:
    """Return the right replies of a role.

    Args:
        rows: That were given.
        role: Whose replies are imitated.
        problems: Those that are known, with their reference answers.

    Returns:
        The rows with their grades; `solutions` counts all, `wrong` those that were left out (the
        grader does not say that they are right, or they are of another role), `claimed` those whose
        own grade decided.
    """
    known = {folded(problem.prompt): problem for problem in problems}
    asked = [known.get(folded(row.question)) for row in rows]
    grades = await gather(_grade(row, problem) for row, problem in zip(rows, asked, strict=True))
    fit = [
        row.model_copy(update={"grade": grade})
        for row, grade in zip(rows, grades, strict=True)
        if row.role == role and grade is not None and is_right(grade)
    ]
    counts = {"solutions": len(rows), "wrong": len(rows) - len(fit), "claimed": asked.count(None)}
    return Verified(fit, counts)


async def _grade(row: SFTRow, problem: Problem | None) -> float | None:
    if problem is None:
        return row.grade
    text = row.prefix + row.completion
    graph = ThoughtGraph.of(problem)
    thought = Thought("t.0", ThoughtKind.SOLUTION, text, about=graph.root.id)
    thought.answer = extract_answer(text, kind=problem.kind)
    graph.add(thought, [graph.root])
    return await grade_of(graph, thought)
