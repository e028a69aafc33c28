"""`cogitate train`: one training, or a whole loop, as one file says."""

import signal
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Annotated

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.config import read_as
from cogitate.errors import ConfigError

__all__ = ["train"]

Method = Annotated[
    str,
    typer.Argument(
        metavar="METHOD",
        help="On rows: sft, dpo, orpo, kto, reward-model, ranking-model, process-model. A loop: "
        "star, malt, satori.",
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
    """Train weights on rows, or let a team learn from its own thoughts (star, malt, satori).

    A loop that was stopped goes on where it was by the same command.

    \b
    cogitate train sft run.toml
    cogitate train malt run.toml --report-to tensorboard
    """
    # Trainers import slowly, and no help text should wait for them.
    from cogitate.cli.stage_meter import StageMeter
    from cogitate.trainings import METHODS, adjusted

    if method not in METHODS:
        close = get_close_matches(method, METHODS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(METHODS)}"
        raise ConfigError(f"no training is called {method!r}: {hint}")
    if report_to is None and find_spec("trackio") is None and not quiet:
        note("trackio is not installed: metrics go where the file says, or --report-to")
    to = None if report_to is None else tuple(name for name in report_to if name != "none")
    told = adjusted(read_as(METHODS[method], file), seed=seed, report_to=to)
    reports: list[JsonValue] = []
    interrupted = False
    try:
        with StageMeter(quiet=quiet) as meter:
            for part in told.carry_out(meter):
                reports.append(dict(part.record))
                if not json:
                    emit(f"{part.text}\n")
    except KeyboardInterrupt:
        interrupted = True
    if json:
        emit_json(
            {
                "method": method,
                "output": told.output,
                "reports": reports,
                "interrupted": interrupted,
            }
        )
    if interrupted:
        raise Failed(
            f"interrupted: what was finished is in {told.output}, and the same command goes on",
            code=128 + signal.SIGINT,
        )
    note(f"the weights and their records are in {told.output}")
