"""Finished episodes of a store, wherever they stand, read one at a time."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from cogitate.errors import DataError, StoreError
from cogitate.graphs import Episode, ThoughtGraph
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database
from cogitate.memory.episode_rows import EpisodeRows, rows_of
from cogitate.memory.read_episode import Finished, check, read_graph, read_result
from cogitate.memory.register import read_problem
from cogitate.memory.shards import Shards

__all__ = ["EpisodeReader", "KeptEpisode", "Whole"]


@dataclass(frozen=True, slots=True)
class KeptEpisode(Episode):
    """An episode of a store, and where it is there."""

    id: int = 0
    """Its row: credits are given to it by this."""
    run: str = ""
    """The key of its run."""


class Whole(NamedTuple):
    """A finished episode, and what it was made of."""

    episode: KeptEpisode
    rows: EpisodeRows


_Columns = tuple[Any, ...]  # Any: what SQLite has in the cells of a row that may be damaged


class EpisodeReader:
    """Reads the episodes of a file and of its shards."""

    def __init__(self, db: Database, shards: Shards) -> None:
        self._db = db
        self._shards = shards

    def read(self, row: int) -> Whole:
        """Read a finished episode.

        Raises:
            DataError: It is damaged, or there is none.
            StoreError: The file cannot be read.
        """
        try:
            found = self._found(row)
            try:
                return self._whole(row, found)
            except (DataError, LookupError):
                again = self._found(row)  # it may have gone to a shard just now
                if again == found:
                    raise
                return self._whole(row, again)
        except DataError as error:
            raise DataError(f"episode {row} of {self._db.path}: {error}") from None
        except StoreError:
            raise
        except Exception as error:  # a damaged cell may be anything
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"episode {row} of {self._db.path} cannot be read ({what})") from error

    def thoughts(self, episode: int) -> set[str]:
        """The ids of the thoughts of an episode, without a check.

        Raises:
            DataError: Its shard cannot be read.
        """
        ids = self._db.rows(str, "SELECT id FROM thoughts WHERE episode = ?", (episode,))
        query = (
            "SELECT e.shard, s.place FROM episodes e JOIN spilled s ON s.episode = e.id"
            " WHERE e.id = ? AND e.shard IS NOT NULL"
        )
        for shard, place in self._db.rows(lambda *row: row, query, (episode,)):
            ids = [one.id for one in self._shards.read(shard, place, episode).rows.thoughts]
        return set(ids)

    def _found(self, row: int) -> _Columns:
        found = self._db.rows(
            lambda *columns: columns,
            "SELECT e.shard, s.place, e.id, e.run, e.problem, e.number, e.result, e.thoughts,"
            " e.digest, p.record, p.key, r.key, r.strategy, r.config, r.verified, r.created,"
            " r.digest FROM episodes e JOIN problems p ON p.id = e.problem"
            " JOIN runs r ON r.id = e.run LEFT JOIN spilled s ON s.episode = e.id"
            " WHERE e.id = ? AND e.digest IS NOT NULL",
            (row,),
        )
        if not found:
            raise DataError("there is no finished episode of that number")
        return found[0]

    def _whole(self, row: int, found: _Columns) -> Whole:
        (shard, place), columns, (record, key), run = found[:2], found[2:9], found[9:11], found[11:]
        if run[-1] != digest_of(*run[:-1]):
            raise DataError("its run is damaged")
        finished = Finished(*columns)
        problem = read_problem(record, key)
        rows = (
            rows_of(self._db, row) if shard is None else self._shards.read(shard, place, row).rows
        )
        graph = read_graph(rows, problem) if finished.thoughts else None
        episode = read_result(finished.result, problem, graph or ThoughtGraph.of(problem))
        check(finished, episode)
        kept = KeptEpisode(
            episode.problem, episode.result, episode.grade, episode.error, id=row, run=run[0]
        )
        return Whole(kept, rows)
