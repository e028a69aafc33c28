"""Lessons and solved examples as rows of the run store's file, and how one is forgotten.

    experiences            what was learned, each once; never changed
    experience_recalls     which of them a problem was shown, in which run
    experience_runs        the newest one that a run may recall
    experience_forgotten   the sources from which nothing is kept any more
    experience_vectors     embeddings of the problems, made from them anew where they are missing

A solved example is the same record as a lesson: its text is the solution. What was learned on a
problem derives from all that the problem was shown, whether or not its author used it, and goes
with it. The digest of a row shows damage; it is no signature, so a file from elsewhere is to be
read in as an import is, and not opened.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

import apsw
from pydantic import ValidationError

from cogitate.agents import Lesson, Provenance
from cogitate.memory.codec import digest_of
from cogitate.tasks.held_back import same_text

__all__ = ["EXPERIENCE_TABLES", "Field", "Kept", "Sort", "forget", "insert", "prompt_key", "read"]

EXPERIENCE_TABLES = """
CREATE TABLE experiences(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    sort TEXT NOT NULL,
    record TEXT NOT NULL,
    learned TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE experience_recalls(
    run TEXT NOT NULL,
    prompt BLOB NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY(run, prompt, key)
) WITHOUT ROWID;
CREATE INDEX experience_recalls_of ON experience_recalls(prompt);
CREATE TABLE experience_runs(run TEXT PRIMARY KEY, newest INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE experience_forgotten(
    id INTEGER PRIMARY KEY,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE(field, value)
);
CREATE TABLE experience_vectors(
    item INTEGER NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY(embedder, item)
);
CREATE TRIGGER experiences_keep BEFORE UPDATE ON experiences
    BEGIN SELECT RAISE(ABORT, 'what was learned never changes'); END;
"""

Sort = Literal["lesson", "example"]
Field = Literal["id", "run", "problem", "prompt", "author", "model", "grader"]
"""By what the source of something is named: by all that would have to be wrong with it."""


class Kept(NamedTuple):
    """A lesson or a solved example that is kept."""

    number: int
    """In the order of learning."""
    sort: Sort
    lesson: Lesson
    learned: str
    """When, as UTC: `2026-11-25 21:09:32`."""

    @property
    def recallable(self) -> bool:
        """Whether a programmatic grader stands behind it: nothing else is ever recalled."""
        lesson = self.lesson
        return lesson.verified and bool(lesson.provenance.grader and lesson.provenance.outcome)


def prompt_key(prompt: str) -> bytes:
    """Return what is equal for equal problems."""
    return blake2b(same_text(prompt).encode(), digest_size=16).digest()


def read(number: int, *cells: bytes) -> Kept | None:
    """Return what a row says, or None where it is damaged.

    Args:
        number: Of the row.
        cells: All others of its cells, as bytes.
    """
    try:
        key, sort, record, learned = (bytes(cell).decode() for cell in cells[:-1])
        if cells[-1] != digest_of(key, sort, record, learned):
            return None
        lesson = Lesson.model_validate_json(record)
    except (ValueError, TypeError):  # pydantic's and Unicode's among them
        return None
    if key != lesson.id:
        return None
    match sort:
        case "lesson" | "example":
            return Kept(number, sort, lesson, learned)
        case _:
            return None


def insert(db: apsw.Connection, sort: Sort, lesson: Lesson, *, ancestry: str) -> Lesson | str:
    """Keep what was learned.

    Args:
        db: Within a transaction.
        sort: What it is.
        lesson: What was learned.
        ancestry: The run whose recalls it derives from; "" for those of any run.

    Returns:
        It with its ancestry; or why it is not kept.
    """
    provenance = lesson.provenance
    shown = _shown(db, ancestry, prompt_key(lesson.prompt))
    parents = tuple(dict.fromkeys((*provenance.derived_from, *sorted(shown))))
    lesson = lesson.model_copy(
        update={"provenance": provenance.model_copy(update={"derived_from": parents})}
    )
    if any(_forgotten(db, field, value) for field, value in _sources(lesson)):
        return "its source was forgotten"
    if any(_forgotten(db, "id", parent) for parent in parents):
        return "it derives from what was forgotten"
    record, learned = lesson.model_dump_json(), _now(db)
    db.execute(
        "INSERT OR IGNORE INTO experiences VALUES(NULL, ?, ?, ?, ?, ?)",
        (lesson.id, sort, record, learned, digest_of(lesson.id, sort, record, learned)),
    )
    return lesson


def forget(db: apsw.Connection, field: Field, value: str) -> int:
    """Remove all that comes from a source, and all that derives from it, for good.

    Args:
        db: Within a transaction.
        field: What names the source.
        value: Its name.

    Returns:
        How many were removed.
    """
    children: dict[str, list[str]] = {}
    gone: set[str] = {value} if field == "id" else set()
    numbers: dict[str, int] = {}
    for number, key, record in db.execute("SELECT id, key, record FROM experiences"):
        numbers[str(key)] = int(number)
        try:
            lesson = Lesson.model_validate_json(str(record))
        except ValidationError:  # it is damaged, and never recalled
            continue
        if (field, value) in _sources(lesson):
            gone.add(str(key))
        for parent in lesson.provenance.derived_from:
            children.setdefault(parent, []).append(str(key))
    shown = gone.copy()
    while shown:
        shown = {child for parent in shown for child in children.get(parent, ())} - gone
        gone |= shown
    removed = [numbers[key] for key in sorted(gone & numbers.keys())]
    for number in removed:
        db.execute("DELETE FROM experiences WHERE id = ?", (number,))
        db.execute("DELETE FROM experience_vectors WHERE item = ?", (number,))
    named = [(field, value), *(("id", key) for key in sorted(gone))]
    db.executemany("INSERT OR IGNORE INTO experience_forgotten VALUES(NULL, ?, ?)", named)
    return len(removed)


def _sources(lesson: Lesson) -> Iterator[tuple[Field, str]]:
    """All that something may be removed by."""
    provenance: Provenance = lesson.provenance
    yield "id", lesson.id
    yield "run", provenance.run
    yield "problem", lesson.problem
    yield "prompt", same_text(lesson.prompt)
    yield "author", provenance.author
    yield "model", provenance.model
    yield "grader", provenance.grader


def _shown(db: apsw.Connection, run: str, prompt: bytes) -> Iterable[str]:
    query = "SELECT key FROM experience_recalls WHERE prompt = ?"
    found = db.execute(query, (prompt,))
    if run:
        found = db.execute(f"{query} AND run = ?", (prompt, run))
    return [str(key) for (key,) in found]


def _forgotten(db: apsw.Connection, field: str, value: str) -> bool:
    query = "SELECT 1 FROM experience_forgotten WHERE field = ? AND value = ?"
    return bool(value) and next(db.execute(query, (field, value)), None) is not None


def _now(db: apsw.Connection) -> str:
    return str(next(db.execute("SELECT datetime('now')"))[0])
