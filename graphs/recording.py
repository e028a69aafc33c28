"""What a run needs of whoever keeps it; `cogitate.memory.RunStore` keeps it in a file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cogitate.agents import Team
from cogitate.graphs.budget import Budget
from cogitate.graphs.episode import Episode
from cogitate.graphs.strategy import Strategy
from cogitate.inference import Engine, Engines, Usage
from cogitate.tasks import Example, Problem

__all__ = ["InMemory", "Layer", "Place", "Plan", "Recorder", "Recording", "Tally"]

Layer = Callable[[Engine], Engine]
"""What puts an engine around an engine."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run shall do: equal plans are the same run."""

    problems: Sequence[Problem]
    examples: Sequence[Example]
    team: Team
    strategy: Strategy
    budget: Budget
    seed: int
    replay: bool = False
    """Think about finished problems again, without any model, and see that the same comes out."""


class Tally(NamedTuple):
    """What the finished problems of a run came to."""

    finished: int
    correct: int
    """How many answers are wholly right."""
    usage: Usage
    """Tokens and calls of all together."""

    @classmethod
    def of(cls, episodes: Iterable[Episode]) -> "Tally":
        """Count episodes."""
        finished = correct = 0
        usage = Usage(calls=0)
        for episode in episodes:
            finished += 1
            correct += episode.correct
            usage += Usage(calls=0) if episode.result is None else episode.result.usage
        return cls(finished, correct, usage)


class Place(Protocol):
    """One problem of a run, of which nobody else thinks meanwhile."""

    @property
    def index(self) -> int:
        """Its number among the problems."""
        ...

    @property
    def around(self) -> Layer | None:
        """What to put around each engine, below the budget."""
        ...

    async def keep(self, episode: Episode) -> None:
        """Keep what was thought, before anybody is told of it."""
        ...

    def free(self) -> None:
        """Let others think about it, where it was not finished."""
        ...


class Recording(Protocol):
    """A run that is being kept."""

    def tally(self) -> "Tally":
        """Count what is finished, by whoever worked on it."""
        ...

    @property
    def episodes(self) -> Sequence[Episode]:
        """What is finished, in the order of the problems."""
        ...

    def claim(self) -> Place | None:
        """Take a problem that is not finished; None where there is none that nobody works on."""
        ...

    def waiting(self) -> bool:
        """Whether somebody else works on problems of this run."""
        ...


class Recorder(Protocol):
    """What keeps runs."""

    def begin(self, plan: Plan, engines: Engines) -> Recording:
        """Begin a run, or go on with it where it was begun before.

        Raises:
            ConfigError: Something must be changed before anything can run.
        """
        ...


@dataclass
class _Slot:
    index: int
    kept: dict[int, Episode]
    around: Layer | None = None

    async def keep(self, episode: Episode) -> None:
        self.kept[self.index] = episode

    def free(self) -> None:
        """Nobody else can take it."""


@dataclass
class InMemory:
    """A run that nobody keeps."""

    plan: Plan
    _kept: dict[int, Episode] = field(default_factory=dict)
    _next: int = 0

    def tally(self) -> Tally:
        """Count what is finished."""
        return Tally.of(self._kept.values())

    @property
    def episodes(self) -> list[Episode]:
        """What is finished, in the order of the problems."""
        return [self._kept[index] for index in sorted(self._kept)]

    def claim(self) -> _Slot | None:
        """Take the next problem."""
        if self._next == len(self.plan.problems):
            return None
        self._next += 1
        return _Slot(self._next - 1, self._kept)

    def waiting(self) -> bool:
        """Nobody else works on it."""
        return False
