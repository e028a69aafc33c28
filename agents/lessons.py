"""What was learned on one problem and may help with another.

A lesson is text that a model wrote, so what matters is whether it was tried. `verified` is set by
who ran the trial, from a programmatic grader, and never by a model. Only verified lessons may be
recalled: a wrong one would spread to every similar problem.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from cogitate.tasks import Problem

__all__ = ["Lesson", "Lessons"]


class Lesson(BaseModel):
    """What an agent wrote after a failure, and what came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    problem: str
    """The id of the problem that it was learned on."""
    prompt: str
    """What that problem asked: similar problems recall the lesson."""
    verified: bool = False
    """Whether an attempt that was shown it was graded right, and none was graded wrong."""


@runtime_checkable
class Lessons(Protocol):
    """Where lessons are kept between problems. Safe to use from many tasks of one event loop."""

    async def recall(self, problem: Problem) -> Sequence[Lesson]:
        """The verified lessons of problems similar to this one, the most similar first.

        Never those of the problem itself: with a grader as verifier they could tell its answer.
        """
        ...

    async def learn(self, lesson: Lesson) -> None:
        """Keep a lesson, verified or not."""
        ...
