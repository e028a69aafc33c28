"""How far an evaluation is: a bar on a terminal, otherwise a line every ten seconds."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from cogitate.cli.terminal import note
from cogitate.graphs.render import one_line
from cogitate.training.outcome import Outcome

__all__ = ["Meter"]

_EVERY_SECONDS = 10.0


class Meter:
    """Shows progress on stderr; use it as a context manager.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True, highlight=False)
        self._lines = not quiet and not console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            console=console,
            transient=True,
            disable=quiet or self._lines,
        )
        self._title = ""
        self._task = self._bar.add_task("opening the models", total=None, state="")
        self._total = self._done = self._correct = self._new = self._tokens = 0
        self._started = self._told = time.perf_counter()

    def begin(self, title: str, *, total: int, kept: int, correct: int) -> None:
        """Begin a set and strategy of which some problems are finished already."""
        self._title = one_line(title, 60)
        self._total, self._done, self._correct = total, kept, correct
        self._new = self._tokens = 0
        self._started = self._told = time.perf_counter()
        self._bar.reset(self._task)
        self._bar.update(
            self._task, description=self._title, total=total, completed=kept, state="thinking"
        )
        if self._lines:
            had = f", {kept} of them kept from before" if kept else ""
            note(f"{self._title}: {total} problems{had}")

    def add(self, outcome: Outcome) -> None:
        """Count a finished problem."""
        self._done += 1
        self._new += 1
        self._correct += outcome.correct
        self._tokens += outcome.completion_tokens
        self._bar.update(self._task, completed=self._done, state=self._state())
        now = time.perf_counter()
        if self._lines and (now - self._told >= _EVERY_SECONDS or self._done == self._total):
            self._told = now
            note(f"{self._title}: {self._done}/{self._total} · {self._state()}")

    def _state(self) -> str:
        elapsed = max(time.perf_counter() - self._started, 1e-9)
        left = (self._total - self._done) * elapsed / self._new
        accuracy = self._correct / self._done
        ready = f"ETA {_clock(left)}" if left else f"took {_clock(elapsed)}"
        return f"{accuracy:.1%} right · {self._tokens / elapsed:.0f} tokens/s · {ready}"

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


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
