"""What can be harvested: a run store, a report, or any episodes or graphs, one at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from cogitate.errors import ConfigError
from cogitate.graphs import Episode, Report, ThoughtGraph
from cogitate.memory import KeptEpisode

__all__ = ["EpisodeSource", "Harvestable", "Source", "graph_of", "run_of"]


@runtime_checkable
class EpisodeSource(Protocol):
    """What keeps episodes and reads them one at a time, such as `cogitate.memory.RunStore`."""

    def episodes(self) -> Iterable[Episode]:
        """Read all finished episodes, always in the same order."""
        ...


Harvestable = EpisodeSource | Report | ThoughtGraph | Iterable[Episode | ThoughtGraph]
"""An iterator is gone after one kind of rows; give a list, a report or a store for several."""


class Source:
    """Reads what is harvested, as often as it can be read."""

    def __init__(self, harvested: Harvestable) -> None:
        if isinstance(harvested, str | bytes | Path):
            raise ConfigError(
                f"harvest({str(harvested)!r}): open the file first, as in `with RunStore(...) as "
                "store: harvest(store)`"
            )
        self._harvested = harvested
        self._spent = False

    def __iter__(self) -> Iterator[Episode | ThoughtGraph]:
        """Yield episodes or graphs.

        Raises:
            ConfigError: What was given was an iterator, which has been read already.
        """
        found = self._episodes()
        if iter(found) is found:
            if self._spent:
                raise ConfigError(
                    "these episodes came from an iterator and were read already: give harvest() a "
                    "list, a report or a store, to make several kinds of rows of them"
                )
            self._spent = True
        return iter(found)

    def _episodes(self) -> Iterable[Episode | ThoughtGraph]:
        match self._harvested:
            case ThoughtGraph() as graph:
                return [graph]
            case Report(episodes=episodes):
                return episodes
            case EpisodeSource() as store:
                return _Kept(store)
            case episodes:
                return episodes


class _Kept:
    """The episodes of a store, read anew each time."""

    def __init__(self, store: EpisodeSource) -> None:
        self._store = store

    def __iter__(self) -> Iterator[Episode]:
        return iter(self._store.episodes())


def graph_of(episode: Episode | ThoughtGraph) -> ThoughtGraph:
    """The graph of an episode."""
    return episode.graph if isinstance(episode, Episode) else episode


def run_of(episode: Episode | ThoughtGraph) -> str:
    """The key of the run of an episode that a store keeps; of any other an empty text."""
    return episode.run if isinstance(episode, KeptEpisode) else ""
