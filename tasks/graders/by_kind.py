"""Which grader a kind of problem has."""

import difflib

from cogitate.errors import ConfigError
from cogitate.tasks.grader import Grade, Grader
from cogitate.tasks.graders.code import CodeGrader
from cogitate.tasks.graders.exact import ChoiceGrader, ExactGrader, NumericGrader, SortingGrader
from cogitate.tasks.graders.game24 import Game24Grader
from cogitate.tasks.graders.math import MathGrader
from cogitate.tasks.graders.reasoning_gym import ReasoningGymGrader
from cogitate.tasks.problem import Problem
from cogitate.tasks.quantity import parse_quantity

__all__ = ["AutoGrader", "grader_for", "kind_of"]

_MATHEMATICAL = frozenset("\\^_{}$=")


def grader_for(problem: Problem, *, limit: float = 5.0) -> Grader:
    """Return the grader for a problem's kind.

    Args:
        problem: Its `kind` decides; `auto` decides by the look of its reference (`kind_of`).
        limit: Seconds that one answer may take.

    Raises:
        ConfigError: No grader has that kind.

    Example:
        >>> type(grader_for(Problem(prompt="6 * 7?", reference="42"))).__name__
        'NumericGrader'
    """
    graders: dict[str, Grader] = {
        "exact": ExactGrader(),
        "numeric": NumericGrader(),
        "math": MathGrader(limit=limit),
        "choice": ChoiceGrader(),
        "game24": Game24Grader(),
        "sorting": SortingGrader(),
        "reasoning_gym": ReasoningGymGrader(limit=limit),
        "code": CodeGrader(limit=limit),
        "snippet": CodeGrader(limit=limit, sandbox="snippet"),
    }
    kind = kind_of(problem)
    if kind not in graders:
        close = difflib.get_close_matches(kind, graders, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"problem {problem.id!r} is of the unknown kind {kind!r}: "
            f"{hint}known: auto, {', '.join(graders)}"
        )
    return graders[kind]


def kind_of(problem: Problem) -> str:
    r"""Return a problem's kind, with `auto` decided by the look of its reference.

    A number is `numeric`; what holds one of the characters \ ^ _ { } $ = is `math`; anything else,
    and no reference, is `exact`.
    """
    if problem.kind != "auto":
        return problem.kind
    if problem.reference is not None:
        if parse_quantity(problem.reference) is not None:
            return "numeric"
        if _MATHEMATICAL.intersection(problem.reference):
            return "math"
    return "exact"


class AutoGrader:
    """The grader of each problem's own kind: for sets that mix kinds.

    Args:
        limit: Seconds that one answer may take.
    """

    def __init__(self, *, limit: float = 5.0) -> None:
        self.limit = limit

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade with the grader of the problem's kind."""
        return await grader_for(problem, limit=self.limit).grade(problem, answer)
