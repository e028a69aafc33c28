"""The live tree: on a terminal the graph as it grows, otherwise a line for each thought.

Model text is shown through `cogitate.graphs.render`, which disarms it, and as plain `rich.text`,
which does not read markup in it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cogitate.cli.terminal import note
from cogitate.graphs import Deliberation, Strategy, Thought
from cogitate.graphs.render import caption, one_line

__all__ = ["Watch", "watching"]

_REFRESH_SECONDS = 0.25
_WAITING_SECONDS = 10.0


class Watch:
    """Sees thoughts come. As a strategy it is the one it was given, seen from inside."""

    def __init__(self, strategy: Strategy, *, lines: bool) -> None:
        self._strategy = strategy
        self._lines = lines
        self._started = time.perf_counter()
        self.deliberation: Deliberation | None = None
        """Where it thinks; None before it began."""
        self.thoughts = 0
        self.tokens = 0

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Think as the strategy does."""
        self.deliberation = d
        return await self._strategy(d)

    def thought(self, thought: Thought) -> None:
        """Take note of a thought."""
        self.thoughts += 1
        self.tokens += thought.completion_tokens
        if self._lines:
            note(f"{self.status()} · {caption(thought)}: {one_line(thought.text, 80)}")

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.perf_counter() - self._started

    def status(self) -> str:
        """How long it has been, and what has come."""
        return f"{self.seconds:.0f} s · {self.thoughts} thoughts · {self.tokens} new tokens"


@asynccontextmanager
async def watching(strategy: Strategy, *, quiet: bool) -> AsyncIterator[Watch]:
    """Show what a strategy thinks while the block runs, on stderr; nothing where quiet."""
    console = Console(stderr=True, highlight=False)
    watch = Watch(strategy, lines=not quiet and not console.is_terminal)
    if quiet:
        yield watch
        return
    show = _live(watch, console) if console.is_terminal else _alive(watch)
    showing = asyncio.ensure_future(show)
    try:
        yield watch
    finally:
        showing.cancel()
        await asyncio.wait({showing})


async def _live(watch: Watch, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_screen(watch, console), refresh=True)
            await asyncio.sleep(_REFRESH_SECONDS)


def _screen(watch: Watch, console: Console) -> Text:
    """The newest part of the tree that fits the terminal."""
    d = watch.deliberation
    tree = d.graph.to_tree(width=max(20, console.width - 12)) if d else ""
    lines = tree.splitlines()[-max(1, console.height - 3) :]
    text = "\n".join([*lines, f"thinking · {watch.status()} · Ctrl-C stops and keeps"])
    return Text(text, no_wrap=True, overflow="ellipsis")


async def _alive(watch: Watch) -> None:
    """Say from time to time that it still thinks."""
    while True:
        seen = watch.thoughts
        await asyncio.sleep(_WAITING_SECONDS)
        if watch.thoughts == seen:
            note(f"{watch.status()} · still thinking")
