"""What keeping costs: the run store against the same runs without it.

    python benchmarks/store.py [--json] [--rounds 3] [--seconds 10] [--thoughts 20000] [--copies 0]

1. **Journal.** 20 problems at once on an engine that answers in 0.1 s, so 200 completions a second,
   kept with full durability. Wanted: at most 5% more wall time than the same run without a store.
2. **Thoughts.** An engine that answers at once; finished thoughts a second, everything kept with
   full durability. Wanted: at least 2,000.
3. **Size.** Bytes of the file for each thought, of replies of 60 words without token data. Wanted:
   at most 1.5 KiB.
4. **Reading.** Opening that file, and thoughts read a second, each checked against its digest. With
   `--copies 49` its run is first copied, completions included, to a million thoughts in 50 runs.
   Wanted then: 2 s to open, and 1 GiB of memory at most.

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
    return f"{said}\nAnswer: {chance.randrange(100)}\nAccept: no\nScore: 0.5"


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


def reading(path: Path) -> tuple[float, float, int]:
    """Return the seconds to open a store, those to read all of it, and its thoughts."""
    started = time.perf_counter()
    with RunStore(path) as store:
        assert store.runs()
        opened = time.perf_counter() - started
        started = time.perf_counter()
        read = sum(len(episode.graph) for episode in store.episodes())
        assert not store.quarantined
    return opened, time.perf_counter() - started, read


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
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
        opened, seconds, read = reading(path)
    told = {
        "journal_overhead": middle([kept / alone - 1 for alone, kept in costs]),
        "journal_seconds": [[round(part, 3) for part in pair] for pair in costs],
        "thoughts_a_second": middle([count / spent for spent, count in filled]),
        "bytes_a_thought": size,
        "open_seconds": opened,
        "read_thoughts_a_second": read / seconds,
        "thoughts": read,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if options.json:
        print(json.dumps(told, indent=2))
        return
    print(f"journal: {told['journal_overhead']:+.1%} of wall time at {RATE} completions a second")
    print(f"kept: {told['thoughts_a_second']:.0f} finished thoughts a second")
    print(f"size: {told['bytes_a_thought']:.0f} bytes a thought")
    print(
        f"read: opened in {told['open_seconds']:.3f} s, {told['read_thoughts_a_second']:.0f} of "
        f"{read} thoughts a second, {told['peak_memory_mib']:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
