"""Which strategy pays at which difficulty: measured on problems with known answers, kept as a plan.

Each problem is probed once. Then every candidate thinks about it with the same probes in hand, as
`compute-optimal` would, so candidates are compared on the same problems and differ only in what
they do after the probes. `cogitate.training.allocate` states the rule that chooses among them.

The accuracies in a plan are those of the calibration problems, on which the choice was made, so
they flatter it: evaluate `compute-optimal` on other problems.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cogitate.agents import Team
from cogitate.errors import CogitateError, ConfigError
from cogitate.graphs import (
    Budget,
    Deliberation,
    Episode,
    Plan,
    Relation,
    Signal,
    Strategy,
    Thought,
    arun,
)
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategies.compute_optimal import difficulty_of, having
from cogitate.graphs.strategy import name_of, strategy_named
from cogitate.inference import Engines, Usage
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.allocate import Trial, plan_from
from cogitate.training.evaluate import stop_on_interrupt
from cogitate.training.outcome import Outcome

__all__ = ["acalibrate", "calibrate"]


async def acalibrate(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    *,
    candidates: Sequence[str | Strategy],
    probes: int = 4,
    signal: Signal = "verifier",
    bins: int = 5,
    tolerance: float = 1.0,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Plan:
    """Find out which of several strategies to use at which difficulty.

    Args:
        problems: Each with a reference answer. About 30 or more for each bin tell candidates apart
            that differ by 15 points.
        team: Who thinks. The plan holds for its models.
        candidates: Named strategies, such as `best-of-n?n=8`.
        probes: How many solutions tell a problem's difficulty.
        signal: What difficulty is read from: the verifier's scores of the probes, or `agreement`.
        bins: How many bins of difficulty at most.
        tolerance: Standard errors that a choice may lie behind the best candidate of its bin.
        budget: What each problem may cost with each candidate, probes included.
        seed: As for `solve`.
        concurrency: Problems in progress at the same moment.
        engines: Engines to share with other calls; opened and closed here otherwise.
        on_outcome: Called as each candidate ends on a problem: for progress.
        stop: When set, the plan is made from the problems that are finished.

    Raises:
        ConfigError: A problem has no reference answer, or something must be changed first.
        CogitateError: It was stopped before one problem was finished.
    """
    named = [strategy_named(c) if isinstance(c, str) else c for c in candidates]
    names = [name_of(one) for one in named]
    _check(problems, names, probes=probes, bins=bins, tolerance=tolerance, concurrency=concurrency)
    pool = engines or Engines()
    waiting = iter(enumerate(problems))
    trials: dict[int, Trial] = {}
    trying = _Trying(team, named, _Probing(probes, signal), budget, seed, pool, on_outcome, stop)

    async def worker() -> None:
        for index, problem in waiting:
            trial = await trying.trial(_alone(problem, problems))
            if trial is None:
                return
            trials[index] = trial

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(problems))):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        if engines is None:
            await pool.close()
    if not trials:
        raise CogitateError("stopped before one problem was finished: there is no plan")
    plan = plan_from(
        [trials[i] for i in sorted(trials)],
        names,
        probes=probes,
        signal=signal,
        bins=bins,
        tolerance=tolerance,
    )
    return plan.model_copy(
        update={
            "problems": problems.name if isinstance(problems, ProblemSet) else "",
            "team": _models(team),
            "oracle": team.oracle,
            "seed": seed,
        }
    )


def calibrate(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    *,
    candidates: Sequence[str | Strategy],
    probes: int = 4,
    signal: Signal = "verifier",
    bins: int = 5,
    tolerance: float = 1.0,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Plan:
    """Find out which of several strategies to use at which difficulty (see `acalibrate`).

    Ctrl-C makes the plan from the finished problems; a second Ctrl-C ends it at once.

    Example:
        >>> from cogitate.graphs import ComputeOptimal, solve
        >>> from cogitate.inference import Scripted
        >>> problems = [Problem(prompt="6 * 7?", reference="42")]
        >>> team = Team.of(Scripted(["Answer: 42"]))
        >>> names = ["best-of-n?n=4", "self-consistency?n=2"]
        >>> plan = calibrate(problems, team, candidates=names, probes=2, signal="agreement")
        >>> plan.choose(0.0)
        'self-consistency?n=2'
        >>> solve("6 * 8?", team, ComputeOptimal(plan)).usage.calls
        2
    """

    async def stoppable() -> Plan:
        with stop_on_interrupt() as stop:
            return await acalibrate(
                problems,
                team,
                candidates=candidates,
                probes=probes,
                signal=signal,
                bins=bins,
                tolerance=tolerance,
                budget=budget,
                seed=seed,
                concurrency=concurrency,
                engines=engines,
                on_outcome=on_outcome,
                stop=stop,
            )

    return wait_for(stoppable())


@dataclass(frozen=True, slots=True)
class _Probing:
    """Sample the probes and judge the difficulty, and nothing more."""

    probes: int
    signal: Signal

    async def __call__(self, d: Deliberation) -> None:
        probes = await d.samples(self.probes)
        d.graph.score(d.problem, "difficulty", await difficulty_of(d, probes, self.signal))


@dataclass(frozen=True, slots=True)
class _Continuing:
    """Think with a strategy that finds the probes there, and their cost on its account."""

    strategy: Strategy
    probes: Sequence[Thought]
    spent: Usage

    async def __call__(self, d: Deliberation) -> Thought | None:
        d.ledger.usage += self.spent
        own = [replace(probe, scores=dict(probe.scores)) for probe in self.probes]
        for probe in own:
            d.graph.add(probe, [d.problem], Relation.GENERATES)
        return await self.strategy(having(d, own))


@dataclass(frozen=True, slots=True)
class _Trying:
    """Tries every candidate on one problem after the other."""

    team: Team
    candidates: Sequence[Strategy]
    probing: _Probing
    budget: Budget | None
    seed: int
    engines: Engines
    on_outcome: Callable[[Outcome], None] | None
    stop: asyncio.Event | None

    async def trial(self, problem: ProblemSet) -> Trial | None:
        """Probe one problem and try each candidate on it; None where it was stopped.

        Candidates go one after the other: the samples that they ask for after the probes have the
        same place and numbers, and asks of one moment would be merged.
        """
        begun = await self._think(problem, self.probing)
        if begun is None:
            return None
        probes: list[Thought] = []
        spent, difficulty = Usage(calls=0), 1.0
        if begun.result is not None:
            spent = begun.result.usage
            difficulty = begun.graph.root.scores.get("difficulty", 1.0)
            probes = [t for t in begun.graph.children(begun.graph.root) if t.role == "generator"]
        outcomes = []
        for candidate in self.candidates:
            episode = await self._think(problem, _Continuing(candidate, probes, spent))
            if episode is None:
                return None
            outcomes.append(Outcome.of(episode))
            if self.on_outcome is not None:
                self.on_outcome(outcomes[-1])
        return Trial(difficulty, tuple(outcomes))

    async def _think(self, problem: ProblemSet, strategy: Strategy) -> Episode | None:
        report = await arun(
            problem,
            self.team,
            strategy,
            budget=self.budget,
            seed=self.seed,
            concurrency=1,
            engines=self.engines,
            stop=self.stop,
        )
        return report.episodes[0] if report.episodes else None


def _alone(problem: Problem, problems: ProblemSet | Sequence[Problem]) -> ProblemSet:
    """One problem as a set of its own, with the worked examples of its set."""
    if isinstance(problems, ProblemSet):
        return ProblemSet(problems.name, [problem], examples=problems.examples)
    return ProblemSet("", [problem])


def _models(team: Team) -> str:
    said = {
        agent.name: agent.model if isinstance(agent.model, str) else agent.model.info.model
        for agent in team.agents
    }
    if team.grader is not None or team.function is not None:
        said["verifier"] = "a grader" if team.function is None else "a function"
    return ", ".join(f"{name}={model}" for name, model in said.items())


def _check(
    problems: Sequence[Problem],
    candidates: Sequence[str],
    *,
    probes: int,
    bins: int,
    tolerance: float,
    concurrency: int,
) -> None:
    for name, value in (("probes", probes), ("bins", bins), ("concurrency", concurrency)):
        if value < 1:
            raise ConfigError(f"{name}={value}: give at least 1")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ConfigError(f"tolerance={tolerance}: give a number of standard errors, at least 0")
    if not problems or not candidates:
        raise ConfigError("nothing to calibrate: give at least one problem and one candidate")
    if repeated := [name for name in candidates if candidates.count(name) > 1]:
        raise ConfigError(f"the candidate {repeated[0]} is given twice: leave one out")
    for problem in problems:
        if problem.reference is None:
            raise ConfigError(
                f"problem {problem.id!r} has no reference answer: calibrate on problems that have"
            )
