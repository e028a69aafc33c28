"""`cogitate train`: one training, or a whole loop, as one file says."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.config import read_as
from cogitate.errors import ConfigError

if TYPE_CHECKING:
    from cogitate.trainings import Reported, Told

__all__ = ["train"]

Method = Annotated[
    str,
    typer.Argument(
        metavar="METHOD",
        help="On rows: sft, dpo, orpo, kto, preference-groups, oreo, bfpo. Reward models: "
        "reward-model, ranking-model, outcome-model, process-model. Sampling: grpo, ppo, "
        "reinforce, rloo, scst, mrt, a2c, trpo, mixer, policy-gradient, distillation. A loop: "
        "star, malt, satori, r1, iterative-rl.",
    ),
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="What to train, on what, and how, as TOML or YAML.")
]
ReportTo = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Where trainers send metrics: trackio (the default where it is installed), wandb, "
        "mlflow, tensorboard, none. Repeat it.",
    ),
]


@reported
def train(
    method: Method,
    file: File,
    report_to: ReportTo = None,
    seed: options.SeedOfChance = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Train weights on rows, by sampling with them, or in a whole loop, as one file says.

    What was stopped goes on where it was by the same command.

    \b
    cogitate train sft run.toml
    cogitate train grpo run.toml --report-to tensorboard
    accelerate launch -m cogitate train ppo run.toml
    """
    # Trainers import slowly, and no help text should wait for them.
    from cogitate.cli.stage_meter import StageMeter
    from cogitate.training.trainers.work import first_process
    from cogitate.trainings import METHODS, adjusted, has_trackio

    told = _read(method, file, METHODS)
    first = first_process()  # of several, the others say nothing
    if report_to is None and not has_trackio() and first and not quiet:
        note("trackio is not installed: metrics go where the file says, or --report-to")
    to = None if report_to is None else tuple(name for name in report_to if name != "none")
    told = adjusted(told, seed=seed, report_to=to)
    if told.push is not None:
        told.push.ready()
    reports: list[dict[str, JsonValue]] = []
    pushed: Sequence[str] = ()
    interrupted = False
    try:
        with StageMeter(quiet=quiet or not first) as meter:
            for part in _aside(told.carry_out(meter)):
                reports.append(dict(part.record))
                if first and not json:
                    emit(f"{part.text}\n")
        if first and told.push is not None:
            pushed = told.push.publish(told.made(reports))
    except KeyboardInterrupt:
        interrupted = True
    if first and json:
        emit_json(
            {
                "method": method,
                "output": told.output,
                "reports": list(reports),
                "pushed": list(pushed),
                "interrupted": interrupted,
            }
        )
    if interrupted:
        raise Failed(f"interrupted: {told.when_stopped}", code=128 + signal.SIGINT)
    for where in (*pushed, f"the weights and their records are in {told.output}") if first else ():
        note(where)


def _aside(parts: Iterator["Reported"]) -> Iterator["Reported"]:
    """Yield what comes; what reporters print meanwhile is no part of the result."""
    while True:
        with redirect_stdout(sys.stderr):
            part = next(parts, None)
        if part is None:
            return
        yield part


def _read(method: str, file: str, known: Mapping[str, type["Told"]]) -> "Told":
    if method not in known:
        close = get_close_matches(method, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
        raise ConfigError(f"no training is called {method!r}: {hint}")
    return read_as(known[method], file)
