"""`cogitate spill`: finished problems of a store into shards, and whether its shards are sound."""

from pathlib import Path
from typing import Annotated

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.runs import is_store
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.errors import ConfigError
from cogitate.memory import RunStore

__all__ = ["spill"]

File = Annotated[str, typer.Argument(metavar="FILE", help="A store that `cogitate run` wrote.")]
Check = Annotated[
    bool, typer.Option("--check", help="Move nothing; read every byte of the shards there are.")
]


@reported
def spill(
    file: File,
    check: Check = False,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """Move what is finished out of a store's file into Parquet shards beside it.

    Everything that reads the store reads them too: keep the folder FILE-shards with the file.

    \b
    cogitate spill runs.db
    cogitate spill runs.db --check
    """
    if not is_store(Path(file)):
        raise ConfigError(f"{file}: there is no store: give a file that `cogitate run` wrote")
    with RunStore(file) as store:
        if check:
            wrong = store.check_shards()
            if json:
                emit_json({"store": file, "wrong": dict(wrong)})
            elif not wrong:
                emit(f"{store.shards_folder}: every shard is what was written")
            for name, why in wrong.items():
                note(f"{store.shards_folder / name}: {why}")
            if wrong:
                raise Failed(f"{len(wrong)} files of {store.shards_folder} are not sound")
            return
        report = store.spill()
    if json:
        emit_json({"store": file, **report._asdict()})
        return
    emit(
        f"{file}: {report.episodes} finished problems of {report.thoughts} thoughts went to "
        f"{report.shards} shards"
    )
    if report.damaged:
        note(f"{report.damaged} that are damaged stay in the file")
