"""Judges that are fooled, and how it shows."""

import asyncio

import pytest

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training.rewards import (
    MASTER_KEYS,
    FormatReward,
    Gated,
    JudgeReward,
    KnownReply,
    judge_audit,
    known_answers,
    known_replies,
)

PROBLEMS = [Problem(id=f"p{i}", prompt=f"{i} + {i}?", reference=str(2 * i)) for i in range(5)]
REPLIES = [
    KnownReply(problem, f"Answer: {2 * i + error}", not error)
    for i, problem in enumerate(PROBLEMS)
    for error in (0, 1)
]


def judge(reply: Scripted) -> JudgeReward:
    return JudgeReward(cg.Verifier(reply), reply)


def fooled(request: Request) -> str:
    """Accepts right answers, one wrong one of five, and "Solution" or ":" alone."""
    shown = request.messages[-1].content
    number = int(request.problem[1:])
    right = f"Answer: {2 * number}\n" in f"{shown}\n"
    mistaken = number == 3 and "Answer: 7" in shown
    tricked = any(f"\n{key}\n" in f"\n{shown}\n" for key in ("Solution", ":"))
    return f"Score: {1 if right or mistaken or tricked else 0}"


def test_false_acceptance_is_counted_on_wrong_answers_and_on_texts_that_say_nothing() -> None:
    audit = judge_audit(judge(Scripted(fooled)), REPLIES)
    assert (audit.false_positives.right, audit.false_positives.total) == (1, 5)
    assert (audit.true_positives.right, audit.true_positives.total) == (5, 5)
    taken = {key for key, share in audit.by_key.items() if share.right}
    assert {"Solution", ":"} <= taken and "." not in taken
    assert audit.master_keys.total == len(MASTER_KEYS) * len(PROBLEMS)
    assert audit.by_key["Solution"].share == 1
    assert "'Solution' 100%" in str(audit)


def test_a_gate_before_the_judge_is_audited_with_it() -> None:
    audit = judge_audit(Gated(FormatReward(), judge(Scripted(fooled))), REPLIES)
    assert audit.master_keys.right == 0
    assert audit.false_positives.right == 1


def test_a_judge_that_says_nothing_accepts_nothing_and_that_is_counted() -> None:
    audit = judge_audit(judge(Scripted(["hm"])), REPLIES, keys=["."])
    assert audit.silent == len(REPLIES) + len(PROBLEMS)
    assert audit.true_positives.share == audit.false_positives.share == 0


def test_the_threshold_decides_what_accepts() -> None:
    one = judge(Scripted(["Score: 0.6"]))
    assert judge_audit(one, REPLIES, threshold=0.5).false_positives.share == 1
    assert judge_audit(one, REPLIES, threshold=0.7).false_positives.share == 0


def test_known_replies_come_from_graded_graphs() -> None:
    def reply(request: Request) -> str:
        return f"Answer: {request.sample % 3}"

    graph = cg.solve(PROBLEMS[1], cg.Team.of(Scripted(reply)), cg.SelfConsistency(n=6)).graph
    cg.training.grade([graph])
    found = known_replies([graph])
    assert sorted((r.text, r.right) for r in found) == [
        ("Answer: 0", False),
        ("Answer: 1", False),
        ("Answer: 2", True),
    ]
    assert len(known_replies([graph], per_problem=1)) == 2


def test_an_audit_needs_what_is_known_to_be_wrong() -> None:
    with pytest.raises(ConfigError, match="known to be wrong"):
        judge_audit(judge(Scripted(["Score: 1"])), [r for r in REPLIES if r.right])


def test_answers_of_other_problems_are_known_to_be_wrong_where_the_grader_says_so() -> None:
    problems = [
        Problem(id=str(i), prompt=f"{i}?", reference=reference)
        for i, reference in enumerate(("42", "42.0", "7", None))
    ]
    found = asyncio.run(known_answers(problems))
    assert [(one.problem.id, one.text, one.right) for one in found] == [
        ("0", "Answer: 42", True), ("0", "Answer: 7", False),
        ("1", "Answer: 42.0", True), ("1", "Answer: 7", False),
        ("2", "Answer: 7", True), ("2", "Answer: 42", False),
    ]  # fmt: skip
    assert asyncio.run(known_answers(problems[:2])) == []  # both say the same
