"""Many problems at once: every search shares the engines, and a bad one does not stop the rest."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cogitate.agents import Team
from cogitate.errors import ConfigError, StoreError
from cogitate.graphs.budget import Budget
from cogitate.graphs.episode import Episode, graded
from cogitate.graphs.recording import InMemory, Place, Plan, Recorder, Recording
from cogitate.graphs.solve import asolve, blocking
from cogitate.graphs.strategy import Strategy
from cogitate.inference import Engines, Usage
from cogitate.tasks import Problem, ProblemSet

__all__ = ["Report", "arun", "run"]

_LOOK_AGAIN = 0.2
"""Seconds after which a run looks whether others have left problems to it."""


@dataclass(frozen=True, slots=True)
class Report:
    """All episodes of a run, in the order of the problems."""

    episodes: Sequence[Episode]
    """Those of a store are read when they are looked at, each time anew; with what other processes
    have finished of the same run."""
    correct: int
    """How many answers are wholly right."""
    usage: Usage
    """Tokens and calls of all episodes together."""
    seconds: float
    interrupted: bool = False
    """It was stopped before all problems were done; the finished ones are here."""


async def arun(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    strategy: Strategy,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
    store: Recorder | None = None,
    replay: bool = False,
    on_episode: Callable[[Episode], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Report:
    """Think about every problem and grade the answers.

    Args:
        problems: What to think about; the worked examples of a `ProblemSet` are used.
        team: Who thinks.
        strategy: How.
        budget: What each problem may cost.
        seed: As for `solve`.
        concurrency: Problems in progress at the same moment.
        engines: Engines to share with other calls; opened and closed here otherwise.
        store: Keeps all that is thought. The same call with the same store goes on where it
            stopped, in several processes at once where you like: a call in its journal is not made
            again, and finished problems are left alone.
        replay: Think about finished problems again, from the store's journal alone, and refuse
            anything that comes out otherwise.
        on_episode: Called with each episode as it ends, in the order of ending.
        stop: When set, no further problem begins and the ones in progress are dropped.

    Raises:
        ConfigError: Something must be changed before anything can run.
        StoreError: The store failed; what it had acknowledged is there.
        DataError: A replay came to something else.
    """
    if replay and store is None:
        raise ConfigError("replay=True needs the store of the run: give store=RunStore(...)")
    if concurrency < 1:
        raise ConfigError(f"concurrency={concurrency}: give at least 1")
    started = time.perf_counter()
    plan = Plan(
        problems=problems,
        examples=problems.examples if isinstance(problems, ProblemSet) else (),
        team=team,
        strategy=strategy,
        budget=budget or Budget(),
        seed=seed,
        replay=replay,
    )
    pool = engines or Engines()
    try:
        work = _Work(
            plan,
            pool,
            InMemory(plan) if store is None else store.begin(plan, pool),
            on_episode,
            stop,
        )
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(problems))):
                group.create_task(work.go_on())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        if engines is None:
            await pool.close()
    finished, correct, usage = work.recording.tally()
    return Report(
        work.recording.episodes,
        correct,
        usage,
        time.perf_counter() - started,
        interrupted=finished < len(problems),
    )


run = blocking(
    arun, "Think about every problem, grade the answers, and wait for the report (see `arun`)."
)


class _Work:
    """What all workers of a run share."""

    def __init__(
        self,
        plan: Plan,
        engines: Engines,
        recording: Recording,
        on_episode: Callable[[Episode], None] | None,
        stop: asyncio.Event | None,
    ) -> None:
        self.recording = recording
        self._plan = plan
        self._engines = engines
        self._on_episode = on_episode
        self._stop = stop

    async def go_on(self) -> None:
        """Think about one problem after another, until none is left."""
        while self._stop is None or not self._stop.is_set():
            place = self.recording.claim()
            if place is not None:
                await self._think(place)
            elif self.recording.waiting():
                await asyncio.sleep(_LOOK_AGAIN)
            else:
                return

    async def _think(self, place: Place) -> None:
        try:
            episode = await self._episode(place)
            if episode.result is not None and episode.result.stopped == "interrupted":
                return
            await place.keep(episode)
        finally:
            place.free()
        if self._on_episode is not None:
            self._on_episode(episode)

    async def _episode(self, place: Place) -> Episode:
        plan = self._plan
        problem = plan.problems[place.index]
        try:
            result = await asolve(
                problem,
                plan.team,
                plan.strategy,
                budget=plan.budget,
                seed=plan.seed,
                examples=plan.examples,
                engines=self._engines,
                stop=self._stop,
                around=place.around,
            )
        except (ConfigError, StoreError):
            raise
        except Exception as error:  # a user's strategy may fail in any way on one problem
            return Episode(problem, None, None, f"{type(error).__name__}: {error}")
        return await graded(Episode(problem, result, None))
