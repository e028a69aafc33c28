"""What a credit method returns: records that say where they come from, and are never replaced."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cogitate.graphs import Episode, ThoughtGraph
from cogitate.training.intervals import Interval
from cogitate.training.sources import run_of

__all__ = ["Credit", "CreditLog", "CreditMethod", "Credited", "Origin", "Parameter"]

Parameter = bool | int | float | str


class Origin(NamedTuple):
    """Which computation gave a credit."""

    method: str
    version: int
    """Raised whenever the same graph would get another credit."""
    parameters: tuple[tuple[str, Parameter], ...] = ()
    source: str = "grader"
    """Who is behind it: `grader`, or the source of the scores of a model that it rests on."""


class Credit(BaseModel):
    """What one method says of one thought."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thought: str
    """Its id in the graph."""
    measure: str
    """What `value` is: `value`, `label`, `advantage` or `agreement`."""
    value: FiniteFloat
    samples: int = Field(ge=1)
    """What it was computed from: graded leaves, roll-outs, the size of a group."""
    interval: Interval | None = None
    """95%, of values and of soft labels that were rolled out; None of all others."""
    positive: bool | None = None
    """Worth imitating; None where the method does not say."""
    trajectory: str | None = None
    """The id of the solution at its end, where a thought has credit for each that it is part of."""
    origin: Origin


class Credited(NamedTuple):
    """The credits of one graph, and what became of the thoughts and groups that have none."""

    credits: dict[str, list[Credit]]
    """By the id of the thought; a thought without credit is not there, which is not a 0."""
    counts: dict[str, int]


class CreditMethod(Protocol):
    """Gives credit to the thoughts of a graph; it changes nothing and draws no chance."""

    def __call__(self, graph: ThoughtGraph, grades: Mapping[str, float] | None = None) -> Credited:
        """Return the credits that the grades of a graph justify.

        Args:
            graph: Of any strategy.
            grades: What a grader gave to solutions, by id, besides what is on the thoughts.

        Raises:
            DataError: See `outcomes`.
        """
        ...


class CreditLog:
    """Every credit that was ever given: more are appended, none is replaced or removed.

    Thoughts are known by their ids, which are their own within one run alone; a harvest of a store
    keeps those of several runs apart.
    """

    def __init__(self) -> None:
        self._credits: dict[tuple[str, str], dict[Credit, None]] = {}

    def append(self, credits: Iterable[Credit], *, run: str = "") -> int:
        """Add credits, each once however often it comes, and return how many are new.

        Args:
            credits: Of thoughts of one run.
            run: Its key.
        """
        new = 0
        for credit in credits:
            of_thought = self._credits.setdefault((run, credit.thought), {})
            new += credit not in of_thought
            of_thought.setdefault(credit)
        return new

    def append_credits(self, episode: Episode | ThoughtGraph, credits: Iterable[Credit]) -> int:
        """Add the credits of an episode: `append` for a harvest to call."""
        return self.append(credits, run=run_of(episode))

    def of(self, thought: str, *, run: str = "") -> tuple[Credit, ...]:
        """All credits of the thought of that id in that run, oldest first."""
        return tuple(self._credits.get((run, thought), ()))
