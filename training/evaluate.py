"""How good a team and a strategy are on a problem set, and what that costs.

Answers are graded by each problem's own grader. A problem whose strategy failed, or whose answer no
grader could decide, counts as wrong and as an error: nothing is left out of the denominator.
An interval says how far one evaluation can be trusted; `cogitate.training.paired` compares two.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import Budget, Episode, Strategy, arun
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategy import name_of
from cogitate.inference import Engines
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.intervals import Interval, wilson
from cogitate.training.outcome import Outcome

__all__ = ["Evaluation", "aevaluate", "evaluate", "stop_on_interrupt", "summarise", "table"]


class Evaluation(BaseModel):
    """One team and strategy on one problem set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str
    """Its name, with the parameters that are not the default ones."""
    problems: int
    """How many were finished."""
    correct: int
    accuracy: float
    interval: Interval
    """95%, over problems."""
    format_rate: float
    """The share of final replies with a line `Answer: ...` that says something."""
    prompt_tokens: int
    """Of all calls, cached ones included."""
    cached_tokens: int
    completion_tokens: int
    calls: int
    seconds: float
    """Wall time of the whole run."""
    errors: int
    """Failed calls, failed strategies, and answers that no grader could decide."""
    stopped: int
    """Problems that ended early because a limit of their budget was met."""
    oracle: bool = False
    """The verifier could read the reference answer: no fair comparison."""
    interrupted: bool = False
    """It was stopped before all problems were done; this is the finished part."""


async def aevaluate(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    strategy: Strategy,
    *,
    name: str | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
    on_episode: Callable[[Episode], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Evaluation:
    """Think about every problem, grade the answers and sum up.

    Args:
        problems: Each with a reference answer; the worked examples of a `ProblemSet` are used.
        team: Who thinks.
        strategy: How.
        name: What to call it in reports; its registered name and parameters otherwise.
        budget: What each problem may cost.
        seed: As for `solve`.
        concurrency: Problems in progress at the same moment.
        engines: Engines to share with other calls; opened and closed here otherwise.
        on_episode: Called with each episode as it ends: for progress.
        stop: When set, the finished part is evaluated and marked `interrupted`.

    Raises:
        ConfigError: A problem has no reference answer, or something must be changed first.
    """
    for problem in problems:
        if problem.reference is None:
            raise ConfigError(
                f"problem {problem.id!r} has no reference answer: give one, or use `run`, which "
                "needs none"
            )
    report = await arun(
        problems,
        team,
        strategy,
        budget=budget,
        seed=seed,
        concurrency=concurrency,
        engines=engines,
        on_episode=on_episode,
        stop=stop,
    )
    return summarise(
        [Outcome.of(episode) for episode in report.episodes],
        name=name or name_of(strategy),
        seconds=report.seconds,
        oracle=team.oracle,
        interrupted=report.interrupted,
    )


def evaluate(
    problems: ProblemSet | Sequence[Problem],
    team: Team,
    strategy: Strategy,
    *,
    name: str | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
    on_episode: Callable[[Episode], None] | None = None,
) -> Evaluation:
    """Think about every problem, grade the answers and sum up (see `aevaluate`).

    Ctrl-C ends it with the finished part; a second Ctrl-C ends it at once.

    Example:
        >>> from cogitate.graphs import Direct
        >>> from cogitate.inference import Scripted
        >>> problems = [Problem(prompt="6 * 7?", reference="42")]
        >>> evaluate(problems, Team.of(Scripted(["Answer: 42"])), Direct()).accuracy
        1.0
    """

    async def stoppable() -> Evaluation:
        with stop_on_interrupt() as stop:
            return await aevaluate(
                problems,
                team,
                strategy,
                name=name,
                budget=budget,
                seed=seed,
                concurrency=concurrency,
                engines=engines,
                on_episode=on_episode,
                stop=stop,
            )

    return wait_for(stoppable())


def summarise(
    outcomes: Sequence[Outcome],
    *,
    name: str,
    seconds: float,
    oracle: bool = False,
    interrupted: bool = False,
) -> Evaluation:
    """Sum up what has been thought already.

    Args:
        outcomes: One for each problem.
        name: What to call the strategy.
        seconds: Wall time of the whole run.
        oracle: Whether the team's verifier could read the reference answers.
        interrupted: Whether problems are missing.
    """
    total, correct = len(outcomes), sum(outcome.correct for outcome in outcomes)
    return Evaluation(
        strategy=name,
        problems=total,
        correct=correct,
        accuracy=correct / total if total else 0.0,
        interval=wilson(correct, total),
        format_rate=sum(o.formatted for o in outcomes) / total if total else 0.0,
        prompt_tokens=sum(o.prompt_tokens for o in outcomes),
        cached_tokens=sum(o.cached_tokens for o in outcomes),
        completion_tokens=sum(o.completion_tokens for o in outcomes),
        calls=sum(o.calls for o in outcomes),
        seconds=seconds,
        errors=sum(len(o.errors) for o in outcomes),
        stopped=sum(o.stopped is not None for o in outcomes),
        oracle=oracle,
        interrupted=interrupted,
    )


_HEADER = (
    "strategy", "right", "accuracy", "95% interval", "format kept", "prompt tokens", "cached",
    "completion tokens", "calls", "seconds", "errors", "stopped",
)  # fmt: skip


def table(evaluations: Sequence[Evaluation]) -> str:
    """Return several evaluations as a Markdown table, aligned to be read as text too."""
    rows = [_HEADER, *(_cells(evaluation) for evaluation in evaluations)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = " | ".join("-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths))
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))


def _cells(e: Evaluation) -> tuple[str, ...]:
    notes = [word for word, true in (("oracle", e.oracle), ("interrupted", e.interrupted)) if true]
    return (
        f"{e.strategy} ({', '.join(notes)})" if notes else e.strategy,
        f"{e.correct}/{e.problems}",
        f"{e.accuracy:.1%}",
        f"{e.interval.low:.1%} to {e.interval.high:.1%}",
        f"{e.format_rate:.1%}",
        *(f"{n:,}" for n in (e.prompt_tokens, e.cached_tokens, e.completion_tokens, e.calls)),
        f"{e.seconds:.1f}",
        str(e.errors),
        str(e.stopped),
    )


@contextmanager
def stop_on_interrupt() -> Iterator[asyncio.Event]:
    """Give an event that the first Ctrl-C sets; the second one interrupts as usual.

    Enter it inside the running event loop. Outside the main thread, where no signal can be
    received, and where loops take no signals, the event is never set.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except (NotImplementedError, RuntimeError, ValueError):
        yield stop
        return
    try:
        yield stop
    finally:
        if loop.remove_signal_handler(signal.SIGINT):
            signal.signal(signal.SIGINT, before)
