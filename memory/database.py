"""One SQLite file, written by one thread, whose commits are shared by all who wait for them.

SQLite runs in WAL mode: readers, such as a live viewer in another process, never hold up the writer
and see whole transactions only. Every write is a function of a connection. Those that wait while a
transaction is being committed become the next one, so that the cost of making writes durable is
paid once for many of them. With `durability="full"` a write is on the disk when it is acknowledged;
with `normal` a power cut, but not the death of the process, may undo the last ones.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self, TypeVar

import apsw

from cogitate.errors import ConfigError, DataError, StoreError

__all__ = ["Database", "Durability", "once", "source_row"]

T = TypeVar("T")
Durability = Literal["full", "normal"]

_APPLICATION = 0x436F6769  # "Cogi": how SQLite's own tools tell whose file it is
_WAIT = 60_000
"""Milliseconds to wait for another process that writes."""


class _Job(NamedTuple):
    write: Callable[[apsw.Connection], object]
    done: Future[object]


class Database:
    """An open file, made and brought to the newest schema where that is needed.

    Args:
        path: The file; its folder must be there.
        migrations: What makes the schema, as SQL; the first n of them have run in a file of
            version n.
        durability: When a write is acknowledged.
        vfs: The name of an SQLite VFS; the system's own by default.

    Raises:
        ConfigError: The file is something else, or was made by a newer version.
        StoreError: It cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        migrations: Sequence[str],
        *,
        durability: Durability = "full",
        vfs: str | None = None,
    ) -> None:
        if durability not in ("full", "normal"):
            raise ConfigError(f"durability={durability!r}: give full or normal")
        self.path = Path(path)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._reading = threading.Lock()
        try:
            self._writer = self._open(durability, vfs)
            self._migrate(migrations)
            self._reader = self._open(durability, vfs)
        except apsw.NotADBError:
            raise ConfigError(f"{path}: this is no run store: give another file") from None
        except apsw.Error as error:
            raise self._failure(error) from error
        self._thread = threading.Thread(target=self._serve, name="store", daemon=True)
        self._thread.start()

    def _open(self, durability: Durability, vfs: str | None) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), vfs=vfs)
        connection.set_busy_timeout(_WAIT)
        _write_ahead(connection)
        connection.execute(f"PRAGMA synchronous={durability}")
        connection.execute("PRAGMA cell_size_check=ON")
        return connection

    def _migrate(self, migrations: Sequence[str]) -> None:
        db = self._writer
        db.execute("BEGIN IMMEDIATE")
        with_rollback = True
        try:
            application, version = _number(db, "application_id"), _number(db, "user_version")
            if application != _APPLICATION:
                if version or next(db.execute("SELECT 1 FROM sqlite_schema"), None):
                    raise ConfigError(f"{self.path}: this is no run store: give another file")
                db.execute(f"PRAGMA application_id={_APPLICATION}")
            if version > len(migrations):
                raise ConfigError(
                    f"{self.path} has version {version} and this Cogitate knows {len(migrations)}: "
                    "use a newer Cogitate"
                )
            for migration in migrations[version:]:
                db.execute(migration)
            db.execute(f"PRAGMA user_version={len(migrations)}")
            db.execute("COMMIT")
            with_rollback = False
        finally:
            if with_rollback and db.in_transaction:
                db.execute("ROLLBACK")

    def rows(
        self, shape: Callable[..., T], query: str, bindings: "Sequence[apsw.SQLiteValue]" = ()
    ) -> list[T]:
        """Return `shape(*row)` for each row that a query finds; for any thread.

        All of them at once, since whoever reads on holds up the reuse of the file's WAL.

        Raises:
            StoreError: The file cannot be read.
            DataError: It is damaged there.
        """
        if self._closed:
            raise StoreError(f"{self.path} is closed: open it again")
        try:
            with self._reading:
                return [shape(*row) for row in self._reader.execute(query, tuple(bindings))]
        except apsw.CorruptError as error:
            raise DataError(str(self._failure(error))) from error
        except apsw.Error as error:
            raise self._failure(error) from error
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: a text is damaged: {error}") from None

    async def write(self, job: Callable[[apsw.Connection], T]) -> T:
        """Run `job` in the next transaction, and return what it returns once that is committed.

        It may run twice where a transaction is repeated, and it runs in the writing thread.

        Raises:
            StoreError: The transaction could not be committed; nothing of it remains.
        """
        return await asyncio.wrap_future(self._put(job))

    def write_now(self, job: Callable[[apsw.Connection], T]) -> T:
        """As `write`, holding up the calling thread."""
        return self._put(job).result()

    def _put(self, job: Callable[[apsw.Connection], T]) -> "Future[T]":
        if self._closed:
            raise StoreError(f"{self.path} is closed: open it again")
        done: Future[T] = Future()
        self._jobs.put(_Job(job, done))  # type: ignore[arg-type]  # the future is of the job's type
        return done

    def close(self) -> None:
        """Wait for what was asked to be written, and close the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()
            for connection in (self._reader, self._writer):
                with contextlib.suppress(apsw.Error):  # what was acknowledged is in the WAL
                    connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch: list[_Job] = [first]
            last = False
            while not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                batch.append(job)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: Sequence[_Job]) -> None:
        """Commit what was asked for together; where one job is wrong, each by itself."""
        try:
            results = self._transaction(batch)
        except Exception as error:
            file_failed = isinstance(error, apsw.Error) and not isinstance(error, _OF_A_JOB)
            if len(batch) > 1 and not file_failed:
                for job in batch:
                    self._commit([job])
                return
            failure = self._failure(error) if isinstance(error, apsw.Error) else error
            for job in batch:
                _settle(job.done, error=failure)
        else:
            for job, result in zip(batch, results, strict=True):
                _settle(job.done, result)

    def _transaction(self, batch: Sequence[_Job]) -> list[object]:
        db = self._writer
        try:
            db.execute("BEGIN IMMEDIATE")
            results = [job.write(db) for job in batch]
            db.execute("COMMIT")
            return results
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _failure(self, error: apsw.Error) -> StoreError:
        name = type(error).__name__.removesuffix("Error")
        return StoreError(f"{self.path}: {_ADVICE.get(name, _OTHER)} ({name}: {error})")


def once(db: apsw.Connection, table: str, body: bytes) -> int:
    """Return the row of `body` in a table of bodies, where each stands once."""
    key = blake2b(body, digest_size=16).digest()
    for row, there in db.execute(f"SELECT id, body FROM {table} WHERE key = ?", (key,)):
        if there != body:  # it was damaged
            db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (body, row))
        assert isinstance(row, int)
        return row
    db.execute(f"INSERT INTO {table} VALUES(NULL, ?, ?)", (key, body))
    return db.last_insert_rowid()


def source_row(db: apsw.Connection, source: tuple[str | None, ...]) -> int:
    """Return the row of a source, given as the columns of that table."""
    for (row,) in db.execute(
        "SELECT id FROM sources WHERE agent=? AND role=? AND operation=? AND model=? AND revision=?"
        " AND ifnull(adapter, char(0)) = ifnull(?, char(0)) AND adapter_revision=?",
        source,
    ):
        return int(row)
    db.execute("INSERT INTO sources VALUES(NULL,?,?,?,?,?,?,?)", source)
    return db.last_insert_rowid()


def _number(db: apsw.Connection, pragma: str) -> int:
    value = db.pragma(pragma)
    assert isinstance(value, int)
    return value


def _settle(done: "Future[object]", result: object = None, error: Exception | None = None) -> None:
    if done.set_running_or_notify_cancel():  # nobody waits for one that was cancelled
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)


_OF_A_JOB = (apsw.ConstraintError, apsw.SQLError, apsw.MismatchError, apsw.TooBigError)
"""What a job itself is to blame for; all else is a failure of the file."""

_ADVICE = {
    "Full": "the disk is full: free some space, then resume the run",
    "IO": "the file system failed: see that it is well, then resume the run",
    "CantOpen": "it cannot be opened: see that its folder is there and may be written",
    "ReadOnly": "it may not be written: change its permissions, or copy it",
    "Busy": "another process has been writing for a minute: see what it does, then resume the run",
    "Corrupt": "the file is damaged: copy it, then save what can be read with `cogitate harvest`",
    "NotADB": "the file is damaged: copy it, then save what can be read with `cogitate harvest`",
}
_OTHER = "SQLite refused"


def _write_ahead(connection: apsw.Connection) -> None:
    """Have a file keep a write-ahead log.

    A new file is turned to it by whoever comes first; SQLite tells others that it is busy at once,
    whatever the timeout, since two that wait for each other here would wait for ever.
    """
    deadline = time.monotonic() + _WAIT / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
