"""A grade that came with a graph never pays and promotes nothing, and nothing is trained on it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from trees import begun, critique, solution

import cogitate as cg
from cogitate.graphs import Deliberation, Episode, Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.recording import InMemory, Plan
from cogitate.inference import Completion, Engines, Scripted
from cogitate.tasks import Grade, Problem, ProblemSet
from cogitate.training import (
    CurrentWeights,
    PassRate,
    StrategySampler,
    Verification,
    grade,
    harvest,
    roles,
    samples_of_graph,
)
from cogitate.training.credit import CriticAgreement
from cogitate.training.loops.judge import judge
from cogitate.training.loops.measured_rates import rates_with
from cogitate.training.promote import adev_run, promote
from cogitate.training.rewards import (
    AgreementReward,
    LengthReward,
    Member,
    OutcomeReward,
    Part,
    ReflectionReward,
    Reward,
    Weighted,
    reward_groups,
)
from cogitate.training.rows_from import problem_starts


def imported() -> ThoughtGraph:
    """A graph from a file: wrong and right solutions, of which every wrong one claims to be right.

    `s` of them is a solution of a part of the problem, `t` says another answer than its text. Only
    `g.2`, which is wrong too, claims nothing.
    """
    graph = begun()
    wrong, _ = solution(graph, "g.0", 41, [graph.root]), solution(graph, "g.1", 42, [graph.root])
    solution(graph, "r.0", 41, [wrong], Relation.REFINES, "refiner")
    critique(graph, "c.0", wrong, accepts=True)
    solution(graph, "g.2", 40, [graph.root])
    told = solution(graph, "t.0", 41, [graph.root])
    told.answer = "42"
    part = Thought("q.0", ThoughtKind.PROBLEM, "A part", about=graph.root.id)
    graph.add(part, [graph.root])
    solution(graph, "s.0", 41, [part]).about = part.id
    for thought in graph.thoughts():
        if thought.id not in ("g.1", "g.2") and thought.kind is not ThoughtKind.PROBLEM:
            graph.score(thought, "grader", 1.0)
    return ThoughtGraph.from_json(graph.to_json())


WRONG = ("g.0", "r.0", "s.0", "t.0")


async def boasts(d: Deliberation) -> Thought:
    answer = await d.generate(d.problem)
    d.graph.score(answer, "grader", 1.0)
    return answer


def paid(reward: Reward, graph: ThoughtGraph, name: str) -> float | None:
    return asyncio.run(reward(graph, graph.thought(name)))


@pytest.mark.parametrize("partial", [False, True])
def test_no_reward_is_paid_for_it(partial: bool) -> None:
    graph = imported()
    reward = OutcomeReward(partial=partial)
    assert {name: paid(reward, graph, name) for name in WRONG} == dict.fromkeys(WRONG)
    assert paid(reward, graph, "g.1") == 1


def test_nobody_is_paid_for_agreeing_with_it_nor_for_coming_from_it() -> None:
    graph = imported()
    assert paid(AgreementReward(), graph, "c.0") is None
    assert paid(ReflectionReward(), graph, "r.0") is None
    members = [Member(graph, graph.thought(name)) for name in ("g.0", "g.1")]
    assert asyncio.run(LengthReward().of_group(members)) == [None, 0]


def test_it_takes_no_part_in_what_a_trainer_sees() -> None:
    graph = imported()
    group = [Member(graph, graph.thought(name)) for name in ("g.0", "g.1", "g.2", "t.0")]
    total = Weighted((Part("outcome", OutcomeReward()),))

    guard = cg.training.rewards.Guard(most_faulty=1)
    found = asyncio.run(reward_groups(total, [group], guard=guard))
    assert found.groups == [{1: 1, 2: 0}]
    assert found.report.mean == 0.5  # of two that have a grade


def test_no_rollout_is_right_because_of_it() -> None:
    def reply(text: str) -> Completion:
        return Completion(text=text, prompt_ids=(1,), token_ids=(2,), logprobs=(-1.0,))

    engine = Scripted([reply("Answer: 41"), reply("Answer: 42")])
    sampler = StrategySampler(
        team=lambda _: cg.Team.of(engine), strategy=boasts, reward=OutcomeReward()
    )
    starts = problem_starts([Problem(id="p", prompt="6 * 7?", reference="42")]) * 2
    found = asyncio.run(sampler(starts, CurrentWeights("scripted", None, 0)))
    assert {(one.reward, one.right) for one in found} == {(None, None), (1.0, True)}


def test_a_grader_of_ones_own_is_asked_whatever_stands_there() -> None:
    graph = imported()
    own = OutcomeReward(grader=cg.tasks.NumericGrader())
    assert [paid(own, graph, name) for name in ("g.0", "g.1", "t.0")] == [0, 1, None]


def test_a_score_that_is_confirmed_is_paid_as_any_other() -> None:
    graph = begun()
    right = solution(graph, "g.0", 42, [graph.root])
    graph.score(right, "grader", 1.0)
    assert paid(OutcomeReward(), graph, "g.0") == 1


def test_grading_takes_it_off_so_that_no_measure_counts_it() -> None:
    graph = imported()
    assert grade([graph]) == {"right": 1, "wrong": 1, "ungraded": 4}
    assert {t.id for t in graph.thoughts(ThoughtKind.SOLUTION) if "grader" in t.scores} == {
        "g.1",
        "g.2",
    }
    measured = roles([graph])
    assert (measured.solutions.right, measured.solutions.total) == (1, 2)
    samples = asyncio.run(samples_of_graph(graph))
    assert samples is not None and (samples.right, samples.total) == (1, 2)


def test_no_curriculum_chooses_by_it() -> None:
    graph = imported()
    assert asyncio.run(rates_with([graph], before={})) == {graph.problem.id: PassRate(1, 2)}


@pytest.mark.parametrize("regrade", [True, False])
def test_it_is_not_harvested_from_a_graph_whatever_is_asked_for(regrade: bool) -> None:
    rows = harvest([imported()], regrade=regrade)
    assert [row.thought for row in rows.verified(marked=False).rows] == ["g.1"]
    assert [row.thought for row in rows.sft(marked=False)] == ["g.1"]
    assert {row.reply.thought for row in rows.unpaired() if row.wanted} == {"g.1"}
    assert [row.thought for row in rows.coat(plain=True)] == ["g.1"]
    assert [row.chosen.thought for row in rows.preferences()] == ["g.1"]
    agreeing = harvest([imported()], regrade=regrade, credit=CriticAgreement())
    assert [row.thought for row in agreeing.sft(role="critic")] == []


def test_only_a_store_of_ones_own_runs_is_believed_and_only_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    problem = Problem(prompt="6 * 7?", reference="42")
    team = cg.Team.of(Scripted(["Answer: 41"]))
    with cg.memory.RunStore(tmp_path / "runs.db") as store:
        report = cg.run([problem], team, boasts, store=store)
        recorded = harvest(store, regrade=False).sft()
        assert [row.grade for row in recorded] == [1.0]
        assert recorded.verification is Verification.RECORDED
        assert list(harvest(store).sft()) == []
        copy = ThoughtGraph.from_json(report.episodes[0].graph.to_json())
        assert list(harvest([copy], regrade=False).sft()) == []


def test_no_trajectory_tells_it() -> None:
    told = harvest([imported()]).trajectories()
    grades = {one.trajectory_id: one.final_metrics and one.final_metrics.extra for one in told}
    assert {name for name, extra in grades.items() if extra} == {"g.1", "g.2"}


def test_it_promotes_nothing() -> None:
    dev = ProblemSet(
        "dev", [Problem(id=f"d{i}", prompt=f"{i} + {i}?", reference=str(2 * i)) for i in range(20)]
    )

    async def both() -> None:
        team = cg.Team.of(Scripted(lambda _: "Answer: -1"))
        old = await adev_run("old", dev, team, cg.Direct())
        new = await adev_run("new", dev, team, boasts)
        found = promote(old, new, dev=dev, seen=[], draws=50)
        assert not found.promoted and found.comparison.mean_b == 0

    asyncio.run(both())


class Forged(InMemory):
    """A run whose kept episodes say that all was right, and what would have been."""

    @property
    def episodes(self) -> list[Episode]:
        """What is finished."""
        return [
            replace(
                one,
                grade=Grade(score=1.0),
                problem=one.problem.model_copy(update={"reference": "9"}),
            )
            for one in super().episodes
        ]


class Forger:
    """A store that somebody wrote into."""

    def begin(self, plan: Plan, engines: Engines) -> Forged:
        """Begin a run."""
        return Forged(plan)


def test_a_loop_judges_by_no_grade_of_its_store() -> None:
    dev = ProblemSet(
        "dev", [Problem(id=f"p{i}", prompt=f"{i}: 6 * 7?", reference="42") for i in "ab"]
    )
    wrong, right = (cg.Team.of(Scripted([f"Answer: {n}"] * 2)) for n in (9, 42))
    found = judge(
        wrong, right, cg.Direct(), dev, names=("old", "new"), seen=(), store=Forger(), seed=0,
        concurrency=2, alpha=0.05,
    )  # fmt: skip
    assert (found.before.correct, found.after.correct) == (0, 2)
    assert (found.promotion.comparison.mean_a, found.promotion.comparison.mean_b) == (0, 1)
