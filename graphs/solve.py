"""One problem, one team, one strategy: from a question to a result."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from cogitate.agents import Team
from cogitate.errors import BudgetExhausted, CogitateError, ConfigError, StoreError
from cogitate.graphs.budget import Budget
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.strategy import Strategy
from cogitate.graphs.thought import Thought, ThoughtKind
from cogitate.inference import Engine, Engines, Usage
from cogitate.tasks import Example, Problem

__all__ = ["Result", "asolve", "best_thought", "blocking", "open_engines", "solve", "wait_for"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What thinking about a problem came to."""

    problem: Problem
    thought: Thought | None
    """The best thought; None where no model wrote a solution."""
    graph: ThoughtGraph
    usage: Usage
    """All calls, those of critics and verifiers included."""
    stopped: str | None = None
    """Why it ended early: `tokens`, `calls`, `money`, `seconds` or `interrupted`; or None."""
    oracle: bool = False
    """The verifier could read the reference answer: no fair comparison."""
    seconds: float = 0.0

    @property
    def answer(self) -> str | None:
        """The answer that the best thought marks."""
        return None if self.thought is None else self.thought.answer

    @property
    def errors(self) -> list[str]:
        """What went wrong in single thoughts, in the order it happened."""
        return [thought.error for thought in self.graph.thoughts() if thought.error]


async def asolve(
    problem: str | Problem,
    team: Team,
    strategy: Strategy,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    examples: Sequence[Example] = (),
    engines: Engines | None = None,
    watch: Callable[[Thought], None] | None = None,
    stop: asyncio.Event | None = None,
    around: Callable[[Engine], Engine] | None = None,
) -> Result:
    """Think about a problem.

    Args:
        problem: A text or a `Problem`.
        team: Who thinks.
        strategy: How.
        budget: What it may cost; no limit by default.
        seed: Fixes the strategy's choices, and the sampling of engines that can be seeded.
        examples: Worked examples, as a `ProblemSet` has them.
        engines: Engines to share with other calls; opened and closed here otherwise.
        watch: Called with each thought as it comes.
        stop: When set, thinking ends and the best thought so far is the result.
        around: Puts an engine around each engine, below the budget.

    Raises:
        ConfigError: Something must be changed before anything can run.
    """
    task = Problem(prompt=problem) if isinstance(problem, str) else problem
    started = time.perf_counter()
    limits = budget or Budget()
    async with AsyncExitStack() as stack:
        if engines is None:
            engines = await stack.enter_async_context(Engines())
        d = Deliberation(
            task,
            team,
            open_engines(team, engines, around),
            budget=limits,
            seed=seed,
            examples=examples,
            watch=watch,
        )
        thought, stopped = await _think(strategy, d, limits.seconds, stop)
    if thought is None or not thought.text:
        thought = best_thought(d.graph)
    return Result(
        problem=task,
        thought=thought,
        graph=d.graph,
        usage=d.ledger.usage,
        stopped=stopped or d.ledger.stopped,
        oracle=team.oracle,
        seconds=time.perf_counter() - started,
    )


def blocking(call: Callable[P, Coroutine[None, None, T]], about: str) -> Callable[P, T]:
    """Return `call` as a function that waits for the result, inside a running event loop too.

    Args:
        call: An async function; arguments, result and errors stay as they are.
        about: The documentation of the new function.
    """

    @wraps(call)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        return wait_for(call(*args, **kwargs))

    waiting.__name__ = waiting.__qualname__ = call.__name__.removeprefix("a")
    waiting.__doc__ = about
    return waiting


def wait_for(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end, in a thread of its own where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


solve = blocking(
    asolve,
    r"""Think about a problem and wait for the result; inside a running event loop too.

    Arguments, result and errors are those of `asolve`.

    Example:
        >>> from cogitate.agents import Team
        >>> from cogitate.graphs import SelfRefine
        >>> from cogitate.inference import Scripted
        >>> team = Team.of(Scripted(["Answer: 156\nAccept: yes"]))
        >>> solve("What is 12 * 13?", team, SelfRefine(rounds=3)).answer
        '156'
    """,
)


def open_engines(
    team: Team, engines: Engines, around: Callable[[Engine], Engine] | None = None
) -> Mapping[str, Engine]:
    """Open the engine of every agent of a team, by the agent's name."""
    opened = {
        agent.name: engines.open(agent.model, base_url=agent.base_url) for agent in team.agents
    }
    return opened if around is None else {name: around(one) for name, one in opened.items()}


def best_thought(graph: ThoughtGraph) -> Thought | None:
    """The best solution so far: by score, acceptance, having an answer, and the thinking behind it.

    Solutions of a part of the problem do not count. One without a score counts as 0.5 where a
    verifier scored others. The thinking behind it is the longest way from the problem; of equal
    ones the last is taken in the graph's own order, so nothing depends on which thought came first.
    """
    accepted = {
        parent.id
        for critique in graph.thoughts(ThoughtKind.CRITIQUE)
        if critique.accepts
        for parent in graph.parents(critique)
    }
    depth: dict[str, int] = {}
    best: tuple[tuple[float, bool, bool, int], Thought] | None = None
    for thought in graph.in_order():
        depth[thought.id] = 1 + max((depth[p.id] for p in graph.parents(thought)), default=0)
        if thought.kind is not ThoughtKind.SOLUTION or not thought.text or not graph.whole(thought):
            continue
        score = 0.5 if thought.score is None else thought.score
        rank = (score, thought.id in accepted, thought.answer is not None, depth[thought.id])
        if best is None or rank >= best[0]:
            best = rank, thought
    return None if best is None else best[1]


async def _think(
    strategy: Strategy, d: Deliberation, seconds: float | None, stop: asyncio.Event | None
) -> tuple[Thought | None, str | None]:
    """Run a strategy to its end, the end of its budget, of its time, or until it is stopped."""
    work = asyncio.ensure_future(_within_budget(strategy, d))
    waiter = None if stop is None else asyncio.ensure_future(stop.wait())
    tasks = {work} if waiter is None else {work, waiter}
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.cancelled():
            raise CogitateError(
                "the strategy ended by the cancellation of a task of its own: catch CancelledError "
                "where it awaits a task that it cancelled"
            )
        if work.done():
            return work.result(), None
        return None, "interrupted" if waiter is not None and waiter.done() else "seconds"
    finally:
        for task in tasks:
            task.cancel()
        await d.ledger.end()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _within_budget(strategy: Strategy, d: Deliberation) -> Thought | None:
    try:
        return await strategy(d)
    except BudgetExhausted:
        return None
    except BaseExceptionGroup as group:
        if wrong := group.subgroup((ConfigError, StoreError)):
            raise _first(wrong) from None
        _, other = group.split(BudgetExhausted)
        if other is None:
            return None
        raise


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
