"""The rows of one finished episode, wherever they stand: in the file's tables, or in a shard."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cogitate.memory.database import Database
from cogitate.memory.lines import COMPLETION, CompletionRow

__all__ = ["EdgeRow", "EpisodeRows", "ScoreRow", "ThoughtRow", "rows_of"]


class ThoughtRow(NamedTuple):
    """A thought, with its source."""

    number: int
    """Its place in the episode."""
    id: str
    kind: str
    text: str | None
    """None: that of its completion."""
    answer: str | None
    accepts: int | None
    rest: str | None
    prompt: int | None
    """Which of the prompts."""
    completion: int | None
    """Which of the completions."""
    agent: str
    role: str
    operation: str
    model: str
    revision: str
    adapter: str | None
    adapter_revision: str


class EdgeRow(NamedTuple):
    """An edge between two thoughts, by their numbers; those of a child are in their order."""

    child: int
    parent: int
    relation: str


class ScoreRow(NamedTuple):
    """A score of a thought, by its number; those of a thought are in their order."""

    thought: int
    source: str
    value: float


class EpisodeRows(NamedTuple):
    """Everything that a finished episode is made of, but its result."""

    thoughts: Sequence[ThoughtRow]
    edges: Sequence[EdgeRow]
    scores: Sequence[ScoreRow]
    completions: Mapping[int, CompletionRow]
    prompts: Mapping[int, bytes]


_THOUGHTS = (
    "SELECT t.number, t.id, t.kind, t.text, t.answer, t.accepts, t.rest, t.prompt, t.completion,"
    " w.agent, w.role, w.operation, w.model, w.revision, w.adapter, w.adapter_revision"
    " FROM thoughts t JOIN sources w ON w.id = t.source WHERE t.episode = ? ORDER BY t.number"
)
_EDGES = "SELECT child, parent, relation FROM edges WHERE episode = ? ORDER BY child, place"
_SCORES = "SELECT thought, source, value FROM scores WHERE episode = ? ORDER BY thought, place"
_COMPLETIONS = (
    f"SELECT c.id, {COMPLETION} FROM thoughts t JOIN completions c ON c.id = t.completion"
    " JOIN sources s ON s.id = c.source LEFT JOIN contexts x ON x.id = c.context"
    " WHERE t.episode = ?"
)
_PROMPTS = (
    "SELECT p.id, p.body FROM prompts p WHERE p.id IN"
    " (SELECT prompt FROM thoughts WHERE episode = ?)"
)


def rows_of(db: Database, episode: int) -> EpisodeRows:
    """Read the rows of an episode from the tables.

    Raises:
        DataError: The file is damaged there.
        StoreError: The file cannot be read.
    """
    place = (episode,)
    return EpisodeRows(
        db.rows(ThoughtRow, _THOUGHTS, place),
        db.rows(EdgeRow, _EDGES, place),
        db.rows(ScoreRow, _SCORES, place),
        dict(db.rows(lambda row, *cells: (row, CompletionRow(*cells)), _COMPLETIONS, place)),
        dict(db.rows(lambda row, body: (row, body), _PROMPTS, place)),
    )
