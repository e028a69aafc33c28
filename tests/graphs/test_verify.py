"""Verifiers: a model that is asked, a model that is measured, a grader, a function."""

import math

import pytest

import cogitate as cg
from cogitate.graphs import ThoughtKind
from cogitate.inference import Request, Scripted

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
