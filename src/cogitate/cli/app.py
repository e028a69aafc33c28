"""The application: its commands, in the order in which a newcomer needs them."""

from typing import Annotated

import typer

from cogitate.cli.calibrate import calibrate
from cogitate.cli.compare import compare
from cogitate.cli.doctor import doctor
from cogitate.cli.eval import evaluate
from cogitate.cli.harvest import harvest
from cogitate.cli.methods import methods
from cogitate.cli.models import models
from cogitate.cli.resume import resume
from cogitate.cli.run import run
from cogitate.cli.show import show
from cogitate.cli.solve import solve
from cogitate.cli.spill import spill
from cogitate.cli.train import train

__all__ = ["app", "main"]

app = typer.Typer(
    name="cogitate",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve)
app.command("eval")(evaluate)
app.command("compare")(compare)
app.command("run")(run)
app.command("resume")(resume)
app.command("spill")(spill)
app.command("calibrate")(calibrate)
app.command("harvest")(harvest)
app.command("train")(train)
app.command("models")(models)
app.command("methods")(methods)
app.command("show")(show)
app.command("doctor")(doctor)


def _version(asked: bool) -> None:
    if asked:
        from cogitate import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def cogitate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Teams of agents that think over one graph, and learn from what they thought.

    \b
    cogitate solve "What is 12 * 13?" --model hf/smollm2-135m
    cogitate eval 'gsm8k?size=20' --strategy direct --strategy 'self-consistency?n=4'
    """


def main() -> None:
    """Run the command line."""
    app()
