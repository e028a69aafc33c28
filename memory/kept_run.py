"""A run that a store keeps: which problems are open, who works on them, and what is finished."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, overload

import apsw

from cogitate.errors import DataError
from cogitate.graphs import Episode
from cogitate.graphs.recording import Layer, Plan, Tally
from cogitate.inference import Usage
from cogitate.memory.claims import Claims
from cogitate.memory.database import Database
from cogitate.memory.journal import Journal
from cogitate.memory.shards import Shards
from cogitate.memory.write_episode import content_of, write_episode

__all__ = ["KeptRun", "Slot"]


class Slot(NamedTuple):
    """Where one problem of a run is in the file."""

    episode: int
    problem: int
    finished: bool


class KeptRun:
    """Implements `cogitate.graphs.recording.Recording` over a store's file.

    Args:
        db: The file.
        claims: Who works on what.
        plan: What the run shall do.
        slots: Of the plan's problems, in their order.
        weights: What to tell adapters by.
        read: Reads a finished episode by its row.
        shards: What has gone out of the file.
        on_kept: Awaited after each episode that was written.
    """

    def __init__(
        self,
        db: Database,
        claims: Claims,
        plan: Plan,
        slots: Sequence[Slot],
        weights: Mapping[str, str],
        read: Callable[[int], Episode],
        *,
        shards: Shards,
        on_kept: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._db = db
        self._claims = claims
        self._plan = plan
        self._slots = slots
        self._weights = weights
        self._read = read
        self._shards = shards
        self._on_kept = on_kept
        self._open = {i: None for i, slot in enumerate(slots) if slot.finished is plan.replay}

    def tally(self) -> Tally:
        """Count what is finished, by whoever worked on it; a damaged result counts as none."""
        finished = correct = 0
        usage = Usage(calls=0)
        for (cell,) in self._of_plan("result"):
            finished += 1
            try:
                told = json.loads(str(cell))
                correct += bool(told.get("grade")) and told["grade"][0] >= 1
                usage += Usage(*told["usage"]) if "usage" in told else Usage(calls=0)
            except (ValueError, TypeError, LookupError, AttributeError):
                continue  # reading the episode refuses it and counts it
        return Tally(finished, correct, usage)

    @property
    def episodes(self) -> Sequence[Episode]:
        """What is finished, in the order of the problems, read when it is looked at."""
        return _Lazy([row for (row,) in self._of_plan("id") if isinstance(row, int)], self._read)

    def _of_plan(self, column: str) -> Iterator[tuple[object]]:
        """A column of each finished episode of the plan, in the order of its problems."""
        for start in range(0, len(self._slots), _MANY):
            wanted = [slot.episode for slot in self._slots[start : start + _MANY]]
            marks = ",".join("?" * len(wanted))
            query = (
                f"SELECT id, {column} FROM episodes WHERE digest IS NOT NULL AND id IN ({marks})"
            )
            found = dict(self._db.rows(lambda *row: row, query, wanted))
            yield from ((found[row],) for row in wanted if row in found)

    def claim(self) -> "_Place | None":
        """Take a problem that is open; None where there is none that nobody works on."""
        done: list[int] = []
        taken: int | None = None
        for index in self._open:
            episode = self._slots[index].episode
            if not self._claims.take(episode):
                continue
            if self._plan.replay or not self._is_finished(episode):
                taken = index
                break
            self._claims.free(episode)
            done.append(index)
        for index in [*done, *([] if taken is None else [taken])]:
            del self._open[index]
        if taken is None:
            return None
        try:
            return self._place(taken)
        except BaseException:
            self._claims.free(self._slots[taken].episode)
            raise

    def _place(self, index: int) -> "_Place":
        slot = self._slots[index]
        journal = Journal(
            self._db,
            slot.problem,
            self._weights,
            replay=self._plan.replay,
            spilled=self._shards.of_problem,
        )
        return _Place(index, self, slot, journal)

    def _is_finished(self, episode: int) -> bool:
        query = "SELECT 1 FROM episodes WHERE id = ? AND digest IS NOT NULL"
        return bool(self._db.rows(lambda row: row, query, (episode,)))

    def waiting(self) -> bool:
        """Whether other workers have problems of this run that may come to be free."""
        return bool(self._open)

    async def keep(self, slot: Slot, episode: Episode, journal: Journal) -> None:
        """Write a finished episode; in a replay, see that it is the one that was written."""
        if self._plan.replay:
            _same(self._read(slot.episode), episode)
            return
        await self._db.write(partial(_write_once, slot, episode, journal))
        if self._on_kept is not None:
            await self._on_kept()

    def free(self, index: int, *, finished: bool) -> None:
        """Let others think about a problem that was not finished."""
        if not finished:
            self._open[index] = None
        self._claims.free(self._slots[index].episode)


@dataclass
class _Place:
    """One claimed problem of a run."""

    index: int
    run: KeptRun
    slot: Slot
    journal: Journal
    kept: bool = False

    @property
    def around(self) -> Layer | None:
        """Its journal."""
        return self.journal.around

    async def keep(self, episode: Episode) -> None:
        """Keep what was thought."""
        await self.run.keep(self.slot, episode, self.journal)
        self.kept = True

    def free(self) -> None:
        """Give it back."""
        self.run.free(self.index, finished=self.kept)


class _Lazy(Sequence[Episode]):
    def __init__(self, rows: Sequence[int], read: Callable[[int], Episode]) -> None:
        self._rows = rows
        self._read = read

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Episode]: ...
    def __getitem__(self, index: int | slice) -> Episode | Sequence[Episode]:
        if isinstance(index, slice):
            return _Lazy(self._rows[index], self._read)
        return self._read(self._rows[index])


_MANY = 500
"""Rows that one query asks for by their ids."""


def _write_once(slot: Slot, episode: Episode, journal: Journal, db: apsw.Connection) -> None:
    finished = "SELECT 1 FROM episodes WHERE id = ? AND digest IS NOT NULL"
    if next(db.execute(finished, (slot.episode,)), None) is None:
        write_episode(db, slot.episode, slot.problem, episode, journal.asked)


def _same(before: Episode, now: Episode) -> None:
    if content_of(before) != content_of(now):
        raise DataError(
            f"the replay of problem {now.problem.id!r} came to something else than the run: its "
            "strategy depends on the clock or on chance of its own, or its code has changed"
        )
