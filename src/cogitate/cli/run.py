"""`cogitate run`: problem sets and strategies, everything that is thought kept in a store."""

from typing import Annotated

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.runs import Concurrency, DurabilityOf, SpillAfter, Todo, durable, work_off
from cogitate.memory import RunStore
from cogitate.tasks import load

__all__ = ["run"]

Sets = Annotated[
    list[str],
    typer.Argument(metavar="PROBLEMS...", help="As for `cogitate eval`."),
]
Store = Annotated[
    str,
    typer.Option(metavar="FILE", help="Where everything is kept; made where it is missing."),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy", metavar="NAME", help="How to think; may be repeated. See `cogitate methods`."
    ),
]


@reported
@options.asking
def run(
    asked: options.Asked,
    problems: Sets,
    store: Store = "runs.db",
    strategy: Strategies = None,
    concurrency: Concurrency = 16,
    durability: DurabilityOf = "full",
    spill_after: SpillAfter = 0,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Think about many problems and keep every thought; the same command goes on where it was.

    Several processes may run the same command at once: they share the problems.

    \b
    cogitate run 'gsm8k?size=100' --store runs.db --strategy 'best-of-n?n=8'
    cogitate resume runs.db
    """
    setup = asked.set_up(strategy or [])
    sets = [load(name) for name in problems]
    todo = [
        Todo(one, setup.team, how, setup.budget, setup.seed)
        for one in sets
        for how in setup.strategies
    ]
    with RunStore(store, durability=durable(durability), spill_after=spill_after) as kept:
        work_off(kept, todo, concurrency=concurrency, quiet=quiet, json=json)
