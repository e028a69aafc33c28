"""How far a training is: a bar for the stage on a terminal, otherwise a line every ten seconds."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cogitate.cli.terminal import note

__all__ = ["StageMeter"]

_EVERY_SECONDS = 10.0


class StageMeter:
    """Shows progress on stderr; use it as a context manager, and call it as a stage goes on.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True, highlight=False)
        self._lines = not quiet and not console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or self._lines,
        )
        self._task = self._bar.add_task("beginning", total=None)
        self._stage = ""
        self._told = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Say how many of how many parts of a stage are done."""
        if stage != self._stage:
            self._bar.reset(self._task, total=total, description=stage)
        self._bar.update(self._task, completed=done)
        now = time.perf_counter()
        if self._lines and (
            stage != self._stage or done == total or now - self._told >= _EVERY_SECONDS
        ):
            self._told = now
            note(f"{stage}: {done}/{total}")
        self._stage = stage

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
