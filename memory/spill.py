"""Finished episodes out of the file's tables into shards, with nothing lost or doubled meanwhile.

A shard is written beside the file, then named in the manifest, and then, in one transaction, its
episodes are said to be there and their rows are deleted. Until that is committed the file is what
it was, and a shard that nothing in the file names is removed by the next spill. An episode goes
only once all runs of the file are done with its problem, so that nobody is asking the journal for
it; its lines of the journal go with it, and are read from there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import apsw

from cogitate.errors import DataError, StoreError
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database
from cogitate.memory.episode_rows import EpisodeRows
from cogitate.memory.lines import COMPLETION, CompletionRow, line_of, read_replies
from cogitate.memory.shard_file import ReplyRow, ShardRow, write_shard
from cogitate.memory.shard_list import Shard, shards_of, write_manifest
from cogitate.memory.whole_file import digest_of_file, whole_path

__all__ = ["Sound", "SpillReport", "Step", "spill"]

_PAGE = 1_000

Step = Callable[[str], None]


class SpillReport(NamedTuple):
    """What a spill moved."""

    shards: int
    episodes: int
    thoughts: int
    damaged: int
    """Episodes that stay where they are, because they cannot be read."""


class Sound(NamedTuple):
    """What an episode is made of, once that was seen to be what was written."""

    rows: EpisodeRows
    answer: str | None


class _Chosen(NamedTuple):
    episode: int
    problem: int
    thoughts: int
    run: int
    number: int


@dataclass
class _Moved:
    """What stands in a shard that is written."""

    episodes: list[tuple[_Chosen, str | None]] = field(default_factory=list)
    """With their answers."""
    completions: list[tuple[int, int]] = field(default_factory=list)
    """With the rows of their problems."""
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    """Problems and keys."""
    damaged: int = 0


def spill(
    db: Database, folder: Path, read: Callable[[int], Sound], *, thoughts: int, step: Step
) -> SpillReport:
    """Move what is finished into shards; one caller at a time.

    Args:
        db: The file.
        folder: Where its shards are.
        read: Reads an episode by its row; raises a `DataError` where that is damaged.
        thoughts: After so many a shard ends, with their episode.
        step: Told what was done: `written`, `listed`, `committed`.

    Raises:
        StoreError: The folder or the file cannot be written; every episode is where it was, or has
            moved as a whole.
    """
    shards = episodes = moved_thoughts = damaged = 0
    try:
        _sweep(db, folder)
        for chosen in _chosen(db, thoughts):
            moved = _Moved()
            shard = _write(db, folder, read, chosen, moved)
            step("written")
            damaged += moved.damaged
            write_manifest(folder, [*shards_of(db), shard])
            step("listed")
            if _move(db, shard, moved):
                shards += 1
                episodes += shard.episodes
                moved_thoughts += shard.thoughts
            else:
                _sweep(db, folder)
            step("committed")
        if shards:
            db.write_now(_forget)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"{folder}: shards cannot be written ({error}): see that there is room; nothing is lost"
        ) from None
    return SpillReport(shards, episodes, moved_thoughts, damaged)


def _sweep(db: Database, folder: Path) -> None:
    """Remove what a spill has left that was killed, or came too late."""
    if not folder.is_dir():
        return
    shards = shards_of(db)
    known = {shard.name for shard in shards}
    strays = [
        file
        for file in folder.iterdir()
        if file.name.endswith(".unfinished")
        or (file.suffix == ".parquet" and file.name not in known)
    ]
    if strays:
        write_manifest(folder, shards)
        for file in strays:
            file.unlink(missing_ok=True)  # the manifest may have taken its name


_UNSPILLED = (
    "SELECT e.id, e.problem, e.thoughts, e.run, e.number FROM episodes e"
    " WHERE e.digest IS NOT NULL AND e.shard IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM episodes o WHERE o.problem = e.problem AND o.digest IS NULL)"
)
"""What may go: finished, and of a problem that no run has still to finish."""


def _chosen(db: Database, thoughts: int) -> Iterator[list[_Chosen]]:
    """The episodes for one shard after the other, run by run."""
    query = f"{_UNSPILLED} AND (e.run, e.number) > (?, ?) ORDER BY e.run, e.number LIMIT {_PAGE}"
    chosen: list[_Chosen] = []
    size, last = 0, (-1, -1)
    while page := db.rows(_Chosen, query, last):
        last = page[-1].run, page[-1].number
        for one in page:
            chosen.append(one)
            size += one.thoughts
            if size >= thoughts:
                yield chosen
                chosen, size = [], 0
    if chosen:
        yield chosen


def _write(
    db: Database,
    folder: Path,
    read: Callable[[int], Sound],
    chosen: Sequence[_Chosen],
    moved: _Moved,
) -> Shard:
    [number] = db.rows(int, "SELECT ifnull(max(id), 0) + 1 FROM shards")
    path = folder / f"{number:06d}.parquet"
    last = _last(db, chosen)

    def rows() -> Iterator[ShardRow]:
        for one in chosen:
            try:
                found, answer = read(one.episode)
            except DataError:
                moved.damaged += 1
                continue
            completions, replies = dict(found.completions), list[ReplyRow]()
            if last[one.problem] == one.episode:
                completions |= _lines(db, one.problem)
                replies = _replies(db, one.problem)
            moved.episodes.append((one, answer))
            moved.completions += [(row, one.problem) for row in completions]
            moved.replies += [(one.problem, reply.key) for reply in replies]
            yield ShardRow(one.episode, found._replace(completions=completions), replies)

    with whole_path(path) as unfinished:
        write_shard(unfinished, rows())
    return Shard(
        name=path.name,
        sha256=digest_of_file(path),
        bytes=path.stat().st_size,
        episodes=len(moved.episodes),
        thoughts=sum(one.thoughts for one, _ in moved.episodes),
    )


def _last(db: Database, chosen: Sequence[_Chosen]) -> dict[int, int | None]:
    """With which episode the rest of a problem's journal goes; with none while others stay."""
    last: dict[int, int | None] = {one.problem: one.episode for one in chosen}
    going = {one.episode for one in chosen}
    query = "SELECT id FROM episodes WHERE problem = ? AND shard IS NULL"
    for problem in last:
        if not going.issuperset(db.rows(int, query, (problem,))):
            last[problem] = None
    return last


def _lines(db: Database, problem: int) -> dict[int, CompletionRow]:
    query = (
        f"SELECT c.id, {COMPLETION} FROM completions c JOIN sources s ON s.id = c.source"
        " LEFT JOIN contexts x ON x.id = c.context WHERE c.problem = ?"
    )
    rows = db.rows(lambda row, *cells: (row, CompletionRow(*cells)), query, (problem,))
    return {row: cells for row, cells in rows if line_of(problem, cells) is not None}


def _replies(db: Database, problem: int) -> list[ReplyRow]:
    return [
        ReplyRow(key, said, digest_of(problem, key, said))
        for key, said in read_replies(db, problem).sound
    ]


def _move(db: Database, shard: Shard, moved: _Moved) -> bool:
    return bool(moved.episodes) and db.write_now(partial(_commit, shard, moved))


def _commit(shard: Shard, moved: _Moved, db: apsw.Connection) -> bool:
    """Say that episodes are in a shard, and delete their rows; False where one may not go."""
    for one, _ in moved.episodes:
        if next(db.execute(f"{_UNSPILLED} AND e.id = ?", (one.episode,)), None) is None:
            return False
    row = shard.name, shard.sha256, shard.bytes, shard.episodes, shard.thoughts
    db.execute("INSERT INTO shards VALUES(NULL,?,?,?,?,?)", row)
    gone = [(one.episode,) for one, _ in moved.episodes]
    db.executemany(
        "INSERT INTO spilled VALUES(?,?,?)",
        [(one.episode, place, answer) for place, (one, answer) in enumerate(moved.episodes)],
    )
    db.executemany(
        "UPDATE episodes SET shard = ? WHERE id = ?", [(shard.name, *one) for one in gone]
    )
    for query in (
        "DELETE FROM thoughts WHERE episode = ?",
        "DELETE FROM edges WHERE episode = ?",
        "DELETE FROM scores WHERE episode = ?",
    ):
        db.executemany(query, gone)
    others = (
        "SELECT t.completion FROM episodes e JOIN thoughts t ON t.episode = e.id"
        " WHERE e.problem = ? AND e.shard IS NULL"
    )
    shared = {
        (completion, problem)
        for problem in {problem for _, problem in moved.completions}
        for (completion,) in db.execute(others, (problem,))
    }
    db.executemany(
        "DELETE FROM completions WHERE id = ? AND problem = ?",
        [one for one in moved.completions if one not in shared],
    )
    db.executemany("DELETE FROM replies WHERE problem = ? AND key = ?", moved.replies)
    return True


def _forget(db: apsw.Connection) -> None:
    """Delete the prompts and contexts that no row refers to any more."""
    for table, used in (
        ("prompts", "SELECT prompt FROM thoughts WHERE prompt IS NOT NULL"),
        ("contexts", "SELECT context FROM completions WHERE context IS NOT NULL"),
    ):
        db.execute(f"DELETE FROM {table} WHERE id NOT IN ({used})")
