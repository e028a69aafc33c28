"""What is asked: a problem, and a named list of problems with worked examples."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from cogitate.errors import DataError
from cogitate.inference.text import valid_unicode

__all__ = ["Example", "Problem", "ProblemSet"]


class Problem(BaseModel):
    """One thing to solve.

    Example:
        >>> Problem(prompt="What is 6 * 7?", reference="42").id
        'p-455e4cc35500'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    """Unique in its set; made from the prompt where none is given."""
    prompt: str
    """What the agents are shown."""
    reference: str | None = None
    """The right answer, where one is known. Only graders read it, never an agent."""
    kind: str = "auto"
    """How answers are graded and compared: a kind that `cogitate.tasks.grader_for` knows."""
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What the grader needs besides; never shown to an agent."""

    @field_validator("id", "prompt", "reference")
    @classmethod
    def _valid_unicode(cls, text: str | None) -> str | None:
        return None if text is None else valid_unicode(text)

    def model_post_init(self, _context: Any, /) -> None:  # Any: pydantic's own signature
        """Name a problem without an id after its prompt."""
        if not self.id:
            digest = hashlib.blake2b(self.prompt.encode(), digest_size=6).hexdigest()
            object.__setattr__(self, "id", f"p-{digest}")


class Example(BaseModel):
    """A worked example, shown to an agent before its problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    response: str
    """The steps and the marked answer, as the agent should write them."""
    author: str = ""
    """Who wrote the steps: `dataset`, `cogitate` (by hand), or a model's name."""


class ProblemSet(Sequence[Problem]):
    """Problems under one name, with worked examples from outside them.

    Args:
        name: As it was asked for; reports show it.
        problems: In order; ids must be unique.
        examples: Worked examples. None of them may be one of the problems.
        dropped: How many problems the loader left out because their prompt was already there.
    """

    def __init__(
        self,
        name: str,
        problems: Sequence[Problem],
        *,
        examples: Sequence[Example] = (),
        dropped: int = 0,
    ) -> None:
        self.name = name
        self.dropped = dropped
        self.examples = tuple(examples)
        self._problems = tuple(problems)
        seen: set[str] = set()
        for problem in self._problems:
            if problem.id in seen:
                raise DataError(f"{name}: two problems have the id {problem.id!r}: rename one")
            seen.add(problem.id)
        shown = {example.prompt for example in self.examples}
        for problem in self._problems:
            if problem.prompt in shown:
                raise DataError(f"{name}: problem {problem.id!r} is also a worked example")

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems)

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> "ProblemSet": ...
    def __getitem__(self, index: int | slice) -> "Problem | ProblemSet":
        if isinstance(index, slice):
            return ProblemSet(
                self.name, self._problems[index], examples=self.examples, dropped=self.dropped
            )
        return self._problems[index]

    def __repr__(self) -> str:
        return f"ProblemSet({self.name!r}, {len(self)} problems, {len(self.examples)} examples)"
