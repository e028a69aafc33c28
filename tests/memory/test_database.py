"""The file of a store: shared commits, failures of one job, what it is."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from cogitate.errors import ConfigError, DataError, StoreError
from cogitate.memory.database import Database

TABLE = ("CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",)


def add(name: str) -> "Job":
    return Job(name)


class Job:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, db: apsw.Connection) -> int:
        db.execute("INSERT INTO things(name) VALUES(?)", (self.name,))
        return db.last_insert_rowid()


def names(db: Database) -> list[object]:
    return db.rows(lambda name: name, "SELECT name FROM things ORDER BY id")


def test_writes_that_wait_while_one_is_committed_become_one_transaction(tmp_path: Path) -> None:
    async def scenario() -> None:
        commits: list[int] = []
        entered, go_on = threading.Event(), threading.Event()

        def slow(db: apsw.Connection) -> None:
            db.set_commit_hook(lambda: bool(commits.append(1)))
            entered.set()
            go_on.wait()

        with Database(tmp_path / "a.db", TABLE) as db:
            first = asyncio.ensure_future(db.write(slow))
            await asyncio.to_thread(entered.wait)
            rest = [asyncio.ensure_future(db.write(add(f"{i}"))) for i in range(50)]
            await asyncio.sleep(0)
            go_on.set()
            await first
            rows = await asyncio.gather(*rest)
            assert rows == list(range(1, 51))
            assert len(commits) == 2
            assert len(names(db)) == 50

    asyncio.run(scenario())


def test_a_job_that_fails_leaves_the_others_of_its_batch_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        entered, go_on = threading.Event(), threading.Event()

        def slow(_db: apsw.Connection) -> None:
            entered.set()
            go_on.wait()

        def halfway(db: apsw.Connection) -> None:
            add("half")(db)
            raise DataError("it is wrong: mend it")

        with Database(tmp_path / "a.db", TABLE) as db:
            first = asyncio.ensure_future(db.write(slow))
            await asyncio.to_thread(entered.wait)
            batch = [add("a"), add("b"), add("a"), halfway, add("c")]
            jobs = [asyncio.ensure_future(db.write(job)) for job in batch]
            await asyncio.sleep(0)
            go_on.set()
            await first
            done = await asyncio.gather(*jobs, return_exceptions=True)
            assert [type(one) for one in done] == [int, int, StoreError, DataError, int]
            assert names(db) == ["a", "b", "c"]

    asyncio.run(scenario())


def test_what_was_asked_before_closing_is_written_and_nothing_afterwards(tmp_path: Path) -> None:
    async def scenario() -> None:
        db = Database(tmp_path / "a.db", TABLE)
        jobs = [asyncio.ensure_future(db.write(add(f"{i}"))) for i in range(20)]
        await asyncio.sleep(0)
        db.close()
        db.close()
        assert len(await asyncio.gather(*jobs)) == 20
        with pytest.raises(StoreError, match="closed: open it again"):
            db.write_now(add("late"))
        with pytest.raises(StoreError, match="closed: open it again"):
            names(db)

    asyncio.run(scenario())
    with Database(tmp_path / "a.db", TABLE) as db:
        assert len(names(db)) == 20


def test_a_reader_in_another_process_holds_up_nobody_and_sees_whole_transactions(
    tmp_path: Path,
) -> None:
    with Database(tmp_path / "a.db", TABLE) as db:
        db.write_now(add("a"))
        viewer = sqlite3.connect(tmp_path / "a.db")
        viewer.execute("BEGIN")
        assert viewer.execute("SELECT count(*) FROM things").fetchone() == (1,)
        db.write_now(add("b"))
        assert viewer.execute("SELECT count(*) FROM things").fetchone() == (1,)
        viewer.rollback()
        assert viewer.execute("SELECT count(*) FROM things").fetchone() == (2,)
        viewer.close()


def test_an_older_file_is_brought_to_the_newest_schema_and_keeps_its_rows(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", TABLE) as db:
        db.write_now(add("a"))
    newer = (*TABLE, "ALTER TABLE things ADD COLUMN colour TEXT DEFAULT 'red'")
    with Database(tmp_path / "a.db", newer) as db:
        assert db.rows(lambda *row: row, "SELECT name, colour FROM things") == [("a", "red")]
    with pytest.raises(ConfigError, match="use a newer Cogitate"):
        Database(tmp_path / "a.db", TABLE)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", TABLE):
        pass
    broken = (*TABLE, "CREATE TABLE more(id)", "CREATE TABLE things(id)")
    with pytest.raises(StoreError):
        Database(tmp_path / "a.db", broken)
    with Database(tmp_path / "a.db", TABLE) as db:
        assert not db.rows(lambda name: name, "SELECT 1 FROM sqlite_schema WHERE name = 'more'")


@pytest.mark.parametrize("content", [b"{}" * 1000, b"SQLite format 3\0" + b"x" * 5000])
def test_another_kind_of_file_is_refused_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="this is no run store: give another file"):
        Database(file, TABLE)
    assert file.read_bytes() == content


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE theirs(id)")
    other.close()
    with pytest.raises(ConfigError, match="this is no run store: give another file"):
        Database(tmp_path / "other.db", TABLE)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="see that its folder is there"):
        Database(tmp_path / "nowhere" / "a.db", TABLE)


def test_durability_has_two_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give full or normal"):
        Database(tmp_path / "a.db", TABLE, durability="some")  # type: ignore[arg-type]  # a caller's error


@pytest.mark.parametrize(("word", "level"), [("full", 2), ("normal", 1)])
def test_durability_decides_when_sqlite_waits_for_the_disk(
    word: str, level: int, tmp_path: Path
) -> None:
    with Database(tmp_path / "a.db", TABLE, durability=word) as db:  # type: ignore[arg-type]  # one of two
        assert db.write_now(lambda db: db.pragma("synchronous")) == level
        assert db.write_now(lambda db: db.pragma("journal_mode")) == "wal"


def test_several_make_a_new_file_at_the_same_time(tmp_path: Path) -> None:
    def make(path: Path, together: threading.Barrier) -> None:
        together.wait()
        Database(path, TABLE).close()

    with ThreadPoolExecutor(4) as pool:
        for i in range(40):
            barrier = threading.Barrier(4)
            made = [pool.submit(make, tmp_path / f"{i}.db", barrier) for _ in range(4)]
            for one in made:
                one.result()
