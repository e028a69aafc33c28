"""What was learned on one problem and may help with another.

A lesson is text that a model wrote, so what matters is whether it was tried. `verified` is set by
who ran the trial, from a programmatic grader, and never by a model. Only verified lessons may be
recalled: a wrong one would spread to every similar problem. The same holds of worked examples.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict

from cogitate.inference.text import valid_unicode
from cogitate.tasks import Example, Problem

__all__ = ["Examples", "Lesson", "Lessons", "Provenance"]

_Text = Annotated[str, AfterValidator(valid_unicode)]


class Provenance(BaseModel):
    """Where a lesson comes from: who wrote it, and what came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: _Text = ""
    """The run that learned it."""
    thought: _Text = ""
    """The id of the thought that says it, in the graph of its problem in that run."""
    author: _Text = ""
    """The agent that wrote it."""
    model: _Text = ""
    """The model that the agent ran on."""
    grader: _Text = ""
    """The programmatic grader that called an attempt right."""
    outcome: _Text = ""
    """The id of that attempt."""
    derived_from: tuple[_Text, ...] = ()
    """The ids of the lessons that its author had been shown."""


class Lesson(BaseModel):
    """What an agent wrote after a failure, and what came of it.

    Example:
        >>> lesson = Lesson(text="Carry.", problem="a", prompt="Add 38 and 47.")
        >>> lesson.id == lesson.model_copy().id, lesson.verified
        (True, False)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: _Text
    problem: _Text
    """The id of the problem that it was learned on."""
    prompt: _Text
    """What that problem asked: similar problems recall the lesson."""
    kind: _Text = "auto"
    """How that problem is graded."""
    verified: bool = False
    """Whether an attempt that was shown it was graded right, and none was graded wrong."""
    provenance: Provenance = Provenance()

    @property
    def id(self) -> str:
        """32 hexadecimal digits made from all that it says: equal lessons have equal ids."""
        source = self.provenance
        said = (self.text, self.problem, self.prompt, self.kind, self.verified)
        by = (source.run, source.thought, source.author, source.model, source.grader)
        # By name: a field that comes later must not change the ids that are kept.
        told = json.dumps([*said, *by, source.outcome, *source.derived_from])
        return blake2b(told.encode(), digest_size=16).hexdigest()


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


@runtime_checkable
class Examples(Protocol):
    """Where solved problems are kept. Safe to use from many tasks of one event loop."""

    async def examples(self, problem: Problem) -> Sequence[Example]:
        """Solved problems similar to this one, the most similar first, and never itself."""
        ...
