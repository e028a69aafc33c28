"""Runs in one file: what is the same run, who works on what, and what is refused."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import cogitate as cg
from cogitate.errors import StoreError
from cogitate.inference import Request, Scripted
from cogitate.memory import CreditRow, RunStore
from cogitate.memory.write_episode import content_of

PROBLEMS = [
    cg.tasks.Problem(id=f"p{i}", prompt=f"What is {i} + 0?", reference=str(i), kind="numeric")
    for i in range(6)
]


class Counting(Scripted):
    """Answers with the number of the problem, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        super().__init__(self._answer)

    def _answer(self, request: Request) -> str:
        self.asked.append((request.problem, request.position, request.sample))
        return f"Answer: {request.problem.removeprefix('p')}\nAccept: no\nScore: 0.5"


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    engine = Counting()
    with cg.memory.RunStore(tmp_path / "runs.db") as store:
        report = cg.run(PROBLEMS, cg.Team.of(engine), cg.SelfRefine(rounds=1), store=store)
        assert (report.correct, report.usage.calls, report.interrupted) == (6, 18, False)
        assert [episode.problem for episode in store.episodes()] == PROBLEMS
        for episode in store.episodes():
            assert episode.result is not None
            assert len(episode.graph) == 4
            assert episode.result.answer == episode.problem.reference
            assert episode.correct


def test_the_same_call_in_a_store_that_was_opened_again_asks_nothing(tmp_path: Path) -> None:
    contents, asked = [], []
    for _ in range(2):
        engine = Counting()
        with RunStore(tmp_path / "runs.db") as store:
            report = cg.run(PROBLEMS, cg.Team.of(engine), cg.Direct(), store=store)
            contents.append([content_of(episode) for episode in report.episodes])
            assert report.correct == 6
            assert len(store.runs()) == 1
        asked.append(len(engine.asked))
    assert asked == [6, 0]
    assert contents[0] == contents[1]


def test_more_problems_of_the_same_run_are_added_to_it(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.db") as store:
        engine = Counting()
        cg.run(PROBLEMS[2:4], cg.Team.of(engine), cg.Direct(), store=store)
        report = cg.run(PROBLEMS, cg.Team.of(engine), cg.Direct(), store=store)
        assert [episode.problem.id for episode in report.episodes] == [p.id for p in PROBLEMS]
        assert len(engine.asked) == 6
        [run] = store.runs()
        assert (run.problems, run.finished) == (6, 6)
        few = cg.run(PROBLEMS[:1], cg.Team.of(engine), cg.Direct(), store=store)
        assert (few.correct, len(few.episodes)) == (1, 1)


def shouting(engine: Counting) -> cg.Team:
    return cg.Team(generator=cg.Generator(engine, prompts={"direct": "{problem} SAY IT!"}))


@pytest.mark.parametrize(
    ("team", "strategy", "budget", "seed", "runs"),
    [
        (cg.Team.of, cg.Direct(), None, 0, 1),
        (cg.Team.of, cg.Direct(), None, 1, 2),
        (cg.Team.of, cg.SelfConsistency(n=2), None, 0, 2),
        (cg.Team.of, cg.Direct(), cg.Budget(calls=9), 0, 2),
        (lambda engine: cg.Team.of(engine, temperature=0.1), cg.Direct(), None, 0, 2),
        (shouting, cg.Direct(), None, 0, 2),
    ],
)
def test_what_decides_what_is_thought_tells_runs_apart(
    team: type[cg.Team],
    strategy: cg.Strategy,
    budget: cg.Budget | None,
    seed: int,
    runs: int,
    tmp_path: Path,
) -> None:
    with RunStore(tmp_path / "runs.db") as store:
        cg.run(PROBLEMS[:1], cg.Team.of(Counting()), cg.Direct(), store=store)
        changed = team(Counting())  # type: ignore[arg-type]  # stands for Team.of
        cg.run(PROBLEMS[:1], changed, strategy, budget=budget, seed=seed, store=store)
        assert len(store.runs()) == runs


def test_a_changed_strategy_reuses_every_completion_that_it_asks_for_again(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.db") as store:
        engine = Counting()
        team = cg.Team.of(engine)
        cg.run(PROBLEMS, team, cg.SelfConsistency(n=3), store=store)
        assert len(engine.asked) == 18
        cg.run(PROBLEMS, team, cg.SelfConsistency(n=5), store=store)
        assert len(engine.asked) == 30
        cg.run(PROBLEMS, team, cg.BestOfN(n=4), store=store)
        assert len(engine.asked) == 30 + 6 * 4  # nothing is generated again, 4 are verified
        cg.run(PROBLEMS, team, cg.SelfConsistency(n=5), budget=cg.Budget(calls=3), store=store)
        assert len(engine.asked) == len(set(engine.asked)) == 54
        assert len(list(store.episodes())) == 24


def test_runs_of_one_store_equal_those_that_had_it_for_themselves(tmp_path: Path) -> None:
    alone: list[list[object]] = []
    with RunStore(tmp_path / "runs.db") as store:
        for how in [cg.SelfConsistency(n=3), cg.SelfConsistency(n=5), cg.SelfConsistency(n=2)]:
            cg.run(PROBLEMS[:2], cg.Team.of(Counting()), how, store=store)
            report = cg.run(PROBLEMS[:2], cg.Team.of(Counting()), how)
            alone.append([content_of(episode) for episode in report.episodes])
        kept = [
            [content_of(episode) for episode in store.episodes(run=run.key)] for run in store.runs()
        ]
    assert kept == alone


def dump(path: Path) -> list[str]:
    raw = sqlite3.connect(path)
    lines = list(raw.iterdump())
    raw.close()
    return lines


def test_a_replay_writes_nothing_and_asks_nothing(tmp_path: Path) -> None:
    path, engine = tmp_path / "runs.db", Counting()
    with RunStore(path) as store:
        cg.run(PROBLEMS, cg.Team.of(engine), cg.BestOfN(n=3), store=store)
        before, asked = dump(path), len(engine.asked)
        report = cg.run(PROBLEMS, cg.Team.of(engine), cg.BestOfN(n=3), store=store, replay=True)
        assert report.correct == 6
        assert dump(path) == before
        assert len(engine.asked) == asked


def test_a_replay_of_what_is_not_finished_is_refused(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.db") as store:
        team = cg.Team.of(Counting())
        cg.run(PROBLEMS[:2], team, cg.Direct(), store=store)
        with pytest.raises(cg.ConfigError, match="only a finished run can be replayed"):
            cg.run(PROBLEMS, team, cg.Direct(), store=store, replay=True)
        with pytest.raises(cg.ConfigError, match="only a finished run can be replayed"):
            cg.run(PROBLEMS, team, cg.ChainOfThought(), store=store, replay=True)
        assert len(store.runs()) == 1
    with pytest.raises(cg.ConfigError, match="needs the store of the run"):
        cg.run(PROBLEMS, team, cg.Direct(), replay=True)


def test_a_run_that_the_clock_stopped_cannot_be_replayed(tmp_path: Path) -> None:
    async def slow(d: cg.Deliberation) -> cg.Thought:
        await d.generate()
        return await asyncio.Future()

    with RunStore(tmp_path / "runs.db") as store:
        team, budget = cg.Team.of(Counting()), cg.Budget(seconds=0.05)
        report = cg.run(PROBLEMS[:1], team, slow, budget=budget, store=store)
        assert report.correct == 1
        with pytest.raises(cg.ConfigError, match="no budget in seconds has stopped"):
            cg.run(PROBLEMS[:1], team, slow, budget=budget, store=store, replay=True)


def test_a_replay_that_comes_to_something_else_is_refused(tmp_path: Path) -> None:
    thoughts = [1]

    async def changing(d: cg.Deliberation) -> cg.Thought:
        return (await d.samples(thoughts[0]))[0]

    with RunStore(tmp_path / "runs.db") as store:
        team = cg.Team.of(Counting())
        cg.run(PROBLEMS[:1], team, cg.SelfConsistency(n=2), store=store)
        cg.run(PROBLEMS[:1], team, changing, store=store)
        thoughts[0] = 2
        with pytest.raises(cg.DataError, match="came to something else than the run"):
            cg.run(PROBLEMS[:1], team, changing, store=store, replay=True)


def test_a_strategy_that_fails_on_a_problem_is_kept_with_its_failure(tmp_path: Path) -> None:
    async def fragile(d: cg.Deliberation) -> cg.Thought:
        if d.task.id == "p1":
            raise KeyError("lost")
        return await d.generate()

    with RunStore(tmp_path / "runs.db") as store:
        for _ in range(2):
            report = cg.run(PROBLEMS[:3], cg.Team.of(Counting()), fragile, store=store)
            assert [episode.error for episode in report.episodes] == ["", "KeyError: 'lost'", ""]
            assert report.episodes[1].result is None
            assert len(report.episodes[1].graph) == 1


def test_two_problems_of_one_id_are_refused(tmp_path: Path) -> None:
    with (
        RunStore(tmp_path / "runs.db") as store,
        pytest.raises(cg.ConfigError, match="two problems have the id 'p0'"),
    ):
        cg.run([PROBLEMS[0]] * 2, cg.Team.of(Counting()), cg.Direct(), store=store)


def test_a_graph_file_is_no_store(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text(cg.solve("6 * 7?", cg.Team.of(Counting()), cg.Direct()).graph.to_json())
    with pytest.raises(cg.ConfigError, match="this is no run store"):
        RunStore(graph)


def test_a_store_beside_which_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.db-claims").mkdir()
    with pytest.raises(StoreError, match="see that its folder may be written"):
        RunStore(tmp_path / "runs.db")


DAMAGES = [
    ("thoughts", "text = 'Answer: 1' WHERE number = 1"),
    ("thoughts", "answer = '8' WHERE number = 1"),
    ("thoughts", "kind = 'never' WHERE number = 1"),
    ("thoughts", "rest = '{' WHERE number = 1"),
    ("thoughts", "completion = 99 WHERE number = 1"),
    ("thoughts", "source = 1 WHERE number = 2"),
    ("edges", "relation = 'hates' WHERE child = 1"),
    ("edges", "parent = 77 WHERE child = 2"),
    ("scores", "value = 1.0"),
    ("prompts", "body = x'00'"),
    ("prompts", "body = zeroblob(100000)"),
    ("completions", "text = 'Answer: 1'"),
    ("completions", "text = CAST(x'ff' AS TEXT)"),
    ("episodes", "result = replace(result, '0.0', '1.0')"),
    ("episodes", "result = '{}'"),
    ("episodes", "result = x'80'"),
    ("episodes", "thoughts = 0"),
    ("problems", "record = replace(record, '\"0\"', '\"1\"')"),
]


@pytest.mark.parametrize(("table", "damage"), DAMAGES)
def test_a_damaged_episode_is_left_out_and_told(table: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with RunStore(path, durability="normal") as store:
        engine = Scripted(["Answer: 7\nAccept: no\nScore: 0.5"])
        for problem in PROBLEMS[:2]:
            cg.run([problem], cg.Team.of(engine), cg.BestOfN(n=2), store=store)
    raw = sqlite3.connect(path)
    for (trigger,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        raw.execute(f"DROP TRIGGER {trigger}")
    own = {
        "episodes": "id = 1",
        "problems": "id = 1",
        "completions": "problem = 1",
        "prompts": "id IN (SELECT prompt FROM thoughts WHERE episode = 1)",
    }.get(table, "episode = 1")
    joined = "AND" if "WHERE" in damage else "WHERE"
    assert raw.execute(f"UPDATE {table} SET {damage} {joined} {own}").rowcount
    raw.commit()
    raw.close()
    with RunStore(path) as store:
        for _ in range(2):
            assert [episode.id for episode in store.episodes()] == [2]
            assert list(store.quarantined) == [1]
        with pytest.raises(cg.DataError, match="episode 1 of "):
            store.episode(1)


CREDIT = CreditRow("?", "value", 0.75, 4, 0.3, 0.95, True, None, '["value-backup",1,[],"grader"]')


def test_credits_are_appended_once_and_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        cg.run(PROBLEMS[:2], cg.Team.of(Counting()), cg.Direct(), store=store)
        episode, other = store.episodes()
        first = CREDIT._replace(thought=episode.graph.in_order()[1].id)
        second = first._replace(value=0.1 + 0.2, low=None, high=None, positive=None)
        third = first._replace(positive=False, trajectory=first.thought)
        assert store.append_rows(episode.id, [first, second]) == 2
        assert store.append_rows(episode.id, [second, third, third]) == 1
        with pytest.raises(cg.DataError, match="give credit to its own thoughts"):
            store.append_rows(other.id, [first])
    with RunStore(path) as store:
        assert store.credits(1) == [first, second, third]
        assert store.credits(2) == []
        for change in ("DELETE FROM credits", "UPDATE credits SET value = 1"):
            with pytest.raises(StoreError, match="credits are append-only"):
                store.db.write_now(lambda db, change=change: list(db.execute(change)))  # type: ignore[misc]  # mypy reads no default of a lambda


def test_a_harvest_keeps_its_credits_in_the_store_that_it_reads(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.db") as store:
        cg.run(PROBLEMS[:2], cg.Team.of(Counting()), cg.BestOfN(n=2), store=store)
        credit = cg.training.ValueBackup(threshold=0.5)
        for _ in range(2):
            rows = list(cg.training.harvest(store, credit=credit, keep=store).sft())
            assert rows
            kept = store.credits(1)
            assert {row.thought for row in kept} <= {
                t.id for t in store.episode(1).graph.in_order()
            }
            assert kept and all(json.loads(row.origin)[0] for row in kept)
            assert len(set(kept)) == len(kept)
        graph = store.episode(1).graph
        with pytest.raises(cg.ConfigError, match="give harvest\\(\\) the store itself"):
            store.append_credits(graph, [])


def test_a_damaged_credit_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with RunStore(path) as store:
        cg.run(PROBLEMS[:1], cg.Team.of(Counting()), cg.Direct(), store=store)
        [episode] = store.episodes()
        row = CREDIT._replace(thought=episode.graph.in_order()[1].id)
        store.append_rows(episode.id, [row, row._replace(value=0.5)])
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER credits_keep")
    raw.execute("UPDATE credits SET value = 1.0 WHERE id = 1")
    raw.commit()
    raw.close()
    with RunStore(path) as store:
        assert store.credits(1) == [row._replace(value=0.5)]
        assert store.quarantined == {1: "1 of its credits are damaged"}


WORKER = """
import json, sys
import cogitate as cg
from cogitate.inference import Scripted

asked = []
def answer(request):
    asked.append(request.problem)
    return f"Answer: {request.problem[1:]}"

problems = [
    cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=str(i), kind="numeric")
    for i in range(60)
]
with cg.memory.RunStore(sys.argv[1]) as store:
    team = cg.Team.of(Scripted(answer, latency=0.01))
    report = cg.run(problems, team, cg.SelfConsistency(n=2), store=store, concurrency=4)
    told = [len(report.episodes), report.correct, report.usage.calls, report.interrupted]
    print(json.dumps([asked, told]))
"""


def test_processes_share_the_problems_of_a_run_and_each_reports_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    command = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    asked = [problem for by, _ in told for problem in by]
    assert len(asked) == 120
    assert all(asked.count(problem) == 2 for problem in asked)
    assert [report for _, report in told] == [[60, 60, 120, False]] * 3
    with RunStore(path) as store:
        assert len(list(store.episodes())) == 60


def test_several_runs_of_one_process_may_share_a_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        engine = Counting()
        with RunStore(tmp_path / "runs.db") as store:
            reports = await asyncio.gather(
                cg.arun(PROBLEMS, cg.Team.of(engine), cg.Direct(), store=store),
                cg.arun(PROBLEMS, cg.Team.of(engine), cg.Direct(), store=store),
                cg.arun(PROBLEMS, cg.Team.of(engine), cg.SelfRefine(rounds=1), store=store),
            )
            assert [len(report.episodes) for report in reports] == [6, 6, 6]
            assert len(engine.asked) == len(set(engine.asked))

    asyncio.run(scenario())
