"""Beam search and DVTS on planted trees: what is kept, what is dropped, who waits for whom."""

import asyncio

import pytest
from planted import PROBLEM, Planted, think

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import ThoughtKind
from cogitate.graphs.strategies.beam_search import DVTS, BeamSearch
from cogitate.inference import Request

LURE = {
    "": ["lure\n\n", "plain\n\n", "poor\n\n", "bad\n\n"],
    "lure\n\n": ["stuck\n\n", "lost\n\n"],
    "plain\n\n": ["good\n\n", "bad\n\n"],
    "lure\n\nstuck\n\n": ["Answer: 41"],
    "lure\n\nlost\n\n": ["Answer: 40"],
    "plain\n\ngood\n\n": ["Answer: 42"],
    "plain\n\nbad\n\n": ["Answer: 39"],
}
"""The first step with the highest score leads nowhere."""
LURE_SCORES = {
    "lure": 0.6,
    "plain": 0.5,
    "poor": 0.2,
    "bad": 0.1,
    "lure\n\nstuck": 0.3,
    "lure\n\nlost": 0.2,
    "plain\n\ngood": 0.9,
    "plain\n\nbad": 0.1,
    "lure\n\nstuck\n\nAnswer: 41": 0.2,
    "lure\n\nlost\n\nAnswer: 40": 0.2,
    "plain\n\ngood\n\nAnswer: 42": 0.95,
    "plain\n\nbad\n\nAnswer: 39": 0.1,
}


def test_a_beam_finds_the_planted_path_and_greedy_search_misses_it() -> None:
    beam = think(BeamSearch(beams=2, expand=2), Planted(LURE), LURE_SCORES)
    greedy = think(BeamSearch(beams=1, expand=2), Planted(LURE), LURE_SCORES)
    assert beam.answer == "42"
    assert greedy.answer == "41"
    assert beam.thought is not None
    assert beam.thought.scores == {"function": 0.95}


def test_first_all_places_are_filled_then_each_beam_is_expanded() -> None:
    model = Planted(LURE)
    think(BeamSearch(beams=2, expand=2), model, LURE_SCORES)
    assert model.asked == [
        ("step", "", 4),
        ("step", "lure", 2),
        ("step", "plain", 2),
        ("step", "plain\n\ngood", 2),
        ("step", "lure\n\nstuck", 2),
    ]


def test_at_its_depth_what_is_open_is_written_to_its_end() -> None:
    model = Planted(LURE | {"lure\n\n": ["Answer: 41"], "plain\n\n": ["good\n\nAnswer: 42"]})
    scores = LURE_SCORES | {"lure\n\nAnswer: 41": 0.2}
    result = think(BeamSearch(beams=2, expand=2, depth=1), model, scores)
    assert result.answer == "42"
    assert model.asked == [("step", "", 4), ("finish", "lure", 1), ("finish", "plain", 1)]


def test_a_path_is_worth_its_last_step_not_a_product_of_its_steps() -> None:
    model = Planted({"": ["a\n\n", "b\n\n"], "a\n\n": ["Answer: 1"], "b\n\n": ["Answer: 2"]})
    scores = {"a": 0.9, "b": 0.2, "a\n\nAnswer: 1": 0.4, "b\n\nAnswer: 2": 0.5}
    # products: 0.36 against 0.10; last steps: 0.4 against 0.5
    assert think(BeamSearch(beams=2, expand=1), model, scores).answer == "2"


def test_what_finished_early_stays_a_candidate_and_takes_no_place_in_the_beam() -> None:
    model = Planted({"": ["Answer: 7", "a\n\n"], "a\n\n": ["b\n\n"], "a\n\nb\n\n": ["Answer: 8"]})
    scores = {"Answer: 7": 0.8, "a": 0.1, "a\n\nb": 0.1, "a\n\nb\n\nAnswer: 8": 0.3}
    result = think(BeamSearch(beams=1, expand=2), model, scores)
    assert result.answer == "7"
    assert {t.answer for t in result.graph.thoughts(ThoughtKind.SOLUTION)} == {"7", "8"}


@pytest.mark.parametrize(("weighted", "answer"), [(True, "1"), (False, "2")])
def test_the_paper_sums_scores_over_equal_answers(weighted: bool, answer: str) -> None:
    model = Planted({"": ["So.\nAnswer: 1", "Thus.\nAnswer: 1.0", "Answer: 2"]})
    scores = {"So.\nAnswer: 1": 0.4, "Thus.\nAnswer: 1.0": 0.4, "Answer: 2": 0.7}
    result = think(BeamSearch(beams=3, expand=1, weighted=weighted), model, scores)
    assert result.answer == answer


def test_equal_steps_after_one_beginning_are_one_candidate() -> None:
    model = Planted(
        {"": ["a\n\n", "a\n\n", "b\n\n"], "a\n\n": ["Answer: 1"], "b\n\n": ["Answer: 2"]}
    )
    scores = {"a": 0.9, "b": 0.2, "a\n\nAnswer: 1": 0.4, "b\n\nAnswer: 2": 0.5}
    assert think(BeamSearch(beams=2, expand=2, weighted=False), model, scores).answer == "2"


def test_a_beam_whose_continuation_fails_leaves_the_others() -> None:
    async def refuse(request: Request) -> None:
        if request.prefix and request.prefix.text == "lure\n\n":
            raise EngineRefused("no more")

    result = think(BeamSearch(beams=2, expand=2), Planted(LURE, before=refuse), LURE_SCORES)
    assert result.answer == "42"
    assert result.errors == ["EngineRefused: no more"]


def test_an_end_that_was_not_written_is_no_candidate() -> None:
    async def refuse(request: Request) -> None:
        if request.prefix and request.prefix.text == "b\n\n":
            raise EngineRefused("no more")

    pieces = {"": ["b\n\n", "a\n\n"], "a\n\n": ["no answer"]}
    scores = {"b": 0.5, "a": 0.5, "a\n\nno answer": 0.0}
    for search in (BeamSearch(beams=2, expand=1, depth=1), DVTS(beams=2, expand=1, depth=1)):
        ends: list[cg.Thought | None] = []

        async def noting(
            d: cg.Deliberation, search: cg.Strategy = search, ends: list[cg.Thought | None] = ends
        ) -> cg.Thought | None:
            ends.append(await search(d))
            return ends[0]

        think(noting, Planted(pieces, before=refuse), scores)
        assert ends[0] is not None
        assert ends[0].text == "a\n\nno answer"


def test_where_all_fails_there_is_no_thought() -> None:
    async def refuse(_request: Request) -> None:
        raise EngineRefused("no more")

    for search in (BeamSearch(), DVTS()):
        assert think(search, Planted({}, before=refuse), {}).thought is None


def test_out_of_budget_the_best_scored_solution_so_far_is_the_result() -> None:
    model = Planted({"": ["Answer: 6", "Answer: 7", "a\n\n", "b\n\n"], "a\n\n": ["c\n\n"]})
    scores = {"Answer: 6": 0.3, "Answer: 7": 0.8, "a": 0.9, "b": 0.1, "a\n\nc": 0.9}
    result = think(BeamSearch(beams=1, expand=4), model, scores, budget=cg.Budget(calls=5))
    assert (result.answer, result.stopped) == ("7", "calls")


def test_a_grader_cannot_guide_a_search_over_steps() -> None:
    team = cg.Team(cg.Generator(Planted(LURE)), verifier=cg.tasks.NumericGrader())
    with pytest.raises(cg.ConfigError, match="give the team another verifier"):
        cg.solve(PROBLEM, team, BeamSearch(beams=1, expand=1))


APART = {
    "": ["a\n\n", "b\n\n", "c\n\n", "d\n\n"],
    "a\n\n": ["a1\n\n"],
    "a\n\na1\n\n": ["Answer: 1"],
    "b\n\n": ["Answer: 2"],
    "c\n\n": ["c1\n\n"],
    "c\n\nc1\n\n": ["Answer: 3"],
}
APART_SCORES = {
    "a": 0.9,
    "b": 0.8,
    "c": 0.3,
    "d": 0.2,
    "a\n\na1": 0.5,
    "a\n\na1\n\nAnswer: 1": 0.4,
    "b\n\nAnswer: 2": 0.3,
    "c\n\nc1": 0.6,
    "c\n\nc1\n\nAnswer: 3": 0.95,
}


def test_sub_trees_do_not_compete_for_places() -> None:
    kept = Planted(APART)
    assert think(BeamSearch(beams=2, expand=2), kept, APART_SCORES).answer == "1"
    assert {begun for _, begun, _ in kept.asked} == {"", "a", "b", "a\n\na1"}
    apart = Planted(APART)
    assert think(DVTS(beams=2, expand=2), apart, APART_SCORES).answer == "3"
    assert {begun for _, begun, _ in apart.asked} == {"", "a", "c", "a\n\na1", "c\n\nc1"}


def test_the_first_steps_of_all_sub_trees_are_one_request() -> None:
    model = Planted(APART)
    think(DVTS(beams=2, expand=2), model, APART_SCORES)
    assert model.asked[0] == ("step", "", 4)


def test_a_sub_tree_waits_for_no_other() -> None:
    done = asyncio.Event()

    async def slow_first_tree(request: Request) -> None:
        begun = request.prefix.text if request.prefix else ""
        if begun == "c\n\nc1\n\n":
            done.set()
        elif begun == "a\n\n":
            await done.wait()

    model = Planted(APART, before=slow_first_tree)
    assert think(DVTS(beams=2, expand=2), model, APART_SCORES).answer == "3"


def test_a_sub_tree_ends_where_its_best_child_is_a_solution() -> None:
    model = Planted({"": ["a\n\n", "Answer: 5"]})
    result = think(DVTS(beams=1, expand=2), model, {"a": 0.4, "Answer: 5": 0.6})
    assert result.answer == "5"
    assert len(model.asked) == 1


def test_a_sub_tree_at_its_depth_is_written_to_its_end() -> None:
    model = Planted(APART | {"a\n\n": ["a1\n\nAnswer: 1"], "c\n\n": ["c1\n\nAnswer: 3"]})
    assert think(DVTS(beams=2, expand=2, depth=1), model, APART_SCORES).answer == "3"
    assert model.asked[1:] == [("finish", "a", 1), ("finish", "c", 1)]


@pytest.mark.parametrize("search", [BeamSearch, DVTS])
@pytest.mark.parametrize("wrong", [{"beams": 0}, {"expand": 0}, {"depth": 0}, {"separator": ""}])
def test_a_search_without_width_depth_or_steps_is_refused(search, wrong) -> None:
    with pytest.raises(cg.ConfigError, match="at least 1"):
        search(**wrong)
