"""What a stage of a program is, and how one words its prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from cogitate.agents import Passage, Prompt, Shot
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.thought import Thought

__all__ = ["Measure", "Stage", "StageOf", "Test", "Wording"]

Measure = Callable[[str, Thought], float]
"""Scores a solution without a model: the text of its problem and the solution in, [0, 1] out."""

Test = Callable[[str, Thought], bool]
"""Tells whether a solution is valid: the text of its problem and the solution in."""


@runtime_checkable
class Stage(Protocol):
    """One operation of a program: thoughts in, thoughts out.

    A stage is itself a node of the program: whoever takes it as an input takes its thoughts. Two
    stages are the same only if they are one object: a dataclass of your own needs `eq=False`.
    """

    @property
    def inputs(self) -> tuple["Stage", ...]:
        """The stages whose thoughts it takes."""
        ...

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Work on the thoughts of all inputs, in order, each once.

        Args:
            d: Whom to ask.
            thoughts: What the inputs gave.
            first: The number of the first sample to ask for at a place.
        """
        ...


@dataclass(frozen=True, eq=False)
class StageOf:
    """The inputs of a stage that works on other stages."""

    of: Stage | Sequence[Stage] = field(repr=False)
    """What it works on: one stage or several."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not all(isinstance(stage, Stage) for stage in self.inputs) or not self.inputs:
            raise ConfigError(f"{self}: give the stage that it works on, such as Given()")
        for name in ("k", "n", "into", "tries", "samples"):
            if vars(self).get(name, 1) < 1:
                raise ConfigError(f"{self}: {name} is at least 1")

    @property
    def inputs(self) -> tuple[Stage, ...]:
        """The stages whose thoughts it takes."""
        return (self.of,) if isinstance(self.of, Stage) else tuple(self.of)


class Wording(NamedTuple):
    """How a stage words its prompt, where it does not take its operation's own."""

    name: str
    """An agent that has a prompt of this name uses that."""
    prompt: Prompt
    shots: tuple[Shot, ...] = ()
    label: str = "response"
    """What the thoughts are called that the prompt shows."""
    answers: bool = False
    """Show the answers alone, of thoughts that have one."""

    def passages(self, thoughts: Sequence[Thought]) -> list[Passage]:
        """The thoughts as the prompt shows them, numbered if there are several."""
        texts = [(self.answers and thought.answer) or thought.text for thought in thoughts]
        if len(texts) == 1:
            return [Passage(self.label, texts[0])]
        return [Passage(f"{self.label} {i}", text) for i, text in enumerate(texts, start=1)]
