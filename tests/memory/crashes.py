"""Kill the processes of a run at random instants, and see what their store is worth afterwards.

    python tests/memory/crashes.py --kills 500 [--seed 0] [--workers 3] [--spill-after 0] [--early]

Several processes work on the same problems with several strategies, in one store. At random
instants one of them gets SIGKILL and a new one takes its place. What a store acknowledges, a
completion or an episode, its process writes to a log of its own right afterwards. When all is done,
the file must hold all that was acknowledged, nothing twice, and what a run without any kill holds.
With `--spill-after` they move what is finished into shards meanwhile. `--early` breaks the store on
purpose: it acknowledges before it commits, and must be found out.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cogitate as cg
from cogitate.graphs import strategy_named
from cogitate.graphs.recording import Plan
from cogitate.inference import Completion, Engine, EngineInfo, Engines, Rating, Request, Score
from cogitate.memory import RunStore
from cogitate.memory.database import Database, _Job, _settle
from cogitate.memory.kept_run import KeptRun, _Place
from cogitate.memory.register import register
from cogitate.memory.write_episode import content_of

sys.path += [
    str(Path(__file__).parents[1] / part) for part in ("inference/shared", "graphs/strategies")
]

from searches import team  # where it is had to be said first
from thinker import Thinker

STRATEGIES = (
    "self-refine?rounds=2",
    "best-of-n?n=3",
    "self-consistency?n=5",
    "tree-of-thoughts?depth=2&breadth=2",
    "mcts?simulations=5",
    "beam-search?beams=2&expand=2&depth=3",
)
PROBLEMS: list[cg.tasks.Problem] = []
"""As many as the command line says."""
LATENCY = 0.01
SPILL_AFTER = [0]
"""What the command line says."""


class Log:
    """What a process was told is kept."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, *what: object) -> None:
        os.write(self._file, (json.dumps([time.monotonic(), os.getpid(), *what]) + "\n").encode())


@dataclass
class Told:
    """An engine that writes to the log what came through the journal."""

    engine: Engine
    place: "LoggedPlace"

    @property
    def info(self) -> EngineInfo:
        return self.engine.info

    def count(self, request: Request) -> int | None:
        return self.engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        given = await self.engine.complete(request)
        for number, one in zip(request.sample_numbers, given, strict=True):
            line = self.place.inner.journal.asked[request.position, number]
            self.place.log.add("line", line.key.hex(), number, one.latency, one.text)
        return given

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        return await self.engine.score(request, texts)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        return await self.engine.rate(request, steps)

    async def close(self) -> None:
        """Leave it open."""


class LoggedPlace:
    def __init__(self, inner: _Place, log: Log, run: str) -> None:
        self.inner, self.log, self.run = inner, log, run
        self.index = inner.index
        log.add("begin", run, self.index)

    def around(self, engine: Engine) -> Engine:
        return Told(self.inner.journal.around(engine), self)

    async def keep(self, episode: cg.graphs.Episode) -> None:
        await self.inner.keep(episode)
        self.log.add("episode", self.run, self.index)

    def free(self) -> None:
        self.inner.free()


class LoggedRun:
    def __init__(self, inner: KeptRun, log: Log, run: str) -> None:
        self.inner, self.log, self.run = inner, log, run
        self.tally, self.waiting = inner.tally, inner.waiting

    @property
    def episodes(self) -> Sequence[cg.graphs.Episode]:
        return self.inner.episodes

    def claim(self) -> LoggedPlace | None:
        place = self.inner.claim()
        return None if place is None else LoggedPlace(place, self.log, self.run)


@dataclass
class LoggedStore:
    store: RunStore
    log: Log

    def begin(self, plan: Plan, engines: Engines) -> LoggedRun:
        run = self.store.key(plan, engines)
        return LoggedRun(self.store.begin(plan, engines), self.log, run)


def work(path: Path, log: Path, seed: int, concurrency: int = 3) -> None:
    """Think about every problem with every strategy, in an order of this process's own."""
    chance = random.Random(seed)
    order = list(STRATEGIES)
    chance.shuffle(order)

    async def wait(_request: Request) -> None:
        await asyncio.sleep(chance.uniform(0, 2 * LATENCY))

    with RunStore(path, spill_after=SPILL_AFTER[0]) as store:
        kept = LoggedStore(store, Log(log))
        mind = Thinker(before=wait, judges="process")
        for named in order:
            cg.run(PROBLEMS, team(mind), strategy_named(named), store=kept, concurrency=concurrency)


def fork(path: Path, log: Path, seed: int) -> int:
    """Start a process that works; it takes no time, since everything is imported."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(path, log, seed)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
    raise AssertionError


def lines_of(store: RunStore) -> list[tuple[int, str, int, float, str]]:
    """Every completion of the journal, in the file or in shards: its place, clock and text."""
    query = "SELECT problem, hex(key), sample, latency, text FROM completions"
    found = store.db.rows(lambda *row: row, query)
    for problem in store.db.rows(int, "SELECT id FROM problems"):
        spilled = store._shards.of_problem(problem)
        assert not spilled.unreadable and not spilled.damaged
        found += [
            (problem, line.key.hex().upper(), line.sample, line.completion.latency,
             line.completion.text)
            for line in spilled.lines
        ]  # fmt: skip
    return sorted(set(found))  # what two runs use stands in the rows of both


def contents(path: Path) -> dict[str, Mapping[str, object]]:
    """Everything that a store's episodes and lines say, but for clocks."""
    with RunStore(path) as store:
        episodes = {
            f"{episode.run} {episode.problem.id}": repr(content_of(episode))
            for episode in store.episodes()
        }
        lines = lines_of(store)
        assert not store.quarantined, store.quarantined
        assert not store.check_shards()
        count = len(store.db.rows(lambda one: one, "SELECT 1 FROM episodes"))
    assert count == len(episodes) == len(STRATEGIES) * len(PROBLEMS), (count, len(episodes))
    twice = [where for where, n in Counter(row[1:3] for row in lines).items() if n > 1]
    assert not twice, twice
    return {"episodes": episodes, "lines": {f"{key} {n}": text for _, key, n, _, text in lines}}


@dataclass
class Round:
    """One store, worked on until all is done, with kills on the way."""

    kills: int = 0
    between: int = 0
    """Kills between the first and the last completion."""
    midway: int = 0
    """Kills of a process that had begun a problem and not finished it."""
    shards: int = 0


def play(folder: Path, chance: random.Random, kills: int, workers: int) -> Round:
    """Work in a new store, with so many kills at most."""
    path, log = folder / "runs.db", folder / "log"
    running = [fork(path, log, chance.randrange(10**9)) for _ in range(workers)]
    killed: list[tuple[float, int]] = []
    deadline = time.monotonic() + 600
    while running:
        assert time.monotonic() < deadline, "the workers do not come to an end"
        time.sleep(chance.uniform(0.1, 0.7) if len(killed) < kills else 0.02)
        if len(killed) < kills:
            victim = chance.choice(running)
            os.kill(victim, signal.SIGKILL)
            killed.append((time.monotonic(), victim))
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and killed and pid == killed[-1][1]:
                done, status = os.waitpid(pid, 0)
            if done:
                running.remove(pid)
                if os.WIFSIGNALED(status):
                    running.append(fork(path, log, chance.randrange(10**9)))
                else:
                    assert os.WEXITSTATUS(status) == 0, "a worker failed"
    return judge(path, log, killed)


def judge(path: Path, log: Path, killed: list[tuple[float, int]]) -> Round:
    """See that all that was acknowledged is there, and count when the kills came."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    with RunStore(path) as store:
        kept = {(key.lower(), n): (latency, text) for _, key, n, latency, text in lines_of(store)}
        shards = store.db.rows(int, "SELECT count(*) FROM shards")[0]
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    for _, _, kind, *what in entries:
        if kind == "line":
            key, sample, latency, text = what
            assert kept.get((key, sample)) == (latency, text), f"lost or changed: {what}"
    finished = [(run, index) for _, _, kind, run, index, *_ in entries if kind == "episode"]
    assert len(finished) == len(set(finished)), "an episode was finished twice"
    times = [when for when, _, kind, *_ in entries if kind == "line"]
    begun: Counter[int] = Counter()
    open_at_death: dict[int, int] = {}
    for _, pid, kind, *_ in entries:
        begun[pid] += {"begin": 1, "episode": -1}.get(kind, 0)
        open_at_death[pid] = begun[pid]
    return Round(
        len(killed),
        sum(times[0] < when < times[-1] for when, _ in killed),
        sum(open_at_death.get(pid, 0) > 0 for _, pid in killed),
        shards,
    )


def acknowledge_early() -> None:
    """Break the store: who waits for a completion or an episode is told before the commit."""
    commit = Database._commit

    def early(self: Database, batch: Sequence[_Job]) -> None:
        if any(isinstance(job.write, partial) and job.write.func is register for job in batch):
            commit(self, batch)  # what a run reads at once must be there
            return
        self._writer.execute("BEGIN IMMEDIATE")
        for job in batch:
            _settle(job.done, job.write(self._writer))
        time.sleep(0.003)
        self._writer.execute("COMMIT")

    Database._commit = early  # type: ignore[method-assign]  # what is to be found out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--each", type=int, default=50, help="kills of one store at most")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spill-after", type=int, default=0)
    parser.add_argument("--early", action="store_true")
    options = parser.parse_args()
    for i in range(options.problems):
        prompt, reference = f"What is {i} * 7?", str(7 * i)
        one = cg.tasks.Problem(id=f"p{i}", prompt=prompt, reference=reference, kind="numeric")
        PROBLEMS.append(one)
    SPILL_AFTER[0] = options.spill_after
    if options.spill_after:
        import pyarrow.parquet  # noqa: F401  # before processes are forked, which take it along
    if options.early:
        acknowledge_early()
    chance = random.Random(options.seed)
    total, stores, started = Round(), 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        work(whole / "runs.db", whole / "log", 0, 32)
        expected = contents(whole / "runs.db")
        while total.kills < options.kills:
            stores += 1
            place = Path(folder) / f"{stores}"
            place.mkdir()
            wanted = min(options.each, options.kills - total.kills)
            done = play(place, chance, wanted, options.workers)
            assert contents(place / "runs.db") == expected, "it is not what a whole run is"
            total.kills += done.kills
            total.between += done.between
            total.midway += done.midway
            total.shards += done.shards
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({**vars(total), "stores": stores, "seconds": seconds}))


if __name__ == "__main__":
    main()
