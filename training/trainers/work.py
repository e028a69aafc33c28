"""Where a training run works until it is done: a hidden folder that becomes the output, or goes on.

The output appears whole or not at all. A run that was killed leaves its folder; the same call again
(same method, settings, rows and weights) goes on from the last checkpoint in it, and another call
begins anew.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError

__all__ = ["Work", "first_process", "on_cpus", "processes", "together", "working_on"]


class Work(NamedTuple):
    """The folder of one run."""

    finished: Path
    """What becomes the output."""
    trainer: Path
    """The trainer's own checkpoints."""
    resume: Path | None
    """The checkpoint to go on from."""


@contextmanager
def working_on(output: Path, key: str, *, keep: bool) -> Iterator[Work]:
    """Work on `output`; it is replaced by `Work.finished` when the block ends well.

    Args:
        output: The folder to make.
        key: What makes this run this one.
        keep: Leave the folder behind where the block fails, to go on from.

    Raises:
        ConfigError: The block ended and made nothing.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    if first_process():
        _prepare(folder, key)
    together()
    work = Work(folder / "finished", folder / "trainer", _last(folder / "trainer"))
    try:
        yield work
    except BaseException:
        if not keep and first_process():
            shutil.rmtree(folder)
        raise
    if first_process():
        if not work.finished.is_dir():
            raise ConfigError(f"nothing was made for {output}: this trainer saved no weights")
        if output.exists():
            output.rename(folder / "replaced")
        work.finished.rename(output)
        shutil.rmtree(folder)
    together()


def first_process() -> bool:
    """Whether this is the only process of the training, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def on_cpus() -> bool:
    """Whether several processes train together on CPUs."""
    import torch

    return processes() > 1 and not torch.cuda.is_available()


def together() -> None:
    """Wait for the other processes of the training, where there are any."""
    if processes() > 1:
        from accelerate import PartialState

        # It is made once for all: without being told, processes on CPUs would not know each other.
        PartialState(cpu=on_cpus()).wait_for_everyone()


def _prepare(folder: Path, key: str) -> None:
    made = folder / "run.json"
    try:
        same = json.loads(made.read_text()) == key
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made.write_text(json.dumps(key))
    shutil.rmtree(folder / "finished", ignore_errors=True)


def _last(folder: Path) -> Path | None:
    """Return the last checkpoint that was written to its end."""
    whole = [path for path in folder.glob("checkpoint-*") if _is_whole(path)]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    try:  # the trainer writes it after all else
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True
