"""How far a loop is: one function that hears of every stage as it goes."""

from collections.abc import Callable
from itertools import count

from cogitate.graphs import Episode

__all__ = ["Progress", "of_episodes", "of_steps"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how many of how many parts of it are."""


def of_episodes(
    progress: Progress | None, what: str, total: int
) -> Callable[[Episode], None] | None:
    """Return what hears of each episode that was thought now, not before."""
    if progress is None:
        return None
    tell, done = progress, count(1)
    return lambda _episode: tell(what, next(done), total)


def of_steps(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    """Return what hears of each step of a training."""
    if progress is None:
        return None
    tell = progress
    return lambda done, total: tell(what, done, total)
