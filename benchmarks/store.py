"""What keeping costs: the run store against the same runs without it.

    python benchmarks/store.py [--json] [--rounds 3] [--seconds 10] [--thoughts 20000] [--copies 0]

1. **Journal.** 20 problems at once on an engine that answers in 0.1 s, so 200 completions a second,
   kept with full durability. Wanted: at most 5% more wall time than the same run without a store.
2. **Thoughts.** An engine that answers at once; finished thoughts a second, everything kept with
   full durability. Wanted: at least 2,000.
3. **Size.** Bytes of the file for each thought, of replies of 60 words without token data. Wanted:
   at most 1.5 KiB.
4. **Reading and harvesting.** Opening that file, thoughts read a second, each checked against its
   digest, and thoughts harvested a second: every solution graded anew, values backed up, SFT rows
   made; half of the answers are right. Then the same once all of it has gone to shards. With
   `--copies 49` its run is first copied, completions included, to a million thoughts in 50 runs.
   Wanted then: 2 s to open, 10,000 thoughts harvested a second in one pass, and 1 GiB of memory at
   most, of the whole process.

The sides take turns within a round; figures are medians over the rounds.
"""

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import apsw

import cogitate as cg
from cogitate.inference import Request, Scripted
from cogitate.memory import KeptEpisode, RunStore
from cogitate.memory.codec import digest_of
from cogitate.memory.write_episode import episode_digest

RATE, LATENCY = 200, 0.1
TEXT = (
    "the first number is added to second then we carry one and write what remains so that sum of "
    "all parts equals total minus rest which gives our result after checking each step again"
)
WORDS = TEXT.split()


def reply(request: Request) -> str:
    """Sixty words that depend on the place of the ask."""
    chance = random.Random(f"{request.position} {request.sample}")
    said = " ".join(chance.choices(WORDS, k=60))
    right = int(request.problem.removeprefix("p")) + 1
    answer = right if chance.random() < 0.5 else chance.randrange(100)
    return f"{said}\nAnswer: {answer}\nAccept: no\nScore: 0.5"


def problems(count: int) -> list[cg.tasks.Problem]:
    return [
        cg.tasks.Problem(id=f"p{i}", prompt=f"What is {i} + 1?", reference=f"{i + 1}")
        for i in range(count)
    ]


def journal(folder: Path, seconds: float, number: int) -> tuple[float, float]:
    """Return the wall seconds without and with a store."""
    several = problems(round(RATE * seconds / 4))
    spent = []
    for kept in (False, True) if number % 2 else (True, False):
        team = cg.Team.of(Scripted(reply, latency=LATENCY))
        started = time.perf_counter()
        concurrency = round(RATE * LATENCY)
        if kept:
            with RunStore(folder / f"journal-{number}.db") as store:
                started = time.perf_counter()
                report = cg.run(
                    several, team, cg.SelfRefine(rounds=1), store=store, concurrency=concurrency
                )
        else:
            report = cg.run(several, team, cg.SelfRefine(rounds=1), concurrency=concurrency)
        spent.append((kept, time.perf_counter() - started))
        assert len(report.episodes) == len(several)
    by_kind = dict(spent)
    return by_kind[False], by_kind[True]


def thoughts(path: Path, count: int) -> tuple[float, int]:
    """Fill a store, and return the seconds and the thoughts that it took."""
    each = 33
    several = problems(max(1, count // each))
    team = cg.Team.of(Scripted(reply))
    started = time.perf_counter()
    with RunStore(path) as store:
        cg.run(several, team, cg.BestOfN(n=16), store=store, concurrency=16)
        seconds = time.perf_counter() - started
        [(kept,)] = store.db.rows(lambda *row: row, "SELECT sum(thoughts) FROM episodes")
    return seconds, int(kept)


def grow(path: Path, copies: int) -> None:
    """Copy the run of a store, as rows and with its completions, into so many further runs."""
    with RunStore(path) as store:
        originals = list(store.episodes())
        for number in range(1, copies + 1):
            store.db.write_now(partial(_copy, number, originals))


def _copy(number: int, originals: Sequence[KeptEpisode], db: apsw.Connection) -> None:
    [told] = db.execute("SELECT strategy, config, verified, created FROM runs WHERE id = 1")
    row = (f"{number:024x}", *told)
    run = number + 1
    db.execute("INSERT INTO runs VALUES(?,?,?,?,?,?,?)", (run, *row, digest_of(*row)))
    episodes = len(originals)
    [(lines,)] = db.execute("SELECT max(completion) FROM thoughts WHERE episode <= ?", (episodes,))
    assert isinstance(lines, int)
    shift = {"at": episodes * number, "episodes": episodes, "lines": lines, "by": lines * number}
    db.execute(
        "INSERT INTO completions SELECT id + :by, problem, randomblob(8), sample, source, text,"
        " reasoning, finish, stop, usage, context, tokens, logprobs, latency, digest"
        " FROM completions WHERE id <= :lines",
        shift,
    )
    db.execute(
        "INSERT INTO thoughts SELECT episode + :at, number, id, kind, text, source,"
        " completion + :by, prompt, answer, accepts, rest FROM thoughts WHERE episode <= :episodes",
        shift,
    )
    db.execute(
        "INSERT INTO edges SELECT episode + :at, child, place, parent, relation FROM edges"
        " WHERE episode <= :episodes",
        shift,
    )
    db.execute(
        "INSERT INTO scores SELECT episode + :at, thought, place, source, value FROM scores"
        " WHERE episode <= :episodes",
        shift,
    )
    for episode in originals:
        [(problem, at)] = db.execute(
            "SELECT problem, number FROM episodes WHERE id = ?", (episode.id,)
        )
        assert isinstance(problem, int) and isinstance(at, int)
        digest = episode_digest((run, problem, at), episode)
        db.execute(
            "INSERT INTO episodes SELECT id + ?, ?, problem, number, finished, result, thoughts,"
            " shard, ? FROM episodes WHERE id = ?",
            (shift["at"], run, digest, episode.id),
        )


class Pass(NamedTuple):
    """What one pass over a store took."""

    opened: float
    """Seconds."""
    read: int
    """Thoughts."""
    wall: float
    cpu: float
    """Of this process: what it takes where no other one has the processors."""


def reading(path: Path) -> Pass:
    """Open a store, and read all of it."""
    started = time.perf_counter()
    with RunStore(path) as store:
        assert store.runs()
        opened = time.perf_counter() - started
        wall, cpu = time.perf_counter(), time.process_time()
        read = sum(len(episode.graph) for episode in store.episodes())
        assert not store.quarantined
        return Pass(opened, read, time.perf_counter() - wall, time.process_time() - cpu)


def harvesting(path: Path) -> tuple[Pass, int]:
    """Make SFT rows of all of a store by value back-up, and count them."""
    started = time.perf_counter()
    with RunStore(path) as store:
        opened = time.perf_counter() - started
        wall, cpu = time.perf_counter(), time.process_time()
        harvest = cg.training.harvest(store, credit=cg.training.ValueBackup(threshold=0.5))
        rows = sum(1 for _ in harvest.sft())
        took = time.perf_counter() - wall, time.process_time() - cpu
        assert not store.quarantined
        [read] = store.db.rows(int, "SELECT sum(thoughts) FROM episodes")
        return Pass(opened, read, *took), rows


def spilling(path: Path) -> dict[str, float]:
    """Move all of a store into shards."""
    with RunStore(path) as store:
        wall, cpu = time.perf_counter(), time.process_time()
        report = store.spill()
        took = time.perf_counter() - wall, time.process_time() - cpu
        size = sum(file.stat().st_size for file in store.shards_folder.iterdir())
    return {
        "shards": report.shards,
        "bytes_a_thought": size / report.thoughts,
        "thoughts_a_second": report.thoughts / took[0],
        "thoughts_a_cpu_second": report.thoughts / took[1],
    }


def told(path: Path) -> dict[str, float]:
    """What reading and harvesting a store takes."""
    read = reading(path)
    harvested, rows = harvesting(path)
    return {
        "open_seconds": read.opened,
        "thoughts": read.read,
        "read_a_second": read.read / read.wall,
        "read_a_cpu_second": read.read / read.cpu,
        "harvested_a_second": harvested.read / harvested.wall,
        "harvested_a_cpu_second": harvested.read / harvested.cpu,
        "rows": rows,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="of journal and thoughts; at least 1")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--thoughts", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--folder", help="where stores are made; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        costs = [journal(folder, options.seconds, number) for number in range(options.rounds)]
        filled = [
            thoughts(folder / f"thoughts-{number}.db", options.thoughts)
            for number in range(options.rounds)
        ]
        path = folder / "thoughts-0.db"
        size = path.stat().st_size / filled[0][1]
        grow(path, options.copies)
        rows = told(path)
        spilled = spilling(path)
        shards = told(path)
    found = {
        "journal_overhead": middle([kept / alone - 1 for alone, kept in costs]),
        "journal_seconds": [[round(part, 3) for part in pair] for pair in costs],
        "thoughts_a_second": middle([count / spent for spent, count in filled]),
        "bytes_a_thought": size,
        "rows": rows,
        "spill": spilled,
        "shards": shards,
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"journal: {found['journal_overhead']:+.1%} of wall time at {RATE} completions a second")
    print(f"kept: {found['thoughts_a_second']:.0f} finished thoughts a second")
    print(
        f"size: {size:.0f} bytes a thought in the file, {spilled['bytes_a_thought']:.0f} in shards"
    )
    for name, of in (("file", rows), ("shards", shards)):
        print(
            f"{name}: opened in {of['open_seconds']:.3f} s; of {of['thoughts']:.0f} thoughts "
            f"{of['read_a_second']:.0f} a second read ({of['read_a_cpu_second']:.0f} a second of "
            f"processor time), {of['harvested_a_second']:.0f} harvested "
            f"({of['harvested_a_cpu_second']:.0f}); {of['peak_memory_mib']:.0f} MiB at most"
        )


if __name__ == "__main__":
    main()
