"""Grading the Game of 24: an expression that uses the given numbers once each and makes the target.

The expression is calculated by `cogitate.tasks.arithmetic`; no model text is run.
"""

import re

from cogitate.errors import GraderError
from cogitate.tasks.arithmetic import calculate
from cogitate.tasks.grader import Grade
from cogitate.tasks.graders.exact import shown
from cogitate.tasks.problem import Problem

__all__ = ["Game24Grader", "grade_expression"]

_TARGET = 24


class Game24Grader:
    """An expression over the four operations, each given number used exactly once, making 24.

    The numbers are read from `metadata["numbers"]`, or else from the prompt's last line that holds
    exactly four of them. A trailing "= 24" is allowed, and checked. Several expressions may be
    right, so the reference is not read.
    """

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade an expression.

        Raises:
            GraderError: The problem says nowhere which numbers to use.
        """
        return grade_expression(answer, numbers=_numbers_of(problem), target=_TARGET)


def grade_expression(answer: str, *, numbers: list[int], target: int) -> Grade:
    """Grade an expression that must use `numbers` once each and come to `target`."""
    expression, equals, claimed = answer.strip().strip("$`").partition("=")
    if equals and claimed.strip() != str(target):
        return Grade(score=0.0, reason=f"{shown(answer)} claims to make another number")
    calculation = calculate(expression)
    if calculation is None:
        return Grade(score=0.0, reason=f"{shown(answer)} is not an expression of + - * / ( )")
    if sorted(calculation.numbers) != sorted(numbers):
        return Grade(score=0.0, reason=f"{shown(answer)} does not use {numbers} once each")
    if calculation.value != target:
        value = shown(str(calculation.value))
        return Grade(score=0.0, reason=f"{shown(answer)} makes {value}, not {target}")
    return Grade(score=1.0, reason=f"{shown(answer)} makes {target}")


def _numbers_of(problem: Problem) -> list[int]:
    given = problem.metadata.get("numbers")
    if isinstance(given, list) and given and all(type(number) is int for number in given):
        return [number for number in given if isinstance(number, int)]
    for line in reversed(problem.prompt.splitlines()):
        numbers = re.findall(r"[0-9]{1,12}", line)
        if len(numbers) == 4:
            return [int(number) for number in numbers]
    raise GraderError(
        f"problem {problem.id!r} does not say which numbers to use: "
        'give Problem(metadata={"numbers": [4, 7, 8, 8]})'
    )
