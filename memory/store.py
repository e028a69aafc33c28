"""The run store: everything that runs thought, in one file that survives a kill at any instant.

    with RunStore("runs.db") as store:
        cogitate.run(problems, team, strategy, store=store)      # the same call goes on by itself
        for episode in store.episodes():
            ...

A run is known by its team, weights, strategy, budget, seed and worked examples: the same again is
the same run, with more problems too. Another run in the same file takes from the journal whatever
it asks for that was asked before. Several processes of one machine may work in one store, each on
problems of its own; what a process that died had claimed is free at once, and what was in its
journal is not asked again. Left out: network file systems, whose locks cannot be trusted.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cogitate.errors import ConfigError, DataError, StoreError
from cogitate.graphs import Episode, ThoughtGraph
from cogitate.graphs.recording import Plan
from cogitate.inference import Engines
from cogitate.memory.claims import Claims
from cogitate.memory.credit_rows import (
    CreditRow,
    Given,
    append_credits,
    read_credits,
    row_of,
)
from cogitate.memory.database import Database, Durability
from cogitate.memory.kept_episode import EpisodeReader, KeptEpisode
from cogitate.memory.kept_run import KeptRun, Slot
from cogitate.memory.listing import EpisodeInfo, RunInfo, list_episodes, list_runs
from cogitate.memory.register import problem_key, read_problem, register
from cogitate.memory.run_record import record_of
from cogitate.memory.schema import MIGRATIONS
from cogitate.memory.shard_list import check_shards
from cogitate.memory.shards import Shards
from cogitate.memory.spill import Sound, SpillReport, Step, spill
from cogitate.tasks import Problem

__all__ = ["KeptEpisode", "RunStore"]

_PAGE = 256
"""Episodes whose rows are fetched together."""
_SPILLING = 0
"""What whoever spills claims: no episode has that row."""


class RunStore:
    """Keeps runs in a file.

    Args:
        path: The file; made where it is missing. Two files beside it, `-wal` and `-claims`, belong
            to it.
        durability: `full`: what was acknowledged survives a power cut. `normal`: it survives the
            death of the process; a power cut may undo the last writes, and leaves the file whole.
        spill_after: A run moves what is finished into shards (see `spill`) each time that it has
            finished so many problems more. 0: all stays in the file.
        vfs: The name of an SQLite VFS; the system's own by default.

    Raises:
        ConfigError: The file is something else, or was made by a newer version, or an option is
            wrong.
        StoreError: It cannot be opened or made.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "full",
        spill_after: int = 0,
        vfs: str | None = None,
    ) -> None:
        if spill_after < 0:
            raise ConfigError(f"spill_after={spill_after}: give a number of episodes, or 0")
        self.path = Path(path)
        self._after = spill_after
        self.db = Database(self.path, MIGRATIONS, durability=durability, vfs=vfs)
        """The file itself, for what else is kept in it."""
        whole = self.path.resolve()
        try:
            self._claims = Claims(whole.with_name(f"{whole.name}-claims"))
        except StoreError:
            self.db.close()
            raise
        self.shards_folder = whole.with_name(f"{whole.name}-shards")
        """Where finished episodes go that are spilled."""
        self._shards = Shards(self.db, self.shards_folder)
        self._reader = EpisodeReader(self.db, self._shards)
        self._kept = itertools.count(1)
        self.quarantined: dict[int, str] = {}
        """Episodes that were found damaged since it was opened, by row, and why."""

    def begin(self, plan: Plan, engines: Engines) -> KeptRun:
        """Begin a run, or go on with it where it was begun before.

        Raises:
            ConfigError: A problem stands twice in the plan, or there is no such model.
            StoreError: It cannot be written.
        """
        names = Counter(problem.id for problem in plan.problems)
        if len(names) < len(plan.problems):
            [(twice, _)] = names.most_common(1)
            raise ConfigError(f"two problems have the id {twice!r}: give each its own")
        record = record_of(plan, engines)
        cells = [(p.id, p.model_dump_json()) for p in plan.problems]
        run = self.db.write_now(partial(register, record, cells, plan.replay))
        rows = {
            bytes(key): Slot(episode, problem, bool(finished))
            for key, episode, problem, finished in self.db.rows(
                lambda *row: row,
                "SELECT p.key, e.id, p.id, e.digest IS NOT NULL FROM episodes e"
                " JOIN problems p ON p.id = e.problem WHERE e.run = ?",
                (run,),
            )
        }
        slots = [rows[key] for _, cell in cells if (key := problem_key(cell)) in rows]
        if plan.replay and not (len(slots) == len(cells) and all(s.finished for s in slots)):
            raise ConfigError(
                f"{self.path}: only a finished run can be replayed: run it first, to its end, with "
                "the same team, strategy, budget and seed"
            )
        if plan.replay and self._stopped_by_time(run):
            raise ConfigError(
                f"{self.path}: the time was up for some problems of this run, and no replay comes "
                "to the same: only runs that no budget in seconds has stopped can be replayed"
            )
        weights = {
            agent.adapter: agent.adapter_revision or agent.adapter
            for agent in record.agents
            if agent.adapter is not None
        }
        return KeptRun(
            self.db,
            self._claims,
            plan,
            slots,
            weights,
            self.episode,
            shards=self._shards,
            on_kept=self._spill_in_turn if self._after else None,
        )

    def _stopped_by_time(self, run: int) -> bool:
        query = "SELECT 1 FROM episodes WHERE run = ? AND json_extract(result, '$.stopped') = ?"
        return bool(self.db.rows(lambda one: one, f"{query} LIMIT 1", (run, "seconds")))

    def key(self, plan: Plan, engines: Engines) -> str:
        """Return the key of the run that a plan would begin or go on with."""
        return record_of(plan, engines).key

    def runs(self) -> list[RunInfo]:
        """All runs, in the order in which they began."""
        return list_runs(self.db)

    def listing(self, run: str) -> Sequence[EpisodeInfo]:
        """The finished episodes of a run by its key, without their graphs, and not checked."""
        return list_episodes(self.db, run)

    def problems(self, run: str) -> list[Problem]:
        """The problems of a run, in their order.

        Raises:
            DataError: One is damaged.
        """
        query = (
            "SELECT p.record, p.key FROM episodes e JOIN problems p ON p.id = e.problem"
            " WHERE e.run = (SELECT id FROM runs WHERE key = ?) ORDER BY e.number"
        )
        return self.db.rows(read_problem, query, (run,))

    def episodes(self, *, run: str | None = None) -> Iterator[KeptEpisode]:
        """Read finished episodes one by one: run by run, in the order of their problems.

        Damaged ones are left out, and told in `quarantined`.

        Args:
            run: The key of the only run to read.
        """
        query = (
            "SELECT e.id, e.run, e.number FROM episodes e JOIN runs r ON r.id = e.run"
            " WHERE (e.run, e.number) > (?, ?) AND e.digest IS NOT NULL AND (?3 IS NULL"
            f" OR r.key = ?3) ORDER BY e.run, e.number LIMIT {_PAGE}"
        )
        last: tuple[int, int] = -1, -1
        while page := self.db.rows(lambda *row: row, query, (*last, run)):
            for row, *last_seen in page:
                last = last_seen[0], last_seen[1]
                try:
                    yield self.episode(row)
                except DataError as error:
                    self.quarantined[row] = str(error)

    def episode(self, row: int) -> KeptEpisode:
        """Read a finished episode.

        Raises:
            DataError: It is damaged, or there is none.
            StoreError: The file cannot be read.
        """
        return self._reader.read(row).episode

    def spill(self, *, thoughts: int = 50_000, step: Step = lambda _: None) -> SpillReport:
        """Move what is finished into Parquet shards in a folder beside the file.

        Everything that reads this store reads them too. A problem stays while a run of the store
        has it still to finish, and so does an episode that is damaged. Nothing is moved while
        another process is at it.

        Args:
            thoughts: After so many a shard ends, with their episode.
            step: Told of each step of each shard.

        Raises:
            StoreError: They cannot be written; nothing is lost.
        """
        if not self._claims.take(_SPILLING):
            return SpillReport(0, 0, 0, 0)
        try:
            return spill(self.db, self.shards_folder, self._sound, thoughts=thoughts, step=step)
        finally:
            self._claims.free(_SPILLING)

    def _sound(self, row: int) -> Sound:
        episode, rows = self._reader.read(row)
        return Sound(rows, None if episode.result is None else episode.result.answer)

    async def _spill_in_turn(self) -> None:
        if next(self._kept) % self._after == 0:
            await asyncio.to_thread(self.spill)

    def check_shards(self) -> dict[str, str]:
        """Read the bytes of every shard, and return what is wrong with which file of the folder.

        Raises:
            DataError: What the store's file says of its shards is damaged.
        """
        return check_shards(self.db, self.shards_folder)

    def append_credits(self, episode: Episode | ThoughtGraph, credits: Sequence[Given]) -> int:
        """Add credits to thoughts of an episode, each once, and return how many were new.

        Raises:
            ConfigError: The episode was not read from a store.
            DataError: A thought is not of that episode.
            StoreError: They cannot be written.
        """
        if not isinstance(episode, KeptEpisode):
            raise ConfigError(
                "credits are kept for episodes of a store: give harvest() the store itself"
            )
        return self.append_rows(episode.id, map(row_of, credits))

    def append_rows(self, episode: int, rows: Iterable[CreditRow]) -> int:
        """As `append_credits`, for rows and an episode by its row."""
        several, thoughts = tuple(rows), self._reader.thoughts(episode)
        return self.db.write_now(lambda db: append_credits(db, episode, thoughts, several))

    def credits(self, episode: int) -> Sequence[CreditRow]:
        """All sound credits of an episode, oldest first; damaged ones are told in `quarantined`."""
        sound, damaged = read_credits(self.db, episode)
        if damaged:
            self.quarantined[episode] = f"{damaged} of its credits are damaged"
        return sound

    def close(self) -> None:
        """Wait for what is being written, give claims back, and close the file."""
        self._claims.close()
        self.db.close()
        self._shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
