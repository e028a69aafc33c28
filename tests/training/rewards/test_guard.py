"""Nothing but finite numbers that tell something reaches a trainer, and all else is counted."""

import asyncio
import math

import pytest

import cogitate as cg
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.inference import Scripted
from cogitate.tasks import Problem
from cogitate.training.rewards import (
    Guard,
    GuardReport,
    JudgeReward,
    KnownReply,
    Member,
    OutcomeReward,
    Part,
    Weighted,
    judge_audit,
    reward_groups,
)

NAN, INF = math.nan, math.inf


def test_every_kind_of_bad_reward_and_group_is_caught_and_counted() -> None:
    groups: list[list[float | None]] = [
        [1.0, 0.0, None, NAN],  # two are left
        [INF, -INF, 1.0],  # one is left: too few
        [1.0, 1.0, 1.0],  # all equal
        [None, NAN],  # nothing
        [],  # nothing
        [0.5, 0.25],
    ]
    found = Guard(most_faulty=1)(groups)
    assert found.groups == [{0: 1, 1: 0}, {}, {}, {}, {}, {0: 0.5, 1: 0.25}]
    assert found.report == GuardReport(
        groups=6, rewards=14, none=2, nan=2, infinite=2, empty=2, few=1, equal=1,
        kept_groups=2, kept_rewards=4,
    )  # fmt: skip
    assert all(math.isfinite(r) for group in found.groups for r in group.values())


def test_the_parts_of_every_group_add_up() -> None:
    report = Guard(most_faulty=1)([[1.0, None], [2.0, 2.0], [], [1.0, 3.0]]).report
    assert report.groups == report.empty + report.few + report.equal + report.kept_groups
    assert (report + report).kept_rewards == 2 * report.kept_rewards


def test_equal_groups_and_single_rewards_pass_where_they_are_wanted() -> None:
    assert Guard(keep_equal=True)([[1.0, 1.0]]).groups == [{0: 1, 1: 1}]
    assert Guard(least=1)([[1.0]]).groups == [{0: 1}]
    assert Guard()([[1.0]]).groups == [{}]


def test_a_broken_reward_stops_the_run_and_the_message_counts() -> None:
    with pytest.raises(DataError, match=r"2 of 4 rewards are no finite number .*1 NaN, 1 infinite"):
        Guard()([[1.0, NAN, 0.0, INF]])
    with pytest.raises(ConfigError, match="most_faulty"):
        Guard(most_faulty=2)


def group(*answers: str) -> list[Member]:
    graph = ThoughtGraph.of(Problem(id="p", prompt="6 * 7?", reference="42"))
    members = []
    for i, answer in enumerate(answers):
        thought = Thought(f"a.{i}", ThoughtKind.SOLUTION, f"Answer: {answer}", answer=answer)
        thought.about = graph.root.id
        graph.add(thought, [graph.root])
        members.append(Member(graph, thought))
    return members


def test_groups_are_rewarded_with_every_part_logged() -> None:
    async def broken_once(_graph: ThoughtGraph, thought: Thought) -> float | None:
        if thought.id == "a.2":
            raise RuntimeError("torn")
        return NAN if thought.id == "a.3" else 0.5

    total = Weighted((Part("outcome", OutcomeReward()), Part("own", broken_once, 2.0)))
    found = asyncio.run(
        reward_groups(total, [group("42", "41", "42", "42")], guard=Guard(most_faulty=0.5))
    )
    assert found.groups == [{0: 2, 1: 1}]
    outcome, own = found.report.parts
    assert (outcome.mean, outcome.missing, own.mean, own.missing) == (0.75, 0, 0.5, 2)
    assert (outcome.least, outcome.most) == (0, 1)
    assert outcome.deviation == pytest.approx(3**0.5 / 4)
    assert found.report.mean == 1.5
    assert found.report.errors == {"own: RuntimeError: torn": 1}
    assert [one.total is None for one in found.scored[0]] == [False, False, True, False]
    assert "1 none, 1 NaN" in str(found.report)


def test_a_judge_stands_apart_and_what_is_known_of_it_is_shown() -> None:
    engine = Scripted(["Score: 1"])
    judge = JudgeReward(cg.Verifier(engine), engine)

    def shown(judge: JudgeReward) -> str:
        total = Weighted((Part("outcome", OutcomeReward()), Part("judge", judge)))
        return str(asyncio.run(reward_groups(total, [group("42", "41")])).report)

    assert "outcome (rule, weight 1)" in shown(judge)
    assert "judge (judge, weight 1)" in shown(judge)
    assert "was NOT measured" in shown(judge)
    wrong = KnownReply(Problem(id="p", prompt="1?", reference="1"), "Answer: 2", False)
    assert "accepts 100.0% (1/1" in shown(judge.audited(judge_audit(judge, [wrong])))
