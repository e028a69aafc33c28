"""Embeddings in the same file, compared by sqlite-vec (Garcia 2024).

They stand in an ordinary table and are compared one by one: exact, and the file stays readable
where sqlite-vec is not installed. What is left out: an approximate index, which pays from some
hundred thousand on. An embedding that is missing is made when it is first needed.
"""

from array import array
from collections.abc import Mapping, Sequence

import apsw

from cogitate.errors import ConfigError, StoreError
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database
from cogitate.memory.embedder import Embedder
from cogitate.memory.remembered import Kept

__all__ = ["Vectors"]


_WAIT = 60_000
"""Milliseconds to wait for whoever writes."""


class Vectors:
    """The embeddings of one embedder in one file; one call at a time.

    Args:
        database: The file.
        embedder: What makes them.
        vfs: The name of the SQLite VFS that the file is in.

    Raises:
        StoreError: The file cannot be opened.
    """

    def __init__(self, database: Database, embedder: Embedder, *, vfs: str | None = None) -> None:
        import sqlite_vec

        self._database = database
        self._embedder = embedder
        self.made = 0
        """The number of the last item that is known to have an embedding, if it is to have one."""
        try:
            self._reader = apsw.Connection(str(database.path), vfs=vfs)
            self._reader.set_busy_timeout(_WAIT)
            self._reader.enable_load_extension(True)
            self._reader.load_extension(sqlite_vec.loadable_path())
            self._reader.enable_load_extension(False)
        except apsw.Error as error:
            raise StoreError(
                f"{database.path}: it cannot be opened with sqlite-vec ({error}): install "
                "sqlite-vec for this machine again, or give no embedder"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    async def embed(self, prompt: str) -> bytes:
        """Return the embedding of a prompt, as the file keeps it."""
        [cell] = await self._cells([prompt])
        return cell

    async def keep(self, items: Sequence[Kept]) -> None:
        """Embed the problems of what may be recalled and has no embedding.

        Args:
            items: All that was learned after `made`, in order.
        """
        if not items:
            return
        name, made = self._embedder.name, self.made
        query = "SELECT item FROM experience_vectors WHERE embedder = ? AND item > ?"
        there = {row[0] for row in self._database.rows(lambda *r: r, query, (name, made))}
        missing = [item for item in items if item.recallable and item.number not in there]
        if missing:
            cells = await self._cells([item.lesson.prompt for item in missing])
            rows = [
                (item.number, name, cell, digest_of(item.number, name, cell))
                for item, cell in zip(missing, cells, strict=True)
            ]

            def write(db: apsw.Connection) -> None:
                db.executemany("INSERT OR IGNORE INTO experience_vectors VALUES(?,?,?,?)", rows)

            await self._database.write(write)
        self.made = max(self.made, items[-1].number)

    def similar(self, asked: bytes) -> Mapping[int, float | None]:
        """Return how similar each item is, by its number; None where it cannot be compared."""
        query = (
            "SELECT item, CASE WHEN length(vector) = ?2 THEN vec_distance_cosine(vector, ?1) END"
            " FROM experience_vectors WHERE embedder = ?3"
        )
        found: dict[int, float | None] = {}
        try:
            bindings = (asked, len(asked), self._embedder.name)
            for item, apart in self._reader.execute(query, bindings):
                assert isinstance(item, int) and isinstance(apart, float | None)
                found[item] = None if apart is None else 1 - apart
        except apsw.Error as error:
            raise StoreError(
                f"{self._database.path}: embeddings cannot be compared ({error}): open it without "
                "an embedder"
            ) from error
        return found

    def sound(self, number: int) -> bool:
        """Whether the embedding of an item is what was written."""
        name = self._embedder.name
        query = "SELECT vector, digest FROM experience_vectors WHERE embedder = ? AND item = ?"
        rows = list(self._database.rows(lambda *row: row, query, (name, number)))
        return [digest_of(number, name, vector) for vector, _ in rows] == [d for _, d in rows]

    async def _cells(self, prompts: Sequence[str]) -> list[bytes]:
        vectors = [array("f", vector) for vector in await self._embedder.embed(prompts)]
        if len(vectors) != len(prompts) or len({len(vector) for vector in vectors}) > 1:
            raise ConfigError(
                f"the embedder {self._embedder.name} gave {len(vectors)} vectors for "
                f"{len(prompts)} texts, or vectors of several lengths: give one for each, all of "
                "one length"
            )
        return [vector.tobytes() for vector in vectors]
