"""Many problems at once: every search shares the engines, and a bad one does not stop the rest."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs.budget import Budget
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.solve import Result, asolve, blocking
from cogitate.graphs.strategy import Strategy
from cogitate.inference import Engines, Usage
from cogitate.tasks import Example, Grade, Problem, ProblemSet, grader_for

__all__ = ["Episode", "Report", "arun", "run"]


@dataclass(frozen=True, slots=True)
class Episode:
    """One problem of a run: what was thought, and how the answer was graded."""

    problem: Problem
    result: Result | None
    """None where the strategy itself failed."""
    grade: Grade | None
    """None where the problem has no reference answer or its grader could not decide."""
    error: str = ""
    """Why there is no result or no grade."""

    @property
    def graph(self) -> ThoughtGraph:
        """The thought graph; empty but for the problem where the strategy failed."""
        return ThoughtGraph.of(self.problem) if self.result is None else self.result.graph


@dataclass(frozen=True, slots=True)
class Report:
    """All episodes of a run, in the order of the problems."""

    episodes: list[Episode]
    seconds: float
    interrupted: bool = False
    """It was stopped before all problems were done; the finished ones are here."""

    @property
    def correct(self) -> int:
        """How many answers are wholly right."""
        return sum(e.grade is not None and e.grade.correct for e in self.episodes)

    @property
    def usage(self) -> Usage:
        """Tokens and calls of all episodes together."""
        return sum((e.result.usage for e in self.episodes if e.result), Usage(calls=0))


async def arun(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    strategy: Strategy,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
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
        on_episode: Called with each episode as it ends, in the order of ending.
        stop: When set, no further problem begins and the ones in progress are dropped.

    Raises:
        ConfigError: Something must be changed before anything can run.
    """
    if concurrency < 1:
        raise ConfigError(f"concurrency={concurrency}: give at least 1")
    started = time.perf_counter()
    examples = problems.examples if isinstance(problems, ProblemSet) else ()
    pool = engines or Engines()
    waiting = iter(enumerate(problems))
    finished: dict[int, Episode] = {}

    async def worker() -> None:
        for index, problem in waiting:
            if stop is not None and stop.is_set():
                return
            episode = await _episode(problem, team, strategy, budget, seed, examples, pool, stop)
            if episode.result is not None and episode.result.stopped == "interrupted":
                return
            finished[index] = episode
            if on_episode is not None:
                on_episode(episode)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(problems))):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        if engines is None:
            await pool.close()
    return Report(
        [finished[index] for index in sorted(finished)],
        time.perf_counter() - started,
        interrupted=len(finished) < len(problems),
    )


run = blocking(
    arun, "Think about every problem, grade the answers, and wait for the report (see `arun`)."
)


async def _episode(
    problem: Problem,
    team: Team,
    strategy: Strategy,
    budget: Budget | None,
    seed: int,
    examples: Sequence[Example],
    engines: Engines,
    stop: asyncio.Event | None,
) -> Episode:
    try:
        result = await asolve(
            problem,
            team,
            strategy,
            budget=budget,
            seed=seed,
            examples=examples,
            engines=engines,
            stop=stop,
        )
    except ConfigError:
        raise
    except Exception as error:  # a strategy of the user's own may fail in any way on one problem
        return Episode(problem, None, None, f"{type(error).__name__}: {error}")
    return await grade(Episode(problem, result, None))


async def grade(episode: Episode) -> Episode:
    """Return the episode with its answer graded by its problem's own grader."""
    if episode.result is None or episode.problem.reference is None:
        return episode
    answer = episode.result.answer
    if answer is None:
        return replace(episode, grade=Grade(score=0.0, reason="no answer was marked"))
    try:
        found = await grader_for(episode.problem).grade(episode.problem, answer)
    except ConfigError:
        raise
    except Exception as error:  # a grader must not fail; one that does costs one problem
        return replace(episode, error=f"{type(error).__name__}: {error}")
    return replace(episode, grade=found)
