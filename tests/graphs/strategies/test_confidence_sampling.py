"""Confidence sampling: which thought the log-probabilities choose, worked by hand."""

import asyncio
import math
import random

import pytest
from planted import PROBLEM, Planted, sure, think

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import ThoughtKind
from cogitate.graphs.strategies.confidence_sampling import ConfidenceSampling
from cogitate.inference import Completion, Request, Scripted


def said(answer: str, *logprobs: float) -> Completion:
    return sure(f"Answer: {answer}", *logprobs)


def step(text: str, *logprobs: float) -> Completion:
    return sure(text, *logprobs, stop="\n\n")


def test_the_highest_mean_over_tokens_is_selected_not_the_highest_sum() -> None:
    # sums: -0.5, -0.6, -0.9; means: -0.5, -0.3, -0.225
    model = Planted({"": [said("1", -0.5), said("2", -0.2, -0.4), said("3", *[-0.225] * 4)]})
    result = think(ConfidenceSampling(n=3), model, {})
    assert result.answer == "3"
    kept = {t.answer: t.scores for t in result.graph.thoughts(ThoughtKind.SOLUTION)}
    assert kept == {
        "1": {"confidence": pytest.approx(math.exp(-0.5))},
        "2": {"confidence": pytest.approx(math.exp(-0.3))},
        "3": {"confidence": pytest.approx(math.exp(-0.225))},
    }


@pytest.mark.parametrize("mode", ["select", "guide", "think-longer", "hand-over"])
def test_an_engine_without_log_probabilities_is_refused(mode) -> None:
    engines = [Scripted(["Answer: 1"]), Scripted(["Answer: 2"])]
    team = cg.Team([cg.Generator(engine) for engine in engines])
    with pytest.raises(cg.ConfigError, match=r"scripted/script tells none: use an engine that"):
        cg.solve(PROBLEM, team, ConfidenceSampling(n=2, mode=mode))


def test_a_failed_sample_is_never_selected() -> None:
    async def refuse(_request: Request) -> None:
        raise EngineRefused("no more")

    result = think(ConfidenceSampling(), Planted({}, before=refuse), {})
    assert result.thought is None


FOREST = {
    "": [step("a", -0.1, -0.3), step("b", -0.3)],
    "a\n\n": [step("c", -0.35), said("1", -2.0)],
    "b\n\n": [said("2", -0.25)],
    "a\n\nc\n\n": [step("d", -5.0), said("3", -0.65)],
}
"""Means of whole paths: a -0.2, b -0.3, a c -0.25, a 1 -0.8, a c 3 -0.35, b 2 -0.275."""


def begun(model: Planted) -> list[str]:
    return [begun for _, begun, _ in model.asked]


def test_the_frontier_is_expanded_in_order_of_the_confidence_of_whole_paths() -> None:
    model = Planted(FOREST)
    result = think(ConfidenceSampling(mode="guide", n=9, expand=2), model, {})
    # `a c` goes before `b`, although its own step alone (-0.35) is less sure
    assert begun(model) == ["", "a", "a\n\nc", "b"]
    assert result.answer == "2"
    assert result.thought is not None
    assert result.thought.scores["confidence"] == pytest.approx(math.exp(-0.275))


def test_it_stops_where_a_solution_is_surer_than_all_that_is_open() -> None:
    model = Planted({"": [step("a", -0.5), said("1", -0.4)]})
    result = think(ConfidenceSampling(mode="guide", n=9, expand=2), model, {})
    assert result.answer == "1"
    assert len(model.requests) == 1


def test_a_solution_less_sure_than_the_frontier_waits() -> None:
    model = Planted({"": [step("a", -0.2), said("1", -0.4)], "a\n\n": [said("2", -0.3)]})
    result = think(ConfidenceSampling(mode="guide", n=9, expand=2), model, {})
    assert result.answer == "2"
    assert begun(model) == ["", "a"]


def test_after_n_expansions_the_surest_partial_solution_is_written_to_its_end() -> None:
    model = Planted(
        {
            "": [step("a", -0.2), step("b", -0.3)],
            "a\n\n": [step("c", -0.9)],
            "b\n\n": [said("2", -0.3)],
        }
    )
    result = think(ConfidenceSampling(mode="guide", n=2, expand=2), model, {})
    assert result.answer == "2"
    assert model.asked == [("step", "", 2), ("step", "a", 2), ("finish", "b", 1)]


def test_a_doubtful_solution_does_not_spare_the_surest_partial_one_its_end() -> None:
    model = Planted({"": [step("a", -0.2), said("1", -0.9)], "a\n\n": [said("2", -0.3)]})
    result = think(ConfidenceSampling(mode="guide", n=1, expand=2), model, {})
    assert result.answer == "2"
    assert model.asked == [("step", "", 2), ("finish", "a", 1)]


def test_expansions_under_way_together_give_one_graph_whatever_comes_first() -> None:
    def graph(parallel: int, seed: int) -> str:
        chance = random.Random(seed)

        async def wait(_request: Request) -> None:
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)

        pieces = {
            "": [step("a", -0.1), step("b", -0.2), step("c", -0.3)],
            "a\n\n": [step("d", -0.3), step("e", -0.5)],
            "b\n\n": [step("f", -0.1), step("g", -0.4)],
            "c\n\n": [said("3", -0.6)],
            "b\n\nf\n\n": [said("2", -0.4)],
            "a\n\nd\n\n": [said("1", -0.9)],
            "a\n\ne\n\n": [said("5", -0.9)],
            "b\n\ng\n\n": [said("6", -0.9)],
        }
        search = ConfidenceSampling(mode="guide", n=5, expand=3, parallel=parallel)
        return think(search, Planted(pieces, before=wait), {}).graph.to_json()

    for parallel in (1, 2, 3):
        assert len({graph(parallel, seed) for seed in range(6)}) == 1


class Doubter:
    """A generator whose i-th solution has the i-th confidence, as a log-probability."""

    def __init__(self, *logprobs: float) -> None:
        self.requests: list[Request] = []
        self._logprobs = logprobs
        self.engine = Scripted(self._reply)

    def _reply(self, request: Request) -> Completion:
        self.requests.append(request)
        number = len(self.requests)
        return said(str(number), self._logprobs[number - 1])


def solve(model: Doubter, **settings) -> cg.Result:
    return cg.solve(PROBLEM, cg.Team(cg.Generator(model.engine)), ConfidenceSampling(**settings))


def test_a_confident_solution_stands() -> None:
    model = Doubter(-0.1)
    assert solve(model, mode="think-longer", threshold=0.9).answer == "1"  # exp(-0.1) = 0.905
    assert len(model.requests) == 1


def test_a_doubtful_solution_is_thought_about_longer_until_one_is_confident() -> None:
    model = Doubter(-1.0, -0.5, -0.1, -0.01)
    result = solve(model, mode="think-longer", threshold=0.9)
    assert result.answer == "3"
    assert [request.operation for request in model.requests] == [
        "generate",
        "think longer",
        "think longer",
    ]
    assert all("Answer: 1" not in request.messages[-1].content for request in model.requests)
    assert result.thought is not None
    assert result.graph.parents(result.thought) == [result.graph.root]


def test_after_n_attempts_the_surest_is_returned() -> None:
    model = Doubter(-1.0, -0.5, -0.7)
    assert solve(model, mode="think-longer", threshold=0.9, n=3).answer == "2"
    assert len(model.requests) == 3


def hand_over(*logprobs: float, **settings) -> tuple[cg.Result, list[int]]:
    models = [Doubter(logprob) for logprob in logprobs]
    generators = [cg.Generator(model.engine, name=f"g{i}") for i, model in enumerate(models)]
    search = ConfidenceSampling(mode="hand-over", **settings)
    result = cg.solve(PROBLEM, cg.Team(generators), search)
    return result, [len(model.requests) for model in models]


def test_a_doubtful_solution_is_handed_over_to_the_next_generator() -> None:
    result, asked = hand_over(-1.0, -0.1, -0.01, threshold=0.9)
    assert asked == [1, 1, 0]
    assert result.thought is not None
    assert result.thought.agent == "g1"


def test_a_confident_solution_is_not_handed_over() -> None:
    result, asked = hand_over(-0.1, -0.1, threshold=0.9)
    assert asked == [1, 0]
    assert result.thought is not None
    assert result.thought.agent == "g0"


def test_the_last_generators_solution_stands_since_models_do_not_compare() -> None:
    result, asked = hand_over(-1.0, -2.0, threshold=0.9)
    assert asked == [1, 1]
    assert result.thought is not None
    assert result.thought.agent == "g1"


def test_the_last_generator_may_tell_no_log_probabilities() -> None:
    team = cg.Team([cg.Generator(Doubter(-1.0).engine), cg.Generator(Scripted(["Answer: 9"]))])
    assert cg.solve(PROBLEM, team, ConfidenceSampling(mode="hand-over")).answer == "9"


def test_the_generator_that_takes_over_can_be_named() -> None:
    _, asked = hand_over(-1.0, -1.0, -1.0, threshold=0.9, to="g2")
    assert asked == [1, 0, 1]


def test_a_failed_solution_is_handed_over() -> None:
    def refuse(_request: Request) -> str:
        raise EngineRefused("no more")

    second = Doubter(-3.0)
    team = cg.Team([cg.Generator(Scripted(refuse)), cg.Generator(second.engine)])
    assert cg.solve(PROBLEM, team, ConfidenceSampling(mode="hand-over")).answer == "1"


def test_a_hand_over_without_a_second_generator_is_refused_before_any_call() -> None:
    model = Doubter(-0.1)
    with pytest.raises(cg.ConfigError, match="needs a second generator"):
        solve(model, mode="hand-over")
    assert model.requests == []


def test_out_of_budget_the_most_confident_solution_so_far_is_the_result() -> None:
    model = Doubter(-1.0, -0.5, -0.7, -0.2)
    result = cg.solve(
        PROBLEM,
        cg.Team(cg.Generator(model.engine)),
        ConfidenceSampling(mode="think-longer", threshold=0.99),
        budget=cg.Budget(calls=3),
    )
    assert (result.answer, result.stopped) == ("2", "calls")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"expand": 0}, "at least 1"),
        ({"parallel": 0}, "at least 1"),
        ({"separator": ""}, "separator"),
        ({"threshold": 0.0}, "above 0 and at most 1"),
        ({"threshold": -0.5}, "above 0 and at most 1"),
    ],
)
def test_values_without_a_meaning_are_refused(wrong, message: str) -> None:
    with pytest.raises(cg.ConfigError, match=message):
        ConfidenceSampling(**wrong)
