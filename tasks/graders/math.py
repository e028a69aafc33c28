"""Grading mathematics by meaning, with math-verify in a killable child."""

import re

from cogitate.errors import GraderError
from cogitate.tasks.child import Child, JobFailed
from cogitate.tasks.grader import Grade
from cogitate.tasks.graders.exact import compared, plain, reference_of, shown
from cogitate.tasks.problem import Problem
from cogitate.tasks.quantity import parse_quantity

__all__ = ["MathGrader", "same_mathematics"]

_MAX_CHARACTERS = 4_000
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,40}(?![A-Za-z])")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|textit)\s?\{([^{}]{0,200})\}")
_FUNCTIONS = (
    "sin cos tan cot sec csc arcsin arccos arctan asin acos atan sinh cosh tanh log exp sqrt "
    "frac max min mod gcd lcm det pmatrix bmatrix matrix array cases infty"
)

_child = Child("judge_math.py")


class MathGrader:
    r"""The same mathematics: \frac{1}{2} is 0.5, and (x+1)^2 is x^2 + 2x + 1.

    It grades an extracted answer. A sentence ("12 apples, so 13 - 1") is not searched for
    something that might be right: it scores 0. Equal texts and equal numbers are found without
    the child; everything else is given to math-verify, which is killed at the limit.

    Args:
        limit: Seconds that one comparison may take.
    """

    def __init__(self, *, limit: float = 5.0) -> None:
        self.limit = limit

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade by equal meaning."""
        reference = reference_of(problem)
        try:
            right = await same_mathematics(reference, answer, limit=self.limit)
        except JobFailed as error:
            return Grade(score=0.0, reason=f"{shown(answer)} could not be compared: {error}")
        return compared(right, answer, reference)


async def same_mathematics(gold: str, answer: str, *, limit: float) -> bool:
    """Return whether `answer` means the same as `gold`, whose form it is held to.

    Raises:
        JobFailed: The comparison hung, died or raised.
        GraderError: The child cannot run.
    """
    if plain(_unwrapped(gold)) == plain(_unwrapped(answer)):
        return True
    given, expected = parse_quantity(answer), parse_quantity(gold)
    if given is not None and expected is not None:
        if given.value == expected.value:
            return True
        if given.value.denominator == expected.value.denominator == 1:
            return False
    if len(answer) > _MAX_CHARACTERS or len(gold) > _MAX_CHARACTERS or not answer.strip():
        return False
    # A sentence may hold what is right without saying it, so words must be the reference's own.
    if _words(_TEXT.sub(" ", answer)) - _words(gold) - set(_FUNCTIONS.split()):
        return False
    result = await _child.run({"gold": gold, "answer": answer}, limit=limit)
    if not isinstance(result, bool):
        raise GraderError(f"the maths child returned {shown(str(result))}: report this as a bug")
    return result


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _unwrapped(text: str) -> str:
    r"""Return what `\text{…}` holds, where that is all."""
    match = _TEXT.fullmatch(text.strip())
    return match[1] if match else text
