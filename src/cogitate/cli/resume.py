"""`cogitate resume`: every unfinished run of a store, from what is written of it there."""

from pathlib import Path
from typing import Annotated

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.runs import (
    Concurrency,
    DurabilityOf,
    SpillAfter,
    Todo,
    durable,
    is_store,
    skipped,
    work_off,
)
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import CogitateError, ConfigError
from cogitate.memory import RunInfo, RunRecord, RunStore
from cogitate.tasks import ProblemSet

__all__ = ["choose", "resume"]

File = Annotated[str, typer.Argument(metavar="FILE", help="A store that `cogitate run` wrote.")]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="KEY", help="This run only; the first digits are enough."),
]


@reported
def resume(
    file: File,
    run: Run = None,
    concurrency: Concurrency = 16,
    durability: DurabilityOf = "full",
    spill_after: SpillAfter = 0,
    quiet: options.Quiet = False,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """Go on with every unfinished run of a store; what was answered is not asked again.

    \b
    cogitate resume runs.db
    """
    if not is_store(Path(file)):
        raise ConfigError(f"{file}: there is no store: give a file that `cogitate run` wrote")
    with RunStore(file, durability=durable(durability), spill_after=spill_after) as store:
        open_runs = [one for one in choose(store.runs(), run) if one.finished < one.problems]
        todo: list[Todo] = []
        for one in open_runs:
            try:
                todo.append(_todo(store, one))
            except CogitateError as error:
                skipped(one.key, error)
        if todo:
            work_off(store, todo, concurrency=concurrency, quiet=quiet, json=json)
        elif open_runs:
            raise Failed("none of the unfinished runs can be gone on with from here")
        elif json:
            emit_json({"store": file, "runs": []})
        else:
            emit(f"{file}: every run is finished")
        if len(todo) < len(open_runs):
            raise Failed(f"{len(open_runs) - len(todo)} unfinished runs were left alone")


def choose(runs: list[RunInfo], key: str | None) -> list[RunInfo]:
    """All runs, or the one whose key begins so.

    Raises:
        ConfigError: None or several begin so.
    """
    if key is None:
        return runs
    found = [one for one in runs if one.key.startswith(key)]
    if len(found) != 1:
        keys = ", ".join(one.key[:8] for one in runs) or "none"
        raise ConfigError(f"--run {key}: {len(found)} runs begin so; there are {keys}")
    return found


def _todo(store: RunStore, run: RunInfo) -> Todo:
    record = RunRecord.read(run.record)
    made = record.make()
    name = record.set or run.key[:8]
    problems = ProblemSet(name, store.problems(run.key), examples=record.examples)
    return Todo(problems, made.team, made.strategy, made.budget, made.seed, run.key)
