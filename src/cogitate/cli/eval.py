"""`cogitate eval`: problem sets and strategies, each with each, as one table."""

import asyncio
import contextlib
import io
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.interrupt import interruptible
from cogitate.cli.passes import passes_of, passes_table
from cogitate.cli.results import Line, Results, key_of, seconds_of, settings_of
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import CogitateError, ConfigError
from cogitate.graphs import ComputeOptimal, Episode, Strategy
from cogitate.graphs.strategy import name_of
from cogitate.inference import Engines
from cogitate.tasks import Problem, ProblemSet, load
from cogitate.training.evaluate import Evaluation, aevaluate, summarise, table
from cogitate.training.outcome import Outcome
from cogitate.training.passes import Passes

if TYPE_CHECKING:
    from cogitate.cli.meter import Meter

__all__ = ["evaluate"]

Sets = Annotated[
    list[str],
    typer.Argument(
        metavar="PROBLEMS...",
        help="gsm8k, math, game24, sorting, reasoning_gym/FAMILY, FILE.jsonl, FILE.csv, hf:NAME; "
        "with ?size=100 and other options",
    ),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy", metavar="NAME", help="How to think; may be repeated. See `cogitate methods`."
    ),
]
Concurrency = Annotated[
    int, typer.Option(metavar="N", help="Problems in progress at the same moment.")
]
Samples = Annotated[
    int,
    typer.Option(
        metavar="K",
        help="Answer every problem K times, with seeds SEED, SEED + 1 ..., for pass@k and maj@k.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="A JSON line for each finished problem; what is there is not redone."
    ),
]


@reported
@options.asking
def evaluate(
    asked: options.Asked,
    problems: Sets,
    strategy: Strategies = None,
    concurrency: Concurrency = 16,
    samples: Samples = 1,
    output: Output = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Evaluate strategies on problem sets: accuracy with a 95% interval, and what it costs.

    \b
    cogitate eval 'gsm8k?size=20' --strategy direct --strategy 'self-consistency?n=4'
    cogitate eval 'gsm8k?size=100' 'reasoning_gym/chain_sum?size=100&seed=7' \\
        --strategy self-refine --output results.jsonl
    cogitate eval 'gsm8k?size=50' --strategy direct --samples 8
    """
    setup = asked.set_up(strategy or [])
    if concurrency < 1:
        raise ConfigError(f"--concurrency {concurrency}: give at least 1")
    if samples < 1:
        raise ConfigError(f"--samples {samples}: give at least 1")
    sets = [load(name) for name in problems]
    _gradable(sets)
    run = _Run(setup, sets, Results(output), concurrency, samples)
    with contextlib.redirect_stderr(io.StringIO()) if quiet else contextlib.nullcontext():
        code = asyncio.run(_evaluate(run, quiet=quiet))
    if json:
        emit_json(_record(run))
    else:
        _show(run)
    _conclude(run, code, output)


def _gradable(sets: list[ProblemSet]) -> None:
    for problems in sets:
        for problem in problems:
            if problem.reference is None:
                raise ConfigError(
                    f"{problems.name}: problem {problem.id!r} has no reference answer to grade "
                    "with: add one, or name its column with ?answer=COLUMN"
                )


def _now() -> str:
    """The name of a run: when it began, and in which process."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {os.getpid()}"


@dataclass
class _Run:
    """One run of the command: what it shall do, and what it has done."""

    setup: options.Setup
    sets: list[ProblemSet]
    results: Results
    concurrency: int
    samples: int
    name: str = field(default_factory=_now)
    done: list[tuple[ProblemSet, Evaluation]] = field(default_factory=list)
    lines: dict[tuple[str, str], dict[str, Line]] = field(default_factory=dict)
    """By set and strategy, of all samples, each by its key."""
    passes: list[tuple[ProblemSet, str, Passes]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failure: CogitateError | None = None
    """What ended it early."""

    @property
    def rows(self) -> list["_Row"]:
        """Each set with each strategy, as often as each problem is answered."""
        return [
            _Row(problems, how, self.setup.seed + sample)
            for problems in self.sets
            for how in self.setup.strategies
            for sample in range(self.samples)
        ]


class _Row(NamedTuple):
    """One evaluation."""

    problems: ProblemSet
    how: Strategy
    seed: int


async def _evaluate(run: _Run, *, quiet: bool) -> int | None:
    """Work through the rows; returns the exit code of a signal that came meanwhile."""
    from cogitate.cli.meter import Meter  # rich, which no help text should wait for

    with interruptible() as interrupt, Meter(quiet=quiet) as meter:
        async with Engines() as engines:
            settings = {
                seed: await asyncio.to_thread(
                    settings_of, run.setup.team, engines, budget=run.setup.budget, seed=seed
                )
                for seed in {row.seed for row in run.rows}
            }
            for number, row in enumerate(run.rows, start=1):
                if interrupt.event.is_set():
                    break
                place = f"{number}/{len(run.rows)} {row.problems.name} · {name_of(row.how)}"
                try:
                    await _row(run, row, settings[row.seed], place, meter, engines, interrupt.event)
                except CogitateError as failure:
                    run.failure = failure
                    break
        if run.samples > 1:
            await _count_passes(run)
        return interrupt.code


async def _count_passes(run: _Run) -> None:
    for problems in run.sets:
        for how in run.setup.strategies:
            name = name_of(how)
            lines = run.lines.get((problems.name, name), {})
            found = await passes_of(problems, lines.values(), run.samples)
            run.passes += [(problems, name, one) for one in found]


async def _row(
    run: _Run,
    row: _Row,
    settings: str,
    place: str,
    meter: "Meter",
    engines: Engines,
    stop: asyncio.Event,
) -> None:
    """Evaluate one strategy on one set, as far as it has not been done before."""
    (problems, how, seed), setup = row, run.setup
    name = name_of(how)
    keys = {p.id: key_of(p, problems, _identity(how), settings) for p in problems}
    todo: list[Problem] = [p for p in problems if keys[p.id] not in run.results]
    kept = run.results.lines(keys.values())
    correct = sum(line.correct for line in kept)
    meter.begin(place, total=len(problems), kept=len(kept), correct=correct)
    started = time.perf_counter()

    def keep(episode: Episode) -> None:
        outcome = Outcome.of(episode)
        meter.add(outcome)
        run.results.add(
            Line(
                key=keys[episode.problem.id],
                set=problems.name,
                strategy=name,
                seed=seed,
                run=run.name,
                elapsed=round(time.perf_counter() - started, 3),
                oracle=setup.team.oracle,
                **outcome.model_dump(),
            )
        )

    try:
        if todo:
            await aevaluate(
                ProblemSet(problems.name, todo, examples=problems.examples),
                setup.team,
                how,
                budget=setup.budget,
                seed=seed,
                concurrency=run.concurrency,
                engines=engines,
                on_episode=keep,
                stop=stop,
            )
    finally:
        lines = run.results.lines(keys.values())
        run.outcomes += lines
        run.lines.setdefault((problems.name, name), {}).update({one.key: one for one in lines})
        if lines:
            evaluation = summarise(
                lines,
                name=name if run.samples == 1 else f"{name} (seed {seed})",
                seconds=seconds_of(lines),
                oracle=setup.team.oracle,
                interrupted=len(lines) < len(problems),
            )
            run.done.append((problems, evaluation))


def _identity(how: Strategy) -> str:
    """All that decides what a strategy does: its name, and what is in the file of its plan."""
    name = name_of(how)
    return f"{name} {how.loaded}" if isinstance(how, ComputeOptimal) else name


def _record(run: _Run) -> dict[str, JsonValue]:
    return {
        "evaluations": [
            {"set": problems.name, "size": len(problems), **evaluation.model_dump(mode="json")}
            for problems, evaluation in run.done
        ],
        "passes": [
            {"set": problems.name, "strategy": name, **one.model_dump(mode="json")}
            for problems, name, one in run.passes
        ],
        "interrupted": len(run.done) < len(run.rows) or any(e.interrupted for _, e in run.done),
        "seed": run.setup.seed,
    }


def _show(run: _Run) -> None:
    for problems in run.sets:
        evaluations = [evaluation for of, evaluation in run.done if of is problems]
        if evaluations:
            emit(f"{problems.name}: {len(problems)} problems, seed {run.setup.seed}\n")
            emit(table(evaluations) + "\n")
        passes = [(name, one) for of, name, one in run.passes if of is problems]
        if passes:
            emit(passes_table(passes) + "\n")
    if any(evaluation.oracle for _, evaluation in run.done):
        emit("oracle: the verifier read the right answers, so this compares with nothing else.")
    if any(evaluation.interrupted for _, evaluation in run.done):
        emit("interrupted: only the finished problems are counted.")
    if missing := len(run.rows) - len(run.done):
        emit(f"{missing} of {len(run.rows)} evaluations were not begun.")


def _conclude(run: _Run, code: int | None, output: str | None) -> None:
    """End with the exit code that fits the results."""
    if code is not None:
        again = (
            f"the same command continues from {output}"
            if output
            else "give --output FILE to continue where it stopped next time"
        )
        raise Failed(f"interrupted: {again}", code=code)
    if run.failure is not None:
        raise run.failure
    if all(outcome.reply is None for outcome in run.outcomes):
        first = next((error for o in run.outcomes for error in o.errors), "every reply was empty")
        raise Failed(f"no model wrote anything, on any problem. The first failure: {first}")
