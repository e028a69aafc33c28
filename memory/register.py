"""Runs and their problems as rows: each once, whoever writes them."""

import datetime
from collections.abc import Sequence
from hashlib import blake2b

import apsw

from cogitate.errors import DataError
from cogitate.memory.codec import digest_of
from cogitate.memory.run_record import RunRecord
from cogitate.tasks import Problem

__all__ = ["problem_key", "read_problem", "register"]


def register(
    record: RunRecord, cells: Sequence[tuple[str, str]], replay: bool, db: apsw.Connection
) -> int:
    """Write a run and its problems where they are not there yet; a replay writes nothing."""
    if not replay:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        told = (record.key, record.strategy, record.model_dump_json(), 1, now)
        row = (*told, digest_of(*told))
        db.execute("INSERT OR IGNORE INTO runs VALUES(NULL,?,?,?,?,?,?)", row)
    run = next((row for (row,) in db.execute("SELECT id FROM runs WHERE key=?", (record.key,))), 0)
    if replay or not isinstance(run, int):
        return int(run)
    [(last,)] = db.execute("SELECT ifnull(max(number), -1) FROM episodes WHERE run = ?", (run,))
    assert isinstance(last, int)
    for name, cell in cells:
        key = problem_key(cell)
        db.execute("INSERT OR IGNORE INTO problems VALUES(NULL,?,?,?)", (key, name, cell))
        db.execute(
            "INSERT OR IGNORE INTO episodes(run, problem, number)"
            " SELECT ?, id, ? FROM problems WHERE key = ?",
            (run, last + 1, key),
        )
        last += db.changes()
    return run


def problem_key(record: str) -> bytes:
    """What tells problems apart: a digest of all that a problem says."""
    return blake2b(record.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def read_problem(record: str, key: bytes) -> Problem:
    """Return the problem of a record.

    Raises:
        DataError: It is damaged.
    """
    if problem_key(record) != key:
        raise DataError("its problem is damaged")
    try:
        return Problem.model_validate_json(record)
    except ValueError as error:
        raise DataError(f"its problem cannot be read: {error}") from None
