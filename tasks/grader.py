"""How an answer is graded: one async method, and the record it returns."""

import math
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, field_validator

from cogitate.errors import GraderError
from cogitate.tasks.problem import Problem

__all__ = ["Grade", "Grader"]


class Grade(BaseModel):
    """What a grader found."""

    model_config = ConfigDict(frozen=True)

    score: float
    """In [0, 1]; 1 is right."""
    reason: str = ""
    """One line for a person: what was compared with what."""

    @field_validator("score")
    @classmethod
    def _in_range(cls, score: float) -> float:
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise GraderError(f"a grader gave the score {score}: it must lie in [0, 1]")
        return score

    @property
    def correct(self) -> bool:
        """Whether the answer is right, wholly."""
        return self.score == 1.0


@runtime_checkable
class Grader(Protocol):
    """Something that grades an answer without a model.

    Safe to call from any thread and any event loop. It never raises for a bad answer: hostile,
    malformed and hanging answers get score 0 and a reason within the time limit.
    """

    async def grade(self, problem: Problem, answer: str) -> Grade:
        """Grade an extracted answer (not a whole reply) to `problem`.

        Raises:
            GraderError: It could not decide, whatever the answer: a problem without reference.
        """
        ...
