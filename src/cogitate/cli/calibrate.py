"""`cogitate calibrate`: which strategy pays at which difficulty, as a plan to be followed."""

import asyncio
import contextlib
import io
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.interrupt import interruptible
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import ConfigError
from cogitate.graphs import Plan, Signal
from cogitate.tasks import ProblemSet, load
from cogitate.training.calibrate import acalibrate

__all__ = ["calibrate"]

Problems = Annotated[
    str, typer.Argument(metavar="PROBLEMS", help="As for `cogitate eval`: with reference answers.")
]
Candidates = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy", metavar="NAME", help="A candidate; repeat it. See `cogitate methods`."
    ),
]
Output = Annotated[str, typer.Option(metavar="FILE", help="Where the plan is written, as JSON.")]
Probes = Annotated[int, typer.Option(metavar="N", help="Solutions that tell the difficulty.")]
Told = Annotated[
    Signal,
    typer.Option(help="What tells it: the verifier's scores of the probes, or their agreement."),
]
Bins = Annotated[int, typer.Option(metavar="N", help="Bins of difficulty at most.")]
Tolerance = Annotated[
    float,
    typer.Option(
        metavar="E", help="Standard errors that a choice may lie behind the best of its bin."
    ),
]
Concurrency = Annotated[
    int, typer.Option(metavar="N", help="Problems in progress at the same moment.")
]


@reported
@options.asking
def calibrate(
    asked: options.Asked,
    problems: Problems,
    output: Output,
    strategy: Candidates = None,
    probes: Probes = 4,
    signal: Told = "verifier",
    bins: Bins = 5,
    tolerance: Tolerance = 1.0,
    concurrency: Concurrency = 16,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Find out which strategy pays at which difficulty, and write it down as a plan.

    \b
    cogitate calibrate 'gsm8k?size=150' --strategy 'best-of-n?n=4' --strategy 'best-of-n?n=16' \\
        --strategy 'self-refine?rounds=2' --output plan.json
    cogitate eval 'gsm8k?size=100&offset=150' --strategy 'compute-optimal?plan=plan.json'
    """
    setup = asked.set_up(strategy or [])
    if not Path(output).resolve().parent.is_dir():
        raise ConfigError(f"--output {output}: there is no such folder; make it first")
    rule = _Rule(probes, signal, bins, tolerance)
    with contextlib.redirect_stderr(io.StringIO()) if quiet else contextlib.nullcontext():
        measuring = _measure(load(problems), setup, rule, concurrency=concurrency, quiet=quiet)
        plan, code = asyncio.run(measuring)
    plan.write(output)
    if json:
        emit_json({"plan": plan.model_dump(mode="json"), "interrupted": code is not None})
    else:
        _show(plan, output)
    if code is not None:
        raise Failed("interrupted: the plan is that of the finished problems", code=code)


class _Rule(NamedTuple):
    probes: int
    signal: Signal
    bins: int
    tolerance: float


async def _measure(
    problems: ProblemSet, setup: options.Setup, rule: _Rule, *, concurrency: int, quiet: bool
) -> tuple[Plan, int | None]:
    """Calibrate; returns the exit code of a signal that came meanwhile too."""
    from cogitate.cli.meter import Meter  # rich, which no help text should wait for

    with interruptible() as interrupt, Meter(quiet=quiet) as meter:
        total = len(problems) * len(setup.strategies)
        meter.begin(f"{problems.name} · calibration", total=total, kept=0, correct=0)
        plan = await acalibrate(
            problems,
            setup.team,
            candidates=setup.strategies,
            probes=rule.probes,
            signal=rule.signal,
            bins=rule.bins,
            tolerance=rule.tolerance,
            budget=setup.budget,
            seed=setup.seed,
            concurrency=concurrency,
            on_outcome=meter.add,
            stop=interrupt.event,
        )
        return plan, interrupt.code


_HEADER = "| difficulty | problems | strategy | accuracy | behind the best | tokens each | chosen |"


def _show(plan: Plan, output: str) -> None:
    emit(f"{plan.problems}: {plan.probes} probes, difficulty by {plan.signal}\n")
    emit(_HEADER)
    emit("| --- | ---: | --- | ---: | ---: | ---: | --- |")
    for bounds, one in zip(pairwise(["0", *map(_short, plan.edges), "1"]), plan.bins, strict=True):
        for row in one.measured:
            cells = (
                " to ".join(bounds),
                str(row.problems),
                row.strategy,
                f"{row.accuracy:.1%}",
                f"{row.behind:.1%} ± {row.error:.1%}",
                f"{row.cost:,.0f}",
                "yes" if row.strategy == one.strategy else "",
            )
            emit(f"| {' | '.join(cells)} |")
    if plan.oracle:
        emit("\noracle: the verifier read the right answers; the plan holds only where it can.")
    emit(f"\nFollow it with --strategy 'compute-optimal?plan={output}'")


def _short(edge: float) -> str:
    return f"{edge:.2f}"
