"""A disk that fails the n-th write or sync, or is full: a typed error, nothing partial, resumed."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import apsw
import pytest
from searches import team
from thinker import Thinker

import cogitate as cg
from cogitate.errors import StoreError
from cogitate.memory import RunStore
from cogitate.memory.write_episode import content_of

# SQLite asks nobody when a write fails while a file is being closed; apsw tells of it all the same.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PROBLEMS = [cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=f"{i}") for i in range(23)]
FEW, ALL = 4, len(PROBLEMS)
STRATEGIES: list[cg.Strategy] = [cg.SelfRefine(rounds=2), cg.BestOfN(n=3), cg.Direct()]
Fault = Literal["write", "sync", "full"]


@dataclass
class Disk:
    """Counts what is written and synced, and fails one of these, or from one on."""

    fault: Fault = "write"
    at: int = 10**9
    seen: int = 0
    raised: int = 0

    def pass_by(self, kind: Literal["write", "sync"]) -> None:
        if kind != ("sync" if self.fault == "sync" else "write"):
            return
        self.seen += 1
        if self.seen == self.at or (self.fault == "full" and self.seen > self.at):
            self.raised += 1
            raise apsw.FullError("full") if self.fault == "full" else apsw.IOError("failed")


class DiskFile(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], disk: Disk) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # SQLite's name
        self._disk.pass_by("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # SQLite's name
        self._disk.pass_by("sync")
        super().xSync(flags)


class DiskVFS(apsw.VFS):
    """Files of the system's own, on a disk that fails."""

    def __init__(self) -> None:
        super().__init__("failing", "")
        self.disk = Disk()

    def xOpen(
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> DiskFile:  # SQLite's name
        return DiskFile(name, flags, self.disk)


@pytest.fixture(scope="module")
def vfs() -> Iterator[DiskVFS]:
    made = DiskVFS()
    yield made
    made.unregister()


@dataclass
class Worked:
    """What a process was told is kept."""

    episodes: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0


def work(path: Path, told: Worked, problems: int = FEW, *, vfs: str | None = None) -> None:
    """Think about so many problems; about all of them one by one, so that no commit is shared."""
    mind = Thinker()
    try:
        with RunStore(path, vfs=vfs) as store:
            for number, how in enumerate(STRATEGIES):
                cg.run(
                    PROBLEMS[:problems],
                    team(mind),
                    how,
                    store=store,
                    concurrency=1 if problems == ALL else 2,
                    on_episode=lambda e, n=number: told.episodes.append((f"{n}", e.problem.id)),  # type: ignore[misc]  # mypy reads no default of a lambda
                )
    finally:
        told.calls = mind.bill.calls


def contents(path: Path) -> list[object]:
    with RunStore(path) as store:
        return [(episode.run, content_of(episode)) for episode in store.episodes()]


class Whole(NamedTuple):
    """What a run without any failure holds, and what it asks."""

    problems: int
    contents: list[object]
    calls: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Whole]:
    @cache
    def of(problems: int) -> Whole:
        path, told = tmp_path_factory.mktemp("whole") / "runs.db", Worked()
        work(path, told, problems)
        return Whole(problems, contents(path), told.calls)

    return of


def check(path: Path, told: Worked, whole: Whole) -> None:
    """All that was acknowledged is there, all is well, and a resume comes to the whole."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = raw.execute("SELECT 1 FROM sqlite_schema WHERE name = 'episodes'").fetchone()
    if kept:
        rows = raw.execute(
            "SELECT e.run - 1, p.name FROM episodes e JOIN problems p ON p.id = e.problem"
            " WHERE e.digest IS NOT NULL"
        )
        finished = {(str(run), problem) for run, problem in rows}
        assert set(told.episodes) <= finished
    raw.close()
    again = Worked()
    work(path, again, whole.problems)
    assert contents(path) == whole.contents
    assert again.calls <= whole.calls


def fail_at(n: int, fault: Fault, path: Path, vfs: DiskVFS, whole: Whole) -> int:
    vfs.disk = Disk(fault, n)
    told = Worked()
    try:
        work(path, told, whole.problems, vfs="failing")
    except StoreError as error:
        assert "resume the run" in str(error) or "see that" in str(error)
        assert isinstance(error, cg.CogitateError)
    else:
        assert fault != "full" or not vfs.disk.raised or len(told.episodes) == 3 * whole.problems
    raised, vfs.disk = vfs.disk.raised, Disk()
    check(path, told, whole)
    return raised


@pytest.mark.parametrize("fault", ["write", "sync", "full"])
def test_a_disk_that_fails_at_some_instants(
    fault: Fault, vfs: DiskVFS, whole: Callable[[int], Whole], tmp_path: Path
) -> None:
    raised = [
        fail_at(n, fault, tmp_path / f"{n}.db", vfs, whole(FEW))
        for n in ([1, 4, 12, 40, 90] if fault != "sync" else [1, 2, 5, 13, 25])
    ]
    assert all(raised), raised


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["write", "sync", "full"])
def test_a_disk_that_fails_at_each_of_two_hundred_instants(
    fault: Fault, vfs: DiskVFS, whole: Callable[[int], Whole], tmp_path: Path
) -> None:
    size = ALL if fault == "sync" else FEW
    raised = 0
    for n in range(1, 201):
        raised += bool(fail_at(n, fault, tmp_path / f"{n}.db", vfs, whole(size)))
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
    assert raised == 200


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_is_really_full(whole: Callable[[int], Whole], tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    told = Worked()
    try:
        with pytest.raises(StoreError, match="the disk is full: free some space"):
            work(place / "runs.db", told)
        assert told.episodes
        for file in place.iterdir():
            shutil.copy(file, tmp_path / file.name)
        subprocess.run(["mount", "-o", "remount,size=20m", str(place)], check=True)
        check(place / "runs.db", told, whole(FEW))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    check(tmp_path / "runs.db", told, whole(FEW))
