"""Finished episodes that went to shards, read back one at a time.

Which episode stands where is told by the file's own tables. A shard that is missing, cut, damaged
or of another store makes the episodes that it should hold unreadable, and no others.
"""

import re
import stat
import threading
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cogitate.errors import DataError
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database
from cogitate.memory.lines import Line, line_of
from cogitate.memory.shard_file import ShardRow, open_shard, read_group

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

__all__ = ["Shards", "Spilled"]

_OPEN, _GROUPS = 8, 4
"""How many shards are held open, and how many groups of episodes in memory."""
_NAME = re.compile(r"[0-9]{6,12}\.parquet")


class Spilled(NamedTuple):
    """What shards hold of the journal of one problem."""

    lines: list[Line]
    replies: list[tuple[bytes, str]]
    damaged: int
    """Lines that cannot be trusted."""
    unreadable: list[str]
    """Why episodes whose lines may be missing could not be read."""


class _Opened(NamedTuple):
    file: "ParquetFile"
    starts: list[int]
    """The number of the first row of each group, and the number of all rows."""


class Shards:
    """The shards of one store; for any thread.

    Args:
        db: The store's file.
        folder: Where its shards are.
    """

    def __init__(self, db: Database, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._groups: OrderedDict[tuple[str, int], list[ShardRow]] = OrderedDict()

    def read(self, shard: str, place: int, episode: int) -> ShardRow:
        """Read an episode.

        Args:
            shard: The name of its file.
            place: The number of its row there.
            episode: Its row in the store.

        Raises:
            DataError: It is not there, or damaged.
        """
        try:
            with self._lock:
                starts = self._open(shard).starts
                if not 0 <= place < starts[-1]:
                    raise DataError("it has fewer episodes than it was written with")
                group = bisect_right(starts, place) - 1
                found = self._group(shard, group)[place - starts[group]]
        except Exception as error:  # a damaged file may raise anything
            raise DataError(
                f"the shard {self._folder / shard} cannot be read ({type(error).__name__}: "
                f"{str(error)[:200]}): bring it back from a copy"
            ) from None
        if found.episode != episode:
            raise DataError(f"the shard {self._folder / shard} is not the one that was written")
        return found

    def of_problem(self, problem: int) -> Spilled:
        """Return what is in shards of the journal of a problem, by its row."""
        spilled = Spilled([], [], 0, [])
        damaged = 0
        query = (
            "SELECT e.shard, s.place, e.id FROM episodes e JOIN spilled s ON s.episode = e.id"
            " WHERE e.problem = ? AND e.shard IS NOT NULL ORDER BY e.id"
        )
        for place in self._db.rows(lambda *row: row, query, (problem,)):
            try:
                row = self.read(*place)
            except DataError as error:
                spilled.unreadable.append(str(error))
                continue
            for cells in row.rows.completions.values():
                line = line_of(problem, cells)
                if line is None:
                    damaged += 1
                else:
                    spilled.lines.append(line)
            for key, said, digest in row.replies:
                if digest == digest_of(problem, key, said):
                    spilled.replies.append((key, said))
                else:
                    damaged += 1
        return spilled._replace(damaged=damaged)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for opened in self._opened.values():
                opened.file.close()
            self._opened.clear()
            self._groups.clear()

    def _open(self, shard: str) -> _Opened:
        if shard not in self._opened:
            if not _NAME.fullmatch(shard):
                raise DataError("no shard has such a name")
            path = self._folder / shard
            if not stat.S_ISREG(path.lstat().st_mode):
                raise DataError("it is a link or no plain file")
            file = open_shard(path)
            told = file.metadata
            sizes = (told.row_group(n).num_rows for n in range(told.num_row_groups))
            self._opened[shard] = _Opened(file, list(accumulate(sizes, initial=0)))
            if len(self._opened) > _OPEN:
                self._opened.popitem(last=False)[1].file.close()
        self._opened.move_to_end(shard)
        return self._opened[shard]

    def _group(self, shard: str, group: int) -> list[ShardRow]:
        key = shard, group
        if key not in self._groups:
            self._groups[key] = read_group(self._open(shard).file, group)
            if len(self._groups) > _GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key]
