"""Grading the problems of reasoning_gym, without running an answer.

Most families are scored by their own scorer, in a killable child. It may give partial credit; only
a full score counts as right here, so that accuracies mean the same as elsewhere. The scorers that
cannot be trusted are not used:

- nine families evaluate the answer as Python. Two of them are arithmetic puzzles, calculated by
  `cogitate.tasks.arithmetic`; for four the evaluation could earn partial credit only, so equal
  text is all that is needed; three are algebra, and their answers must be made of numbers,
  operators, brackets, and the names that belong there before the scorer sees them
- `puzzle24` does not check that the given numbers were used, `game_of_life_halting` takes anything
  for "False", `coin_flip` takes what is within 0.0001, `complex_arithmetic` takes "nan", and
  `arc_agi` and `rearc` no longer know their grids once those have been written to a file
"""

import re
from fractions import Fraction
from typing import TypeAlias

from pydantic import JsonValue

from cogitate.errors import GraderError
from cogitate.tasks.child import Child, JobFailed
from cogitate.tasks.grader import Grade
from cogitate.tasks.graders.exact import compared, plain, reference_of, shown
from cogitate.tasks.graders.game24 import grade_expression
from cogitate.tasks.problem import Problem
from cogitate.tasks.quantity import parse_number

__all__ = ["ReasoningGymGrader"]

_Object: TypeAlias = dict[str, JsonValue]

_EXPRESSION = frozenset({"countdown", "puzzle24"})
_TEXT = frozenset(
    {"arc_agi", "binary_matrix", "game_of_life_halting", "rearc", "spiral_matrix"}
    | {"string_insertion"}
)
_ALGEBRA = frozenset(
    {"intermediate_integration", "polynomial_multiplication", "simple_integration"}
)

_MAX_CHARACTERS = 20_000
_MAX_ALGEBRA = 1_000
_ALGEBRA_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,12}(?:\.[0-9]{1,12})?)(?![0-9.])"
    r"|(?P<name>[A-Za-z]{1,5})(?![A-Za-z_0-9])"
    r"|(?P<sign>\*\*|[-+*/()]))"
)
_ALGEBRA_NAMES = frozenset(
    "C E x y z X pi acos asin atan cos cosh exp log sin sinh sqrt tan tanh".split()  # noqa: SIM905
)
_NOT_A_NUMBER = re.compile(r"(?<![a-z])(?:nan|inf|infinity)(?![a-z])", re.IGNORECASE)

gym_child = Child("judge_gym.py")


class ReasoningGymGrader:
    """The full score of the family's own scorer, or a stricter one where that cannot be trusted.

    Args:
        limit: Seconds that one answer may take.
    """

    def __init__(self, *, limit: float = 5.0) -> None:
        self.limit = limit

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade an answer to a problem from `load("reasoning_gym/…")`.

        Raises:
            GraderError: The problem is not one of those.
        """
        family, options, entry = _parts(problem)
        answer = answer.strip()
        if len(answer) > _MAX_CHARACTERS:
            return Grade(score=0.0, reason=f"{shown(answer)} is too long to be right")
        reference = reference_of(problem)
        if reference.endswith(".") and not answer.endswith("."):
            answer += "."  # reading a reply takes the full stop away
        grade = _graded_here(family, entry, answer, reference)
        return grade or await self._score(problem, family, options, entry, answer)

    async def _score(
        self, problem: Problem, family: str, options: _Object, entry: _Object, answer: str
    ) -> Grade:
        item: JsonValue = {
            "question": problem.prompt,
            "answer": problem.reference,
            "metadata": entry,
        }
        payload: _Object = {
            "family": family,
            "options": options,
            "entry": item,
            "answer": answer,
        }
        try:
            score = await gym_child.run({"do": "score", **payload}, limit=self.limit)
        except JobFailed as error:
            return Grade(score=0.0, reason=f"{shown(answer)} could not be scored: {error}")
        if not isinstance(score, int | float):
            raise GraderError(f"the scorer of {family} returned {score!r}: report this as a bug")
        if score >= 1:
            return Grade(score=1.0, reason=f"{shown(answer)} is right for {family}")
        return Grade(score=0.0, reason=f"{shown(answer)} scores {score:.2g} of 1 for {family}")


def _parts(problem: Problem) -> tuple[str, _Object, _Object]:
    family, options, entry = (problem.metadata.get(n) for n in ("family", "options", "entry"))
    if isinstance(family, str) and isinstance(options, dict) and isinstance(entry, dict):
        return family, options, entry
    raise GraderError(
        f"problem {problem.id!r} lacks the metadata of a reasoning_gym problem: "
        "make it with cogitate.tasks.load('reasoning_gym/<family>'), or grade it as another kind"
    )


def _graded_here(family: str, entry: _Object, answer: str, reference: str) -> Grade | None:
    """Grade without the family's scorer, or return None where that must decide."""
    if family in _EXPRESSION:
        return grade_expression(answer, numbers=_integers(entry), target=_target(entry))
    if family == "coin_flip":
        return compared(_same_chance(answer, reference, entry), answer, reference)
    if family == "n_queens":
        return compared(_is_board(answer, entry), answer, reference)
    if family in _TEXT:
        return compared(plain(answer) == plain(reference), answer, reference)
    if answer == reference.strip():
        return compared(True, answer, reference)
    if family in _ALGEBRA and not _is_algebra(answer):
        return Grade(score=0.0, reason=f"{shown(answer)} is not an expression that may be read")
    if _NOT_A_NUMBER.search(answer) and not _NOT_A_NUMBER.search(reference):
        return Grade(score=0.0, reason=f"{shown(answer)} is not a number")
    return None


def _integers(entry: _Object) -> list[int]:
    numbers = entry.get("numbers")
    return [n for n in numbers if isinstance(n, int)] if isinstance(numbers, list) else []


def _target(entry: _Object) -> int:
    target = entry.get("target", 24)
    return target if isinstance(target, int) else 24


def _same_chance(answer: str, reference: str, entry: _Object) -> bool:
    given = parse_number(answer)
    exact = entry.get("rational")
    if given is None:
        return False
    if isinstance(exact, dict):
        above, below = exact.get("numerator"), exact.get("denominator")
        if isinstance(above, int) and isinstance(below, int) and given == Fraction(above, below):
            return True
    return given == parse_number(reference)


def _is_board(answer: str, entry: _Object) -> bool:
    boards = entry.get("valid_answers")
    if not isinstance(boards, list):
        return False
    return plain(answer) in {plain(board) for board in boards if isinstance(board, str)}


def _is_algebra(answer: str) -> bool:
    """Tell whether an answer holds numbers, operators, brackets and known names, and no more."""
    if len(answer) > _MAX_ALGEBRA:
        return False
    position = 0
    while position < len(answer):
        token = _ALGEBRA_TOKEN.match(answer, position)
        if token is None or (token["name"] and token["name"] not in _ALGEBRA_NAMES):
            return False
        position = token.end()
    return True
