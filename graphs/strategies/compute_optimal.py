"""Compute-optimal test-time scaling (Snell et al. 2024, arXiv:2408.03314).

Sample a few probe solutions, estimate the problem's difficulty from them, and think with the
strategy that a calibration on other problems found best for that difficulty: more or less of it,
in parallel, one after the other, or as a search. Departures from the paper:

1. Difficulty is the paper's "model-predicted" one, but from `probes` samples instead of 2048, and
   its cost counts: the probes are part of the answer's tokens, in calibration as in use.
2. The bins are quantiles of the calibration problems. Equal difficulties fall into one bin, so
   there may be fewer than the five asked for.
3. The chosen strategy need not be the most accurate: `cogitate.training.calibrate` takes the
   cheapest that is not worse than it by more than a stated number of standard errors.
4. Difficulty may also be read from the agreement of the probes, which needs no verifier.

The probes are the first solutions that the chosen strategy asks for: best-of-n and self-consistency
count them among their n, self-refine begins with the first of them, and a score given once is not
asked for again. So `best-of-n?n=8` after four probes costs as much as without them and is the same
search. Strategies that sample no whole solution of the problem, such as a search over steps, leave
the probes unused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.plan import Plan, Signal
from cogitate.graphs.strategy import strategy, strategy_named
from cogitate.graphs.thought import Thought

__all__ = ["ComputeOptimal", "difficulty_of", "having"]


@strategy(
    "compute-optimal",
    paper="Snell et al. 2024, arXiv:2408.03314",
    calls="those of the bin's strategy; its first solutions are the probes",
    pays="where problems differ in difficulty and a calibrated verifier or a vote can tell",
)
@dataclass(frozen=True)
class ComputeOptimal:
    """Spend on each problem what a calibrated plan gives to problems of its difficulty."""

    plan: str | Plan = ""
    """The file that `cogitate calibrate` wrote, or the plan itself."""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be followed, before anything is asked."""
        if self.plan == "":
            raise ConfigError(
                "compute-optimal follows a plan: make one with `cogitate calibrate PROBLEMS "
                "--strategy ... --output plan.json` and give plan=plan.json"
            )
        _ = self.loaded

    @cached_property
    def loaded(self) -> Plan:
        """The plan itself; a file is read once."""
        return self.plan if isinstance(self.plan, Plan) else Plan.read(self.plan)

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return what the strategy for this problem's difficulty returns."""
        plan = self.loaded
        probes = await d.samples(plan.probes)
        difficulty = await difficulty_of(d, probes, plan.signal)
        d.graph.score(d.problem, "difficulty", difficulty)
        return await strategy_named(plan.choose(difficulty))(having(d, probes))


async def difficulty_of(d: Deliberation, probes: Sequence[Thought], signal: Signal) -> float:
    """Estimate how hard a problem is from solutions of it: 0 is the easiest, 1 the hardest.

    Args:
        d: Where the probes were sampled.
        probes: At least one.
        signal: `verifier`: one minus the mean score. `agreement`: one minus the share of the
            largest group of equal answers; a probe without an answer agrees with none.
    """
    if signal == "verifier":
        scores = await gather(d.verify(probe) for probe in probes)
        return 1.0 - fmean(scores)  # whatever their order: equal problems share a bin
    ballot = await d.vote(probes)
    return 1.0 - (len(ballot.groups[0]) if ballot.groups else 0) / len(probes)


def having(d: Deliberation, solutions: Sequence[Thought]) -> Deliberation:
    """Return the same deliberation, in which the first solutions asked for are there already.

    Args:
        d: Its graph, budget and chance are shared.
        solutions: Samples 0, 1 ... of the first generator at the problem, in this order. Each is
            handed out once.
    """
    return _Having(d, solutions)


class _Having(Deliberation):
    """Hands out solutions that are there before it asks for more."""

    def __init__(self, d: Deliberation, solutions: Sequence[Thought]) -> None:
        vars(self).update(vars(d))  # one deliberation in two views: nothing of it is copied
        self._waiting = list(solutions)
        self._first = self.team.agent("generator").name
        place = self._position("generate", [self.problem], self._first)
        self._asked[place] = max(self._asked[place], len(solutions))

    async def samples(
        self,
        n: int,
        parent: Thought | None = None,
        *,
        operation: str = "generate",
        agent: str | None = None,
    ) -> list[Thought]:
        """Write n solutions; those that are there count among them."""
        ready: list[Thought] = []
        at_problem = parent is None or parent is self.problem
        if at_problem and operation == "generate" and agent in (None, "generator", self._first):
            ready, self._waiting = self._waiting[:n], self._waiting[n:]
        if len(ready) == n:
            return ready
        missing = n - len(ready)
        try:
            more = await super().samples(missing, parent, operation=operation, agent=agent)
        except BudgetExhausted:
            if not ready:
                raise
            more = []  # as many as the budget allows, at least one
        return ready + more
