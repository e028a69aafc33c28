"""One shard: a Parquet file of finished episodes, as the same rows that the tables had.

A row of the file is an episode, with its thoughts, edges, scores, completions and prompts as lists;
a group of rows is what is read at once. Pages carry checksums. That an episode is what was written
is seen by its digest, as with rows of the tables: a shard is believed in nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cogitate.memory.episode_rows import EdgeRow, EpisodeRows, ScoreRow, ThoughtRow
from cogitate.memory.lines import CompletionRow

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

__all__ = ["ReplyRow", "ShardRow", "open_shard", "read_group", "write_shard"]

T = TypeVar("T")

_GROUP = 1_000
"""Thoughts after which a group ends, with their episode."""


class ReplyRow(NamedTuple):
    """A line of the journal that is no completion."""

    key: bytes
    said: str
    digest: bytes


class ShardRow(NamedTuple):
    """An episode in a shard, with the journal's lines that went there with it."""

    episode: int
    rows: EpisodeRows
    """Its completions may be more than those of its thoughts: what no thought came of, too."""
    replies: Sequence[ReplyRow]


_TABLES = {
    "thoughts": ThoughtRow._fields,
    "edges": EdgeRow._fields,
    "scores": ScoreRow._fields,
    "completions": ("row", *CompletionRow._fields),
    "prompts": ("row", "body"),
    "replies": ReplyRow._fields,
}
_NUMBERS = (
    "number",
    "accepts",
    "prompt",
    "completion",
    "child",
    "parent",
    "thought",
    "sample",
    "row",
)
_BYTES = ("key", "prompt_ids", "tokens", "logprobs", "digest", "body")


def write_shard(path: Path, episodes: Iterable[ShardRow]) -> None:
    """Write a shard, with no more than one group in memory.

    Raises:
        OSError: It cannot be written.
    """
    import pyarrow.parquet as pq  # loaded where something is written or read only

    with pq.ParquetWriter(path, _schema(), compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(episodes):
            writer.write_table(_table(group))


def _groups(episodes: Iterable[ShardRow]) -> Iterator[list[ShardRow]]:
    group: list[ShardRow] = []
    size = 0
    for episode in episodes:
        group.append(episode)
        size += len(episode.rows.thoughts)
        if size >= _GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def open_shard(path: Path) -> "ParquetFile":
    """Open a shard; what a damaged one raises may be anything."""
    import pyarrow.parquet as pq  # loaded where something is written or read only

    opened = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
    if not opened.schema_arrow.equals(_schema()):
        raise ValueError("its columns are not those of a shard")
    return opened


def read_group(opened: "ParquetFile", number: int) -> list[ShardRow]:
    """Read the episodes of one group; what a damaged one raises may be anything."""
    table = opened.read_row_group(number)
    thoughts = _lists(table, "thoughts", ThoughtRow)
    edges = _lists(table, "edges", EdgeRow)
    scores = _lists(table, "scores", ScoreRow)
    completions = _lists(table, "completions", lambda row, *cells: (row, CompletionRow(*cells)))
    prompts = _lists(table, "prompts", lambda row, body: (row, body))
    replies = _lists(table, "replies", ReplyRow)
    whole = zip(thoughts, edges, scores, map(dict, completions), map(dict, prompts), strict=True)
    rows = (EpisodeRows(*parts) for parts in whole)
    numbers = table.column("episode").to_pylist()
    return [ShardRow(*parts) for parts in zip(numbers, rows, replies, strict=True)]


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        [
            ("episode", pa.int64()),
            *(
                (table, pa.list_(pa.struct([(name, _type(name)) for name in names])))
                for table, names in _TABLES.items()
            ),
        ]
    )


def _type(name: str) -> "pa.DataType":
    import pyarrow as pa

    if name in ("value", "latency"):
        return pa.float64()
    return pa.int64() if name in _NUMBERS else pa.binary() if name in _BYTES else pa.string()


def _table(group: Sequence[ShardRow]) -> "pa.Table":
    import pyarrow as pa

    several = [one.rows for one in group]
    lists: dict[str, list[Sequence[tuple[object, ...]]]] = {
        "thoughts": [rows.thoughts for rows in several],
        "edges": [rows.edges for rows in several],
        "scores": [rows.scores for rows in several],
        "completions": [[(n, *row) for n, row in rows.completions.items()] for rows in several],
        "prompts": [list(rows.prompts.items()) for rows in several],
        "replies": [one.replies for one in group],
    }
    columns: dict[str, pa.Array] = {"episode": pa.array([one.episode for one in group], pa.int64())}
    for table, found in lists.items():
        names = _TABLES[table]
        flat = [row for rows in found for row in rows]
        cells = zip(*flat, strict=True) if flat else [()] * len(names)
        fields = [pa.array(column, _type(name)) for name, column in zip(names, cells, strict=True)]
        offsets = pa.array(accumulate(map(len, found), initial=0), pa.int32())
        columns[table] = pa.ListArray.from_arrays(
            offsets, pa.StructArray.from_arrays(fields, names=list(names))
        )
    return pa.table(columns, schema=_schema())


def _lists(table: "pa.Table", name: str, shape: Callable[..., T]) -> list[list[T]]:
    """The rows of a column of lists, each as `shape` makes it of its fields."""
    column = table.column(name).combine_chunks()
    rows = column.values
    fields = [rows.field(number).to_pylist() for number in range(len(_TABLES[name]))]
    shaped = list(map(shape, *fields))
    return [shaped[start:end] for start, end in pairwise(column.offsets.to_pylist())]
