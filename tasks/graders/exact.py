"""Grading by equal text, equal numbers, equal choice or equal list: nothing is run."""

import re
from collections import Counter
from itertools import pairwise

from cogitate.errors import GraderError
from cogitate.tasks.grader import Grade
from cogitate.tasks.problem import Problem
from cogitate.tasks.quantity import parse_quantity

__all__ = ["ChoiceGrader", "ExactGrader", "NumericGrader", "SortingGrader", "reference_of"]

_CHOICE = re.compile(r"[(\[]?\s{0,3}([A-Za-z])\s{0,3}(?:[)\].:]\s{0,3}|$)")
_LETTER_FIRST = re.compile(r"(?:option|choice|answer)\s{1,3}", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_MAX_LIST = 20_000
_SHOWN = 60


def reference_of(problem: Problem) -> str:
    """Return the right answer of a problem.

    Raises:
        GraderError: The problem has none.
    """
    if problem.reference is None:
        raise GraderError(
            f"problem {problem.id!r} has no reference answer to grade against: "
            "give Problem(reference=...) or verify with a model"
        )
    return problem.reference


def compared(right: bool, answer: str, reference: str) -> Grade:
    """Return the grade of an answer that is right or wrong, with both shown."""
    relation = "equals" if right else "is not"
    return Grade(score=float(right), reason=f"{shown(answer)} {relation} {shown(reference)}")


def shown(text: str) -> str:
    """Return a text short and printable, for a reason."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def plain(text: str) -> str:
    r"""Return a text without differences of case and spacing.

    Example:
        >>> plain("  New\n YORK ")
        'new york'
    """
    return " ".join(text.split()).casefold()


class ExactGrader:
    """The same text, whatever its case and spacing."""

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade by equal text."""
        reference = reference_of(problem)
        return compared(plain(answer) == plain(reference), answer, reference)


class NumericGrader:
    """The same number, exactly: 1,000 is 1000.0, 1/2 is 0.5, and 0.333 is not 1/3.

    A unit is ignored and never converted: "$42", "42%" and "42 apples" are 42, but 50% is not 0.5.
    What counts as a unit is in `cogitate.tasks.quantity.parse_quantity`.
    """

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade by equal value.

        Raises:
            GraderError: The reference is no number.
        """
        reference = reference_of(problem)
        expected = parse_quantity(reference)
        if expected is None:
            raise GraderError(
                f"the reference {shown(reference)} of problem {problem.id!r} is not one number: "
                "grade it as kind='math' or kind='exact'"
            )
        given = parse_quantity(answer)
        if given is None:
            return Grade(score=0.0, reason=f"{shown(answer)} is not one number")
        return compared(given.value == expected.value, answer, reference)


class ChoiceGrader:
    """The same letter: "B", "b", "(B)", "B)", "B. the text" and "option B" all choose B."""

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade by equal letter.

        Raises:
            GraderError: The reference names no letter.
        """
        reference = reference_of(problem)
        expected = chosen(reference)
        if expected is None:
            raise GraderError(
                f"the reference {shown(reference)} of problem {problem.id!r} names no letter: "
                "give one such as 'B', or grade it as kind='exact'"
            )
        given = chosen(answer)
        if given is None:
            return Grade(score=0.0, reason=f"{shown(answer)} names no letter")
        return compared(given == expected, answer, reference)


def chosen(text: str) -> str | None:
    """Return the letter that a multiple-choice answer names, or None.

    Example:
        >>> chosen("(b)"), chosen("B. Paris"), chosen("Because")
        ('B', 'B', None)
    """
    text = text[:200].strip().strip("*").strip()
    if prefix := _LETTER_FIRST.match(text):
        text = text[prefix.end() :]
    match = _CHOICE.match(text)
    return match[1].upper() if match else None


class SortingGrader:
    """The same list of whole numbers.

    A wrong list scores 0, however near: the reason tells how near, as the error scope of Graph of
    Thoughts (Besta et al., 2024): neighbours in the wrong order plus numbers too many or too few.
    """

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade by equal list.

        Raises:
            GraderError: The reference is no list of whole numbers.
        """
        reference = reference_of(problem)
        expected = integers(reference)
        if expected is None:
            raise GraderError(
                f"the reference {shown(reference)} of problem {problem.id!r} is not a list of "
                "whole numbers: write it as [1, 2, 3]"
            )
        given = integers(answer)
        if given is None:
            return Grade(score=0.0, reason=f"{shown(answer)} is not a list of whole numbers")
        if given == expected:
            return Grade(score=1.0, reason="the list is right")
        return Grade(score=0.0, reason=f"the list has error scope {error_scope(given, expected)}")


def integers(text: str) -> list[int] | None:
    """Return the whole numbers of a list such as "[3, 1, 2]" or "3 1 2"; None if it is none.

    Example:
        >>> integers("[0, -1, 2]"), integers("3 1"), integers("[1, two]")
        ([0, -1, 2], [3, 1], None)
    """
    text = text.strip()
    if len(text) > _MAX_LIST:
        return None
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    words = text.replace(",", " ").split()
    if not all(_INTEGER.fullmatch(word) for word in words):
        return None
    return [int(word) for word in words]


def error_scope(given: list[int], expected: list[int]) -> int:
    """Count neighbours in the wrong order, and numbers that are missing or too many.

    Example:
        >>> error_scope([1, 3, 2], [1, 2, 3]), error_scope([1, 2, 2], [1, 2, 3])
        (1, 2)
    """
    disorder = sum(left > right for left, right in pairwise(given))
    return (
        disorder
        + ((Counter(given) - Counter(expected)) | (Counter(expected) - Counter(given))).total()
    )
