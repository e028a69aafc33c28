"""Finished episodes in shards: everything that reads a store reads them as before."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from searches import team
from thinker import Thinker

import cogitate as cg
from cogitate.errors import ConfigError, DataError, StoreError
from cogitate.inference import Scripted
from cogitate.memory import CreditRow, RunStore, SpillReport
from cogitate.memory.write_episode import content_of

PROBLEMS = [cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=f"{i}") for i in range(8)]
STRATEGIES: list[cg.Strategy] = [cg.SelfRefine(rounds=2), cg.BestOfN(n=3), cg.Direct()]
TABLES = ("thoughts", "edges", "scores", "completions", "replies", "prompts", "contexts")


def fill(store: RunStore, problems: list[cg.tasks.Problem] = PROBLEMS) -> None:
    for how in STRATEGIES:
        cg.run(problems, team(Thinker()), how, store=store)


def told(store: RunStore) -> list[tuple[int, str, object]]:
    """What a store says of its episodes, in its order."""
    return [(one.id, one.run, content_of(one)) for one in store.episodes()]


def rows(store: RunStore) -> int:
    """How many rows there are of what may go to shards."""
    return sum(store.db.rows(int, f"SELECT count(*) FROM {table}")[0] for table in TABLES)


def write(store: RunStore, query: str) -> None:
    store.db.write_now(lambda db: list(db.execute(query)))


def half_right() -> cg.Team:
    """The first sample is right, the others are not."""
    return cg.Team.of(
        Scripted(lambda r: f"Answer: {int(r.problem[1:]) + r.sample}\nAccept: no\nScore: 0.5")
    )


def silent() -> cg.Team:
    return team(Thinker(failing=1.0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_what_is_read_of_shards_is_what_was_in_the_file(path: Path) -> None:
    with RunStore(path) as store:
        fill(store)
        before, listed = told(store), [store.listing(run.key) for run in store.runs()]
        report = store.spill()
        assert report == SpillReport(1, 24, sum(len(one.graph) for one in store.episodes()), 0)
        assert rows(store) == 0
        assert told(store) == before
        assert [store.listing(run.key) for run in store.runs()] == listed
        assert store.spill() == SpillReport(0, 0, 0, 0)
        assert store.check_shards() == {}
    with RunStore(path) as store:
        assert told(store) == before
        assert store.quarantined == {}


def test_tokens_come_back_exactly(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS[:2], team(Thinker()), cg.BestOfN(n=2), store=store)
        before = [one.graph.to_json() for one in store.episodes()]
        assert '"token_ids"' in before[0]
        store.spill()
        assert [one.graph.to_json() for one in store.episodes()] == before


def test_a_run_whose_episodes_are_in_shards_is_replayed_and_asks_nothing_again(path: Path) -> None:
    with RunStore(path) as store:
        fill(store)
        before = told(store)
        store.spill()
        for how in STRATEGIES:
            mind = Thinker()
            cg.run(PROBLEMS, team(mind), how, store=store)
            cg.run(PROBLEMS, team(mind), how, store=store, replay=True)
            assert mind.requests == []
        assert told(store) == before


def test_another_run_takes_from_shards_what_was_asked_before(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS, team(Thinker()), cg.SelfConsistency(n=3), store=store)
        store.spill()
        mind = Thinker()
        cg.run(PROBLEMS, team(mind), cg.SelfConsistency(n=5), store=store)
        assert sum(request.n for request in mind.requests) == 2 * len(PROBLEMS)
        before = told(store)
        assert store.spill().episodes == len(PROBLEMS)
        assert told(store) == before
        cg.run(PROBLEMS, silent(), cg.SelfConsistency(n=5), store=store, replay=True)
        assert rows(store) == 0


def test_a_problem_that_a_run_has_still_to_finish_stays(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS, team(Thinker()), cg.Direct(), store=store)
        write(store, "INSERT INTO episodes(run, problem, number) VALUES(9, 1, 0)")
        assert store.spill().episodes == len(PROBLEMS) - 1
        write(store, "DELETE FROM episodes WHERE run = 9")
        assert store.spill().episodes == 1


def test_a_run_spills_by_itself(path: Path) -> None:
    with RunStore(path, spill_after=3) as store:
        report = cg.run(PROBLEMS, team(Thinker()), cg.BestOfN(n=2), store=store, concurrency=2)
        assert [one.problem for one in report.episodes] == PROBLEMS
        [(shards, spilled)] = store.db.rows(
            lambda *row: row, "SELECT count(DISTINCT shard), count(shard) FROM episodes"
        )
        assert shards >= 1
        assert 3 <= spilled <= len(PROBLEMS)
        assert [one.problem for one in store.episodes()] == PROBLEMS


def test_less_than_nothing_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="spill_after=-1"):
        RunStore(path, spill_after=-1)


def test_what_one_run_shares_with_another_stays_until_both_have_gone(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS[:3], team(Thinker()), cg.SelfConsistency(n=2), store=store)
        cg.run(PROBLEMS[:3], team(Thinker()), cg.SelfConsistency(n=3), store=store)
        before = told(store)
        write(store, "UPDATE thoughts SET text = 'x' WHERE episode = 4 AND number = 1")
        assert store.spill() == SpillReport(1, 5, 17, 1)
        assert told(store) == [one for one in before if one[0] != 4]
        assert [*store.quarantined] == [4]
        [kept] = store.db.rows(int, "SELECT count(*) FROM completions")
        assert kept == 3  # those of the damaged episode
        write(store, "UPDATE thoughts SET text = NULL WHERE episode = 4 AND number = 1")
        assert store.spill() == SpillReport(1, 1, 4, 0)
        assert told(store) == before
        assert rows(store) == 0


def test_credits_are_given_to_thoughts_in_shards(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS, half_right(), cg.BestOfN(n=2), store=store)
        store.spill()
        rows = cg.training.harvest(store, keep=store).sft()
        assert len(list(rows)) == len(PROBLEMS)
        [first, *_] = store.episodes()
        assert store.credits(first.id)
        with pytest.raises(DataError, match="no thought"):
            store.append_rows(
                first.id, [CreditRow("no.0", "value", 1, 1, None, None, None, None, "x")]
            )


def test_a_harvest_of_shards_is_that_of_the_file(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS, half_right(), cg.BestOfN(n=2), store=store)
        before = [*cg.training.harvest(store).sft(), *cg.training.harvest(store).preferences()]
        store.spill()
        after = [*cg.training.harvest(store).sft(), *cg.training.harvest(store).preferences()]
        assert len(before) == 2 * len(PROBLEMS)
        assert after == before


def test_a_failed_strategy_goes_to_a_shard_too(path: Path) -> None:
    async def broken(d: cg.Deliberation) -> cg.Thought:
        raise RuntimeError("no idea")

    with RunStore(path) as store:
        cg.run(PROBLEMS[:2], cg.Team.of(Scripted(["x"])), broken, store=store)
        before = told(store)
        assert store.spill() == SpillReport(1, 2, 0, 0)
        assert told(store) == before
        assert "no idea" in next(store.episodes()).error


class Stop(Exception):
    """What a spill dies of."""


@pytest.mark.parametrize("last", ["written", "listed", "committed"])
def test_a_spill_that_stops_after_a_step_loses_and_doubles_nothing(last: str, path: Path) -> None:
    def stop(step: str) -> None:
        if step == last:
            raise Stop

    with RunStore(path) as store:
        fill(store)
        before, count = told(store), rows(store)
        with pytest.raises(Stop):
            store.spill(step=stop)
        assert told(store) == before
        assert (rows(store) == count) is (last != "committed")
    with RunStore(path) as store:
        assert told(store) == before
        assert store.spill().episodes == (0 if last == "committed" else 24)
        assert told(store) == before
        assert store.check_shards() == {}
        [shards] = [list(store.shards_folder.glob("*.parquet"))]
        assert len(shards) == 1


def test_a_run_that_begins_meanwhile_keeps_its_problems_in_the_file(path: Path) -> None:
    with RunStore(path) as store:
        cg.run(PROBLEMS, team(Thinker()), cg.Direct(), store=store)
        before = told(store)

        def begin(step: str) -> None:
            if step == "listed":
                write(store, "INSERT INTO episodes(run, problem, number) VALUES(9, 1, 0)")

        assert store.spill(step=begin) == SpillReport(0, 0, 0, 0)
        assert told(store) == before
        assert list(store.shards_folder.glob("*.parquet")) == []
        assert store.check_shards() == {}


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(path: Path) -> None:
    with RunStore(path) as store:
        fill(store)
        before = told(store)
        store.shards_folder.write_text("a file")
        with pytest.raises(StoreError, match="nothing is lost"):
            store.spill()
        assert told(store) == before


def test_only_one_spills_at_a_time(path: Path) -> None:
    with RunStore(path) as store, RunStore(path) as other:
        fill(store)

        def also(step: str) -> None:
            assert other.spill() == SpillReport(0, 0, 0, 0)

        assert store.spill(step=also).episodes == 24


def test_an_episode_that_goes_while_it_is_read_is_read_from_its_shard(path: Path) -> None:
    with RunStore(path) as store, RunStore(path) as other:
        fill(store)
        before = told(store)
        reading = store.episodes()
        first = [next(reading) for _ in range(5)]
        other.spill()
        rest = list(reading)
        assert [(one.id, one.run, content_of(one)) for one in [*first, *rest]] == before


SPILLING = """
import sys
from cogitate.memory import RunStore

def step(name):
    print(name, flush=True)
    sys.stdin.readline()

with RunStore(sys.argv[1], durability="normal") as store:
    store.spill(thoughts=5, step=step)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_spills_lose_and_double_nothing(kills: int, path: Path) -> None:
    problems = [
        cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=f"{i}") for i in range(kills * 6)
    ]
    with RunStore(path, durability="normal") as store:
        cg.run(problems, team(Thinker()), cg.BestOfN(n=2), store=store)
        before = told(store)
    chance = random.Random(kills)
    for kill in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", SPILLING, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(1 + kill % 6):
            process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
        time.sleep(chance.uniform(0, 0.02))  # somewhere on the way to the next step
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        with RunStore(path) as store:
            assert told(store) == before
            assert store.quarantined == {}
    with RunStore(path) as store:
        left = store.spill().episodes
        assert 0 < left < len(problems)
        assert told(store) == before
        assert (rows(store), store.check_shards()) == (0, {})
