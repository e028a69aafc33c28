"""Each reward on graphs made by hand, and their sums."""

import asyncio
import math
from collections.abc import Sequence

import pytest

import cogitate as cg
from cogitate.errors import ConfigError, EngineRefused
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training.credit import satori_reward
from cogitate.training.rewards import (
    AgreementReward,
    FormatReward,
    Gated,
    JudgeReward,
    LengthReward,
    Member,
    ModelReward,
    OutcomeReward,
    OverlongPenalty,
    Part,
    ReflectionReward,
    Reward,
    Weighted,
    satori_sum,
)

SOLUTION, CRITIQUE = ThoughtKind.SOLUTION, ThoughtKind.CRITIQUE


def begun(name: str = "p") -> ThoughtGraph:
    return ThoughtGraph.of(Problem(id=name, prompt="6 * 7?", reference="42"))


def solution(
    graph: ThoughtGraph,
    name: str,
    answer: str | None,
    *,
    parents: Sequence[Thought] = (),
    relation: Relation = Relation.GENERATES,
    tokens: int = 5,
    text: str | None = None,
    prefix: str = "",
    finish: str = "stop",
) -> Thought:
    said = text if text is not None else f"Answer: {answer}" if answer else "Hm."
    thought = Thought(
        name,
        SOLUTION,
        said,
        role="generator",
        operation="generate",
        about=graph.root.id,
        answer=answer,
        completion_tokens=tokens,
        prefix=prefix,
        finish=finish,
    )
    graph.add(thought, parents or [graph.root], relation)
    return thought


def critique(graph: ThoughtGraph, name: str, of: Thought, accepts: bool | None) -> Thought:
    thought = Thought(name, CRITIQUE, "said", about=graph.root.id, accepts=accepts)
    graph.add(thought, [of], Relation.CRITIQUES)
    return thought


def give(reward: Reward, graph: ThoughtGraph, thought: Thought) -> float | None:
    return asyncio.run(reward(graph, thought))


def test_the_outcome_is_the_grade_and_is_kept_on_the_thought() -> None:
    graph = begun()
    right, wrong = solution(graph, "a.0", "42.0"), solution(graph, "a.1", "41")
    silent = solution(graph, "a.2", None)
    assert [give(OutcomeReward(), graph, t) for t in (right, wrong, silent)] == [1, 0, 0]
    assert give(OutcomeReward(right=0, wrong=-1), graph, wrong) == -1
    assert (right.scores, wrong.scores) == ({"grader": 1.0}, {"grader": 0.0})


def test_an_empty_reply_is_wrong_and_a_failed_call_is_nothing() -> None:
    graph = begun()
    empty, failed = solution(graph, "a.0", None, text=""), solution(graph, "a.1", None, text="")
    failed.error = "EngineUnavailable: no"
    orm = rating(0.8)
    rewards = (OutcomeReward(), FormatReward(), ModelReward(cg.Verifier(orm), orm))
    assert [give(reward, graph, empty) for reward in rewards] == [0, 0, 0]
    assert [give(reward, graph, failed) for reward in rewards] == [None, None, None]


def test_rewards_that_ask_at_once_have_an_answer_graded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Slow:
        async def grade(self, problem: Problem, answer: str) -> cg.tasks.Grade:
            asked.append(answer)
            await asyncio.sleep(0)
            return cg.tasks.Grade(score=float(answer == problem.reference))

    monkeypatch.setattr("cogitate.training.regrade.grader_for", lambda _problem: Slow())
    graph = begun()
    members = [Member(graph, solution(graph, f"a.{i}", a)) for i, a in enumerate(("42", "41"))]
    parts = (Part("o", OutcomeReward()), Part("r", ReflectionReward()), Part("l", LengthReward()))
    found = asyncio.run(Weighted(parts).of_members(members))
    assert [one.parts["o"] for one in found] == [1, 0]
    assert sorted(asked) == ["41", "42"]


def test_there_is_no_outcome_of_what_failed_or_cannot_be_graded() -> None:
    graph = begun()
    failed = solution(graph, "a.0", None, text="")
    failed.error = "EngineUnavailable: no"
    said = critique(graph, "c.0", solution(graph, "a.1", "1"), True)
    open_problem = ThoughtGraph.of(Problem(id="q", prompt="Why?"))
    ungraded = solution(open_problem, "a.0", "1")
    assert give(OutcomeReward(), graph, failed) is None
    assert give(OutcomeReward(), graph, said) is None
    assert give(OutcomeReward(), open_problem, ungraded) is None


def test_no_score_of_a_model_stands_for_the_grade() -> None:
    graph = begun()
    wrong = solution(graph, "a.0", "41")
    graph.score(wrong, "judge", 1.0)
    assert give(OutcomeReward(), graph, wrong) == 0


def test_satoris_tokens_are_no_part_of_an_answer() -> None:
    graph = begun()
    told = solution(graph, "a.0", "42", text="<|continue|>x\nAnswer: 42<|reflect|>It fits.")
    assert give(OutcomeReward(), graph, told) == 1


def test_a_critique_is_rewarded_for_agreeing_with_the_grade() -> None:
    graph = begun()
    right, wrong = solution(graph, "a.0", "42"), solution(graph, "a.1", "41")
    said = [
        critique(graph, "c.0", right, True),
        critique(graph, "c.1", wrong, True),
        critique(graph, "c.2", wrong, False),
        critique(graph, "c.3", right, None),
    ]
    assert [give(AgreementReward(), graph, c) for c in said] == [1, 0, 1, 0]
    assert give(AgreementReward(), graph, right) is None


def test_the_format_is_what_can_be_read_and_was_not_cut() -> None:
    graph = begun()
    kept, lost = solution(graph, "a.0", "1"), solution(graph, "a.1", None)
    cut = solution(graph, "a.2", "1", finish="length")
    chain = solution(graph, "a.3", "1", text="<|continue|>6 * 7 = 42\nAnswer: 42")
    assert [give(FormatReward(), graph, t) for t in (kept, lost, cut)] == [1, 0, 0]
    assert [give(FormatReward(coat=True), graph, t) for t in (kept, chain)] == [0, 1]
    said = [critique(graph, f"c.{i}", kept, accepts) for i, accepts in enumerate((False, None))]
    assert [give(FormatReward(), graph, c) for c in said] == [1, 0]
    assert give(FormatReward(), graph, graph.root) is None


def test_a_reflection_is_rewarded_by_what_it_began_from() -> None:
    graph = begun()
    wrong, right = solution(graph, "a.0", "41"), solution(graph, "a.1", "42")
    mended = solution(graph, "r.0", "42", parents=[wrong], relation=Relation.REFINES)
    spoilt = solution(graph, "r.1", "41", parents=[right], relation=Relation.REFINES)
    left = solution(graph, "r.2", "42", parents=[right], relation=Relation.REFINES)
    merged = solution(graph, "r.3", "42", parents=[wrong, right], relation=Relation.AGGREGATES)
    reward = ReflectionReward()
    given = [give(reward, graph, t) for t in (mended, spoilt, left, right, merged)]
    assert given == [0.5, -0.5, 0, 0, 0]


def test_a_restart_is_known_by_its_problem_and_the_text_it_was_given() -> None:
    graph = begun()
    id_ = graph.problem.id
    reward = ReflectionReward(
        0.25,
        {
            (id_, "41<|reflect|>"): False,
            (id_, "42<|reflect|>"): True,
            ("another", "41<|reflect|>"): True,
        },
    )
    mended = solution(graph, "a.0", "42", prefix="41<|reflect|>")
    spoilt = solution(graph, "a.1", "41", prefix="42<|reflect|>")
    begun_anew = solution(graph, "a.2", "42")
    given = [give(reward, graph, t) for t in (mended, spoilt, begun_anew)]
    assert given == [0.25, -0.25, 0]


def test_length_is_compared_within_the_group_in_one_graph_or_in_several() -> None:
    graph = begun()
    short = solution(graph, "a.0", "42", tokens=100)
    middle = solution(graph, "a.1", "42", tokens=200)
    long = solution(graph, "a.2", "42", tokens=300)
    wrong = solution(graph, "a.3", "41", tokens=100)
    every = (short, middle, long, wrong)
    assert [give(LengthReward(), graph, t) for t in every] == [0.5, 0, -0.5, 0]

    graphs = [begun() for _ in range(3)]
    members = [
        Member(g, solution(g, "a.0", "42", tokens=n))
        for g, n in zip(graphs, (10, 20, 30), strict=True)
    ]
    assert asyncio.run(LengthReward().of_group(members)) == [0.5, 0, -0.5]
    failed = Member(graphs[0], solution(graphs[0], "a.1", None, text=""))
    failed.thought.error = "EngineUnavailable: no"
    assert asyncio.run(LengthReward().of_group([failed, *members])) == [None, 0.5, 0, -0.5]


def test_what_is_overlong_pays_for_it() -> None:
    graph = begun()
    penalty = OverlongPenalty(limit=100, cache=20)
    told = [solution(graph, f"a.{n}", "1", tokens=n) for n in (80, 90, 120)]
    assert [give(penalty, graph, t) for t in told] == [0, -0.5, -1]
    with pytest.raises(ConfigError, match="cache"):
        OverlongPenalty(limit=10, cache=20)


def rating(*scores: float, process: bool = False) -> Scripted:
    return Scripted(["-"], reward=lambda _r, _s: scores, rates="process" if process else "outcome")


def test_reward_models_rate_the_whole_or_the_steps() -> None:
    graph = begun()
    whole = solution(graph, "a.0", "42", text="6 * 7\n\nAnswer: 42")
    orm = rating(0.8)
    assert give(ModelReward(cg.Verifier(orm), orm), graph, whole) == 0.8
    prm = rating(0.9, 0.4, process=True)
    assert give(ModelReward(cg.Verifier(prm, reduce="min"), prm), graph, whole) == 0.4
    assert whole.scores == {}
    with pytest.raises(ConfigError, match="does not rate"):
        ModelReward(cg.Verifier(Scripted(["-"])), Scripted(["-"]))


def test_a_reward_model_that_fails_gives_nothing() -> None:
    def refuse(_request: Request, _steps: Sequence[str]) -> Sequence[float]:
        raise EngineRefused("no")

    graph = begun()
    broken = Scripted(["-"], reward=refuse, rates="outcome")
    reward = ModelReward(cg.Verifier(broken), broken)
    assert give(reward, graph, solution(graph, "a.0", "42")) is None


def test_a_judge_sees_the_solution_and_not_the_reference_and_writes_no_score() -> None:
    seen: list[str] = []

    def reply(request: Request) -> str:
        seen.append(request.messages[-1].content)
        return ("Score: 0.9", "Score: 0.6", "hm")[request.sample]

    graph = ThoughtGraph.of(Problem(id="p", prompt="6 * 7?", reference="forty-two"))
    wrong = solution(graph, "a.0", "41")
    engine = Scripted(reply)
    assert give(JudgeReward(cg.Verifier(engine), engine, samples=3), graph, wrong) == 0.75
    assert "Answer: 41" in seen[0] and not any("forty-two" in text for text in seen)
    assert wrong.scores == {}


def test_a_judge_without_a_score_gives_nothing() -> None:
    graph = begun()
    engine = Scripted(["I cannot say"])
    assert (
        give(JudgeReward(cg.Verifier(engine), engine), graph, solution(graph, "a.0", "1")) is None
    )


def test_a_gate_asks_the_judge_only_about_what_keeps_the_format() -> None:
    graph = begun()
    engine = Scripted(["Score: 0.9"])
    gated = Gated(FormatReward(), JudgeReward(cg.Verifier(engine), engine))
    given = [give(gated, graph, solution(graph, f"a.{i}", a)) for i, a in enumerate(("1", None))]
    assert (given, engine.calls) == ([0.9, 0.0], 1)


def test_a_sum_weighs_its_parts_and_keeps_each() -> None:
    graph = begun()
    short, long = solution(graph, "a.0", "42", tokens=10), solution(graph, "a.1", "42", tokens=30)
    total = Weighted(
        (
            Part("outcome", OutcomeReward()),
            Part("format", FormatReward(), 0.1),
            Part("length", LengthReward(), 0.2),
        )
    )
    members = [Member(graph, short), Member(graph, long)]
    found = asyncio.run(total.of_members(members))
    assert found[0].parts == {"outcome": 1, "format": 1, "length": 0.5}
    assert [one.total for one in found] == pytest.approx([1.2, 1.0])
    assert give(total, graph, short) == pytest.approx(1.2)


def test_a_part_that_is_missing_or_fails_leaves_no_sum() -> None:
    async def nothing(_graph: ThoughtGraph, _thought: Thought) -> float | None:
        return None

    async def broken(_graph: ThoughtGraph, _thought: Thought) -> float | None:
        raise RuntimeError("no such word")

    async def infinite(_graph: ThoughtGraph, _thought: Thought) -> float | None:
        return math.inf

    graph = begun()
    one = solution(graph, "a.0", "42")
    for bad in (nothing, broken):
        total = Weighted((Part("outcome", OutcomeReward()), Part("bad", bad)))
        [found] = asyncio.run(total.of_members([Member(graph, one)]))
        assert (found.total, found.parts) == (None, {"outcome": 1, "bad": None})
    assert found.error == "bad: RuntimeError: no such word"
    assert give(Weighted((Part("x", infinite, -1.0),)), graph, one) == -math.inf


def test_sums_that_cannot_be_are_refused() -> None:
    for parts in ((), (Part("a", OutcomeReward()), Part("a", FormatReward()))):
        with pytest.raises(ConfigError, match="own name"):
            Weighted(parts)
    with pytest.raises(ConfigError, match="weight"):
        Weighted((Part("a", OutcomeReward(), math.nan),))


def test_a_part_is_of_whoever_has_a_say_in_it() -> None:
    async def own(_graph: ThoughtGraph, _thought: Thought) -> float | None:
        return 1.0

    engine, orm = Scripted(["Score: 1"]), rating(0.5)
    judge = JudgeReward(cg.Verifier(engine), engine)
    inner = Weighted((Part("outcome", OutcomeReward()), Part("judge", judge)))
    kinds = {
        Part("a", OutcomeReward()).kind: "rule",
        Part("b", own).kind: "own",
        Part("c", ModelReward(cg.Verifier(orm), orm)).kind: "model",
        Part("d", Gated(FormatReward(), judge)).kind: "judge",
    }
    assert all(found == expected for found, expected in kinds.items())
    nested = Part("e", Gated(FormatReward(), inner))
    assert (nested.kind, nested.audits) == ("judge", (None,))


def test_satoris_sum_is_its_formula() -> None:
    graph = begun()
    wrong = solution(graph, "a.0", "41")
    mended = solution(graph, "r.0", "42", parents=[wrong], relation=Relation.REFINES)
    orm = rating(1 / (1 + math.exp(-0.7)))
    total = satori_sum(ModelReward(cg.Verifier(orm), orm))
    assert give(total, graph, wrong) == pytest.approx(satori_reward(False, 0.7))
    assert give(total, graph, mended) == pytest.approx(satori_reward(True, 0.7, 0.5))
    unrated = satori_sum(None)
    assert (give(unrated, graph, wrong), give(unrated, graph, mended)) == (-1.0, 0.5)
