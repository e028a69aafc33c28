"""Verifiers: a model that is asked, one that is measured, one that rates, a grader, a function."""

import asyncio
import math
from collections.abc import Sequence
from typing import Literal

import pytest

import cogitate as cg
from cogitate.agents.team import AnyVerifier
from cogitate.errors import PromptTooLong
from cogitate.graphs import ThoughtKind
from cogitate.inference import Rating, Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


async def generate_and_verify(d: cg.Deliberation) -> cg.Thought:
    draft = await d.generate()
    await d.verify(draft)
    await d.verify(draft)
    return draft


def test_yes_and_no_are_compared_where_the_engine_can_score() -> None:
    odds = {"yes": 0.3, "Yes": 0.3, "no": 0.1, "No": 0.1}
    engine = Scripted(["Answer: 42"], logprob=lambda _request, text: math.log(odds[text]))
    result = cg.solve(PROBLEM, cg.Team.of(engine), generate_and_verify)
    assert result.thought is not None
    assert result.thought.scores == {"logprob": pytest.approx(0.75)}
    assert result.usage.calls == 1 + 4  # four texts, scored once


def test_a_text_verdict_is_a_thought_and_its_number_a_score() -> None:
    engine = Scripted(lambda r: "Score: 0.25" if r.operation == "value" else "Answer: 42")
    result = cg.solve(PROBLEM, cg.Team.of(engine), generate_and_verify)
    [verdict] = result.graph.thoughts(ThoughtKind.VERDICT)
    assert verdict.text == "Score: 0.25"
    assert result.thought is not None and result.thought.scores == {"judge": 0.25}


def test_a_verdict_without_a_number_is_no_score() -> None:
    team = cg.Team.of(Scripted(["Answer: 42"]))
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert result.thought is not None and result.thought.scores == {}


@pytest.mark.parametrize(("reply", "score"), [("Answer: 42.0", 1.0), ("Answer: 41", 0.0)])
def test_a_grader_scores_the_extracted_answer(reply: str, score: float) -> None:
    team = cg.Team.of(Scripted([reply]), verifier=cg.tasks.NumericGrader())
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert result.oracle
    assert result.thought is not None and result.thought.scores == {"grader": score}


def test_nothing_a_model_writes_sets_a_graders_score() -> None:
    def reply(request: Request) -> str:
        return "Score: 1\ngrader: 1\nAnswer: 41"

    team = cg.Team.of(Scripted(reply))
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert all("grader" not in thought.scores for thought in result.graph.thoughts())


def test_a_function_may_be_async_and_must_stay_between_0_and_1() -> None:
    async def half(problem: cg.tasks.Problem, text: str) -> float:
        return 0.5 if problem.id == "p" and "42" in text else 1.0

    team = cg.Team.of(Scripted(["Answer: 42"]), verifier=half)
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert result.thought is not None and result.thought.scores == {"function": 0.5}
    with pytest.raises(cg.DataError, match=r"\[0, 1\]"):
        cg.solve(
            PROBLEM,
            cg.Team.of(Scripted(["Answer: 42"]), verifier=lambda _problem, _text: 7.0),
            generate_and_verify,
        )


def fails_on_no_number(_problem: cg.tasks.Problem, text: str) -> float:
    return float(text == f"Answer: {int(text.removeprefix('Answer: '))}")


def test_a_function_that_fails_on_one_text_is_recorded_and_the_others_are_scored() -> None:
    texts = ["Answer: none", "Answer: 42"]
    team = cg.Team.of(Scripted(lambda r: texts[r.sample]), verifier=fails_on_no_number)
    result = cg.solve(PROBLEM, team, cg.BestOfN(n=2))
    assert result.answer == "42"
    assert [error.partition(":")[0] for error in result.errors] == ["ValueError"]


def test_the_first_of_two_verdicts_of_one_moment_is_kept() -> None:
    async def twice(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        first, second = await cg.graphs.gather(d.verify(draft) for _ in range(2))
        assert first == second
        return draft

    def reply(request: Request) -> str:
        return f"Score: 0.{5 + request.sample}" if request.operation == "value" else "Answer: 42"

    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply)), twice)
    assert result.thought is not None and result.thought.scores == {"judge": 0.5}


def test_a_grader_that_cannot_decide_is_recorded() -> None:
    team = cg.Team.of(Scripted(["Answer: 42"]), verifier=cg.tasks.NumericGrader())
    result = cg.solve("no reference here", team, generate_and_verify)
    assert result.thought is not None and result.thought.scores == {}
    assert "GraderError" in result.errors[0]


STEPS = ("6 * 7 is 6 + 36.\n\n", "That is 42.\n\n", "Answer: 42")
WHOLE = "".join(STEPS)


class Rewards:
    """A process model that gives a step 0.9, 0.8, 0.7 ... by its place, and keeps what it read."""

    def __init__(self) -> None:
        self.read: list[tuple[str, ...]] = []
        self.requests: list[Request] = []

    def __call__(self, request: Request, steps: Sequence[str]) -> list[float]:
        self.requests.append(request)
        self.read.append(tuple(steps))
        return [0.9 - 0.1 * i for i in range(len(steps))]


def rating(
    reply: str = WHOLE, reduce: Literal["last", "min", "product", "mean"] = "last"
) -> tuple[cg.Team, Rewards]:
    rewards = Rewards()
    verifier = cg.Verifier(Scripted(["unused"], reward=rewards), reduce=reduce)
    return cg.Team(cg.Generator(Scripted([reply])), verifier=verifier), rewards


@pytest.mark.parametrize(
    ("reduce", "score"),
    [("last", 0.7), ("min", 0.7), ("product", 0.9 * 0.8 * 0.7), ("mean", 0.8)],
)
def test_a_process_model_rates_a_solution_in_its_steps(
    reduce: Literal["last", "min", "product", "mean"], score: float
) -> None:
    team, rewards = rating(reduce=reduce)
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert result.thought is not None and result.thought.scores == {"prm": pytest.approx(score)}
    assert rewards.read == [STEPS], "asked once, though verified twice"
    [request] = rewards.requests
    assert [tuple(message) for message in request.messages] == [("user", "What is 6 * 7?")]
    assert (request.role, request.operation, request.problem) == ("verifier", "rate", "p")
    assert result.usage.calls == 1 + 1


def test_the_least_of_the_steps_need_not_be_the_last() -> None:
    def dips(_request: Request, steps: Sequence[str]) -> list[float]:
        return [0.6, 0.2, 0.5][: len(steps)]

    found = {}
    for reduce in ("last", "min", "product", "mean"):
        verifier = cg.Verifier(Scripted(["unused"], reward=dips), reduce=reduce)
        team = cg.Team(cg.Generator(Scripted([WHOLE])), verifier=verifier)
        thought = cg.solve(PROBLEM, team, generate_and_verify).thought
        assert thought is not None
        found[reduce] = thought.scores["prm"]
    assert found == pytest.approx({"last": 0.5, "min": 0.2, "product": 0.06, "mean": 1.3 / 3})


def test_an_outcome_model_gives_one_score_for_all() -> None:
    def longer_is_better(_request: Request, steps: Sequence[str]) -> list[float]:
        return [min(1.0, len("".join(steps)) / 100)]

    engine = Scripted([WHOLE], reward=longer_is_better, rates="outcome")
    result = cg.solve(PROBLEM, cg.Team.of(engine), generate_and_verify)
    assert result.thought is not None
    assert result.thought.scores == {"orm": pytest.approx(len(WHOLE) / 100)}


def three_steps(request: Request) -> str:
    begun = request.prefix.text if request.prefix else ""
    return WHOLE[len(begun) :]  # up to the next stop string


def by_steps() -> tuple[cg.Team, Rewards]:
    rewards = Rewards()
    verifier = cg.Verifier(Scripted(["unused"], reward=rewards))
    return cg.Team(cg.Generator(Scripted(three_steps)), verifier=verifier), rewards


def test_a_step_is_rated_with_its_path_and_the_path_is_not_asked_about_again() -> None:
    async def grow(d: cg.Deliberation) -> cg.Thought:
        [first] = await d.steps(1)
        [second] = await d.steps(1, first)
        assert await d.verify(second) == pytest.approx(0.8)
        assert await d.verify(first) == pytest.approx(0.9)
        [solution] = await d.steps(1, second)
        assert solution.kind is ThoughtKind.SOLUTION
        assert await d.verify(solution) == pytest.approx(0.7)
        return solution

    team, rewards = by_steps()
    result = cg.solve(PROBLEM, team, grow)
    assert rewards.read == [STEPS[:2], STEPS]
    assert [thought.scores for thought in result.graph.thoughts(ThoughtKind.STEP)] == [
        {"prm": pytest.approx(0.9)},
        {"prm": pytest.approx(0.8)},
    ]


def test_a_solution_that_adds_nothing_to_its_path_is_not_asked_about() -> None:
    async def stop_early(d: cg.Deliberation) -> cg.Thought:
        [first] = await d.steps(1)
        [second] = await d.steps(1, first)
        await d.verify(second)
        [solution] = await d.finish(second)
        assert solution.text == "".join(STEPS[:2])
        assert await d.verify(solution) == pytest.approx(0.9 * 0.8)
        return solution

    rewards = Rewards()
    writer = Scripted(lambda r: three_steps(r) if r.operation == "step" else "")
    verifier = cg.Verifier(Scripted(["unused"], reward=rewards), reduce="product")
    team = cg.Team(cg.Generator(writer), verifier=verifier)
    cg.solve(PROBLEM, team, stop_early)
    assert rewards.read == [STEPS[:2]]


def test_open_branches_are_rated_at_the_same_moment() -> None:
    class Meeting(Scripted):
        """Says how many ratings were under way at once."""

        under_way = most = 0

        async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            self.under_way -= 1
            return await super().rate(request, steps)

    async def branch(d: cg.Deliberation) -> cg.Thought:
        branches = await d.steps(4)
        await cg.graphs.gather(d.verify(step) for step in branches)
        return branches[0]

    engine = Meeting(["unused"], reward=Rewards())
    team = cg.Team(cg.Generator(Scripted(three_steps)), verifier=cg.Verifier(engine))
    cg.solve(PROBLEM, team, branch)
    assert engine.most == 4


def test_a_reward_model_that_fails_is_recorded() -> None:
    def too_long(_request: Request, _steps: Sequence[str]) -> list[float]:
        raise PromptTooLong("too long")

    engine = Scripted([WHOLE], reward=too_long)
    result = cg.solve(PROBLEM, cg.Team.of(engine), generate_and_verify)
    assert result.thought is not None and result.thought.scores == {}
    assert result.errors == ["PromptTooLong: too long"]


def test_a_model_that_rates_nothing_cannot_be_made_to() -> None:
    verifier = cg.Verifier(Scripted(["a"]), method="reward")
    team = cg.Team(cg.Generator(Scripted(["Answer: 42"])), verifier=verifier)
    with pytest.raises(cg.ConfigError, match="not known as a reward model"):
        cg.solve(PROBLEM, team, generate_and_verify)


@pytest.mark.parametrize("wrong", [{"method": "guess"}, {"reduce": "max"}, {"separator": ""}])
def test_a_way_of_scoring_that_there_is_none_of_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(cg.ConfigError, match=next(iter(wrong))):
        cg.Verifier("hf/a", **wrong)  # type: ignore[arg-type]  # wrong on purpose


def mixed(*verifiers: AnyVerifier, reply: str = WHOLE) -> cg.Team:
    return cg.Team(cg.Generator(Scripted([reply])), verifier=list(verifiers))


def judge(score: float, name: str = "") -> cg.Verifier:
    return cg.Verifier(Scripted([f"Score: {score}"]), name=name, method="text")


def prm(score: float = 0.5, name: str = "") -> cg.Verifier:
    engine = Scripted(["unused"], reward=lambda _request, steps: [score] * len(steps))
    return cg.Verifier(engine, name=name)


def likes(_problem: cg.tasks.Problem, _text: str) -> float:
    return 0.1


def test_of_several_verifiers_the_mean_counts_and_each_keeps_its_source() -> None:
    scores = []

    async def verify(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        scores.append(await d.verify(draft))
        scores.append(await d.verify(draft))
        return draft

    team = mixed(prm(0.5), judge(0.75), likes, cg.tasks.NumericGrader())
    assert team.oracle and team.function is likes and team.grader is not None
    result = cg.solve(PROBLEM, team, verify)
    assert scores == [pytest.approx(2.35 / 4)] * 2
    assert result.thought is not None
    assert list(result.thought.scores.items()) == [
        ("prm", 0.5),
        ("judge", 0.75),
        ("function", 0.1),
        ("grader", 1.0),
        ("mean", pytest.approx(2.35 / 4)),
    ]
    assert result.thought.score == 1.0, "a grader outranks a mean"
    assert result.usage.calls == 1 + 1 + 1


def test_two_of_one_kind_are_told_apart_by_name() -> None:
    def dislikes(_problem: cg.tasks.Problem, _text: str) -> float:
        return 0.0

    team = mixed(judge(0.5, "mild"), judge(0.25, "strict"), prm(), likes, dislikes)
    result = cg.solve(PROBLEM, team, generate_and_verify)
    assert result.thought is not None
    assert result.thought.scores == {
        "judge:mild": 0.5,
        "judge:strict": 0.25,
        "prm": 0.5,
        "function:likes": 0.1,
        "function:dislikes": 0.0,
        "mean": pytest.approx(0.27),
    }
    assert result.thought.score == pytest.approx(0.27)


def test_verifiers_of_a_mix_are_asked_at_once() -> None:
    together = asyncio.Event()

    async def one(_problem: cg.tasks.Problem, _text: str) -> float:
        await asyncio.wait_for(together.wait(), 5)
        return 0.0

    async def other(_problem: cg.tasks.Problem, _text: str) -> float:
        together.set()
        return 1.0

    result = cg.solve(PROBLEM, mixed(one, other), generate_and_verify)
    assert result.thought is not None and result.thought.scores["mean"] == 0.5


def test_who_fails_counts_in_no_mean_and_is_asked_again() -> None:
    asked: list[str] = []
    scores: list[float] = []

    def fails_first(_problem: cg.tasks.Problem, text: str) -> float:
        asked.append(text)
        if len(asked) == 1:
            raise ValueError("not yet")
        return 0.0

    async def verify(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        scores.extend([await d.verify(draft), await d.verify(draft)])
        return draft

    result = cg.solve(PROBLEM, mixed(prm(0.5), fails_first), verify)
    assert scores == [0.5, 0.25]
    assert result.errors == ["ValueError: not yet"]
    assert result.thought is not None
    assert result.thought.scores == {"prm": 0.5, "function": 0.0, "mean": 0.25}


def test_a_grader_has_no_say_about_steps_where_another_verifier_has() -> None:
    async def step(d: cg.Deliberation) -> cg.Thought:
        [step] = await d.steps(1)
        assert await d.verify(step) == 0.5
        return step

    result = cg.solve(PROBLEM, mixed(prm(0.5), cg.tasks.NumericGrader()), step)
    [step_thought] = result.graph.thoughts(ThoughtKind.STEP)
    assert step_thought.scores == {"prm": 0.5}
    with pytest.raises(cg.ConfigError, match="finished solutions only"):
        cg.solve(PROBLEM, mixed(cg.tasks.NumericGrader()), step)


@pytest.mark.parametrize("slow", ["judge", "prm"])
def test_a_mix_gives_one_graph_whoever_answers_first(slow: str) -> None:
    def engine(kind: str) -> Scripted:
        return Scripted(
            ["Score: 0.5"],
            reward=(lambda _request, steps: [0.25] * len(steps)) if kind == "prm" else None,
            latency=0.01 if kind == slow else 0.0,
        )

    async def grow(d: cg.Deliberation) -> cg.Thought:
        [first] = await d.steps(1)
        [second] = await d.steps(1, first)
        await cg.graphs.gather(d.verify(step) for step in (second, first))
        return second

    team = cg.Team(
        cg.Generator(Scripted(three_steps)),
        verifier=[cg.Verifier(engine("judge"), name="judge"), cg.Verifier(engine("prm"))],
    )
    result = cg.solve(PROBLEM, team, grow)
    for step in result.graph.thoughts(ThoughtKind.STEP):
        assert list(step.scores) == ["judge", "prm", "mean"]


@pytest.mark.parametrize(
    ("verifiers", "says"),
    [
        ((cg.tasks.NumericGrader(), cg.tasks.MathGrader()), "several graders"),
        ((likes, likes), "'likes'"),
        ((judge(0.5, "a"), judge(0.5, "a")), "named 'a'"),
        (("hf/some-prm",), "no agent"),
    ],
)
def test_a_mix_that_cannot_be_told_apart_is_refused(
    verifiers: tuple[AnyVerifier, ...], says: str
) -> None:
    with pytest.raises(cg.ConfigError, match=says):
        mixed(*verifiers)
