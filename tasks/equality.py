"""When two answers to a problem are the same answer: what a vote counts.

The reference is never read. Numbers are compared by value, letters of a choice as letters, lists
as lists, mathematics by meaning, and everything else as text without case and spacing.
"""

from collections.abc import Sequence

from cogitate.tasks.answers import PROGRAM_KINDS
from cogitate.tasks.child import JobFailed
from cogitate.tasks.graders.exact import chosen, integers, plain
from cogitate.tasks.graders.math import same_mathematics
from cogitate.tasks.problem import Problem
from cogitate.tasks.quantity import parse_quantity

__all__ = ["answer_key", "group_answers", "same_answer"]

_MATHEMATICAL = frozenset("\\^_{}$=")


def answer_key(problem: Problem, answer: str) -> str:
    """Return a text that equal answers share. Cheap; unequal keys may still mean the same.

    A percentage is kept apart from the same number without its sign: 50%, 50 and 0.5 are three
    answers, since a vote cannot know which of them the question asked for.

    Example:
        >>> problem = Problem(prompt="A half?", kind="numeric")
        >>> answer_key(problem, "0.5"), answer_key(problem, "1/2"), answer_key(problem, "50%")
        ('1/2', '1/2', '50%')
    """
    match problem.kind:
        case "exact":
            return plain(answer)
        case "choice":
            return chosen(answer) or plain(answer)
        case "game24":
            return "".join(plain(answer).split())
        case kind if kind in PROGRAM_KINDS:
            return answer.strip()
        case "sorting":
            numbers = integers(answer)
            return plain(answer) if numbers is None else str(numbers)
    quantity = parse_quantity(answer)
    if quantity is None:
        return plain(answer)
    return f"{quantity.value}%" if quantity.unit == "%" else str(quantity.value)


async def same_answer(problem: Problem, a: str, b: str, *, limit: float = 5.0) -> bool:
    """Tell whether two answers are the same by the equality of their task.

    Args:
        problem: Its kind decides; its reference is not read.
        a: One answer.
        b: Another.
        limit: Seconds that a comparison by meaning may take; later they count as different.
    """
    if answer_key(problem, a) == answer_key(problem, b):
        return True
    if not _by_meaning(problem, a, b):
        return False
    try:
        return await same_mathematics(a, b, limit=limit)
    except JobFailed:
        return False


async def group_answers(
    problem: Problem, answers: Sequence[str], *, limit: float = 5.0
) -> list[list[int]]:
    """Group answers that are the same.

    Args:
        problem: Its kind decides; its reference is not read.
        answers: In any order.
        limit: Seconds that one comparison by meaning may take.

    Returns:
        Indices into `answers`, each once; groups and their members in order of appearance.

    Example:
        >>> import asyncio
        >>> problem = Problem(prompt="A half?", kind="numeric")
        >>> asyncio.run(group_answers(problem, ["0.5", "2", "1/2"]))
        [[0, 2], [1]]
    """
    by_key: dict[str, list[int]] = {}
    for index, answer in enumerate(answers):
        by_key.setdefault(answer_key(problem, answer), []).append(index)
    groups: list[list[int]] = []
    for members in by_key.values():
        for group in groups:
            if await same_answer(problem, answers[group[0]], answers[members[0]], limit=limit):
                group += members
                break
        else:
            groups.append(list(members))
    return [sorted(group) for group in groups]


def _by_meaning(problem: Problem, a: str, b: str) -> bool:
    if problem.kind == "math":
        return True
    return problem.kind == "auto" and not _MATHEMATICAL.isdisjoint(a + b)
