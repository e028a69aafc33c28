"""Particle filtering: weights and resampling by hand, then whole searches on planted trees."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Planted, think

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import Deliberation, ThoughtKind
from cogitate.graphs.strategies.particle_filtering import (
    ParticleFiltering,
    logit,
    softmax,
    systematic,
)
from cogitate.inference import Request

scores_of_particles = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_weights_are_the_softmax_of_logits() -> None:
    # odds 4, 1 and 1/4: of 21/4 in all
    assert softmax([logit(0.8), logit(0.5), logit(0.2)]) == pytest.approx([16 / 21, 4 / 21, 1 / 21])
    assert logit(0.8) == pytest.approx(math.log(4))


@given(scores_of_particles)
def test_weights_sum_to_one_for_any_scores(scores: list[float]) -> None:
    weights = softmax([logit(score) for score in scores])
    assert sum(weights) == pytest.approx(1)
    assert all(0 <= weight <= 1 for weight in weights)


def test_certain_scores_are_clipped_and_failures_weigh_nothing() -> None:
    assert logit(1.0) == pytest.approx(math.log(1e7), rel=1e-6) == -logit(0.0)
    assert softmax([logit(0.0), -math.inf]) == [1.0, 0.0]
    assert softmax([-math.inf, -math.inf]) == [0.5, 0.5]


def test_systematic_resampling_by_hand() -> None:
    # marks at (start + 0, 1, 2, 3) / 4 against the cumulated 0.6, 0.7, 1.0
    assert systematic([0.6, 0.1, 0.3], 4, 0.0) == [0, 0, 0, 2]  # 0, 0.25, 0.5, 0.75
    assert systematic([0.6, 0.1, 0.3], 4, 0.6) == [0, 0, 1, 2]  # 0.15, 0.4, 0.65, 0.9
    assert systematic([0.6, 0.1, 0.3], 1, 0.65) == [1]
    assert systematic([1.0, 0.0], 3, 0.9) == [0, 0, 0]


@given(scores_of_particles, st.integers(1, 20), st.floats(0, 1, exclude_max=True))
def test_each_comes_floor_or_ceiling_of_its_share(
    scores: list[float], n: int, start: float
) -> None:
    weights = softmax([logit(score) for score in scores])
    drawn = systematic(weights, n, start)
    assert len(drawn) == n
    assert drawn == sorted(drawn)
    for index, weight in enumerate(weights):
        assert math.floor(n * weight - 1e-9) <= drawn.count(index) <= math.ceil(n * weight + 1e-9)


def test_each_comes_by_its_weight_on_average() -> None:
    weights = [0.5, 0.3, 0.15, 0.05]
    drawn = [i for k in range(1000) for i in systematic(weights, 3, (k + 0.5) / 1000)]
    for index, weight in enumerate(weights):
        assert drawn.count(index) / 1000 == pytest.approx(3 * weight, abs=0.01)


TWO_KINDS = {
    "": ["a\n\n"] * 4 + ["b\n\n"] * 4,
    "a\n\n": ["Answer: 1"],
    "b\n\n": ["Answer: 2"],
}


def test_particles_at_one_place_ask_together_and_keep_their_number() -> None:
    model = Planted(TWO_KINDS)
    scores = {"a": 0.9, "b": 0.1, "a\n\nAnswer: 1": 0.5, "b\n\nAnswer: 2": 0.5}
    think(ParticleFiltering(particles=8), model, scores)
    # odds 9 and 1/9: each of four `a` has weight 81 / 328 and comes 8 * 0.247 = 1.98 times
    first, *then = model.asked
    assert first == ("step", "", 8)
    assert sum(n for _, _, n in then) == 8
    assert {(begun, n) for _, begun, n in then} <= {("a", 1), ("a", 2), ("b", 1)}
    assert sum(n for _, begun, n in then if begun == "a") >= 7
    places = [request.position for request in model.requests]
    assert len(set(places)) == len(places)


def test_weights_are_of_the_whole_prefix_and_not_accumulated() -> None:
    # `a` and `b` both survive the first step: each `b` has 0.077 of the weight, all four 8 * 0.31
    scores = {"a": 0.6, "b": 0.4, "a\n\nAnswer: 1": 0.5, "b\n\nAnswer: 2": 0.55}
    # accumulated, `a` would lead by logit(0.6) + 0 = 0.41 against logit(0.4) + 0.2 = -0.2
    for seed in range(5):
        result = think(ParticleFiltering(particles=8), Planted(TWO_KINDS), scores, seed=seed)
        assert result.answer == "2"


def test_resampling_forgets_what_a_prefix_was_worth_before() -> None:
    model = Planted(
        {
            "": ["a\n\n"] * 13 + ["b\n\n"] * 13,
            "a\n\n": ["c\n\n"],
            "b\n\n": ["d\n\n"],
            "a\n\nc\n\n": ["Answer: 1"],
            "b\n\nd\n\n": ["Answer: 2"],
        }
    )
    scores = {
        "a": 0.6,
        "b": 0.4,
        "a\n\nc": 0.5,
        "b\n\nd": 0.5,
        "a\n\nc\n\nAnswer: 1": 0.5,
        "b\n\nd\n\nAnswer: 2": 0.5,
    }
    think(ParticleFiltering(particles=26), model, scores)
    # 13 + 13, odds 3/2 and 2/3: `a` comes 26 * 9/13 = 18 times, `b` 8 times. Then all weigh alike;
    # accumulated, `a` would come 26 * (18 * 9) / (18 * 9 + 8 * 4) = 21.7 times.
    steps = dict.fromkeys((begun for _, begun, _ in model.asked), 0)
    for _, begun, n in model.asked:
        steps[begun] += n
    assert steps == {"": 26, "a": 18, "b": 8, "a\n\nc": 18, "b\n\nd": 8}


def test_a_finished_particle_keeps_its_weight_and_makes_no_calls() -> None:
    verified: list[str] = []
    model = Planted({"": ["Answer: 1", "a\n\n"], "a\n\n": ["b\n\n"], "a\n\nb\n\n": ["Answer: 2"]})
    scores = {"Answer: 1": 0.5, "a": 0.5, "a\n\nb": 0.5, "a\n\nb\n\nAnswer: 2": 0.4}

    def verify(_problem: cg.tasks.Problem, text: str) -> float:
        verified.append(text.strip())
        return scores[text.strip()]

    team = cg.Team(cg.Generator(model), verifier=verify)
    result = cg.solve("?", team, ParticleFiltering(particles=2))
    assert result.answer == "1"
    assert model.asked == [("step", "", 2), ("step", "a", 1), ("step", "a\n\nb", 1)]
    assert verified == ["Answer: 1", "a", "a\n\nb", "a\n\nb\n\nAnswer: 2"]


def test_a_finished_particle_competes_with_the_open_ones() -> None:
    model = Planted({"": ["Answer: 1"] + ["a\n\n"] * 7, "a\n\n": ["Answer: 2"]})
    scores = {"Answer: 1": 1.0, "a": 0.3, "a\n\nAnswer: 2": 0.3}
    result = think(ParticleFiltering(particles=8), model, scores)
    assert result.answer == "1"
    assert model.asked == [("step", "", 8)]


def test_at_its_depth_what_is_open_is_written_to_its_end() -> None:
    model = Planted({"": ["a\n\n"], "a\n\n": ["b\n\nAnswer: 3"]})
    scores = {"a": 0.5, "a\n\nb\n\nAnswer: 3": 0.5}
    result = think(ParticleFiltering(particles=3, depth=1), model, scores)
    assert result.answer == "3"
    assert [operation for operation, _, _ in model.asked] == ["step"] + ["finish"] * 3


def test_a_seed_fixes_the_search() -> None:
    def graph(seed: int) -> str:
        model = Planted(TWO_KINDS)
        scores = {"a": 0.6, "b": 0.4, "a\n\nAnswer: 1": 0.5, "b\n\nAnswer: 2": 0.5}
        search = ParticleFiltering(particles=8)
        return think(search, model, scores, seed=seed).graph.to_json()

    assert graph(1) == graph(1)
    assert len({graph(seed) for seed in range(8)}) > 1


def test_failed_particles_are_replaced_by_others() -> None:
    async def refuse(request: Request) -> None:
        if request.prefix and request.prefix.text == "a\n\n":
            raise EngineRefused("no more")

    pieces = {
        "": ["a\n\n", "b\n\n"],
        "b\n\n": ["c\n\n"],
        "b\n\nc\n\n": ["Answer: 2"],
    }
    scores = {"a": 0.5, "b": 0.5, "b\n\nc": 0.5, "b\n\nc\n\nAnswer: 2": 0.5}
    model = Planted(pieces, before=refuse)
    assert think(ParticleFiltering(particles=2), model, scores).answer == "2"
    assert model.asked[-1] == ("step", "b\n\nc", 2)


RETAINED = {
    "": ["a\n\n", "a\n\n", "new\n\n"],
    "a\n\n": ["good\n\n"],
    "a\n\ngood\n\n": ["Answer: 1"],
    "new\n\n": ["Answer: 2"],
}


def test_the_retained_path_survives_a_pass_and_may_be_continued_anew() -> None:
    scores = {
        "a": 0.9,
        "a\n\ngood": 0.9,
        "a\n\ngood\n\nAnswer: 1": 0.9,
        "new": 0.0,
        "new\n\nAnswer: 2": 0.0,
    }
    model = Planted(RETAINED)
    result = think(ParticleFiltering(particles=2, passes=2), model, scores)
    assert result.answer == "1"
    passes = model.asked
    second = passes[passes.index(("step", "", 1)) :]
    # the one free particle begins anew with "new", whose odds are nothing against the retained "a"
    assert second[:2] == [("step", "", 1), ("step", "a", 1)]


def test_a_bad_retained_path_keeps_its_place_to_the_end() -> None:
    finals: list[list[str | None]] = []

    async def two_passes(d: Deliberation) -> cg.Thought:
        search = ParticleFiltering(particles=2)
        first = await search._filter(d, [])
        path = [*d.graph.path(d.graph.parents(first[0].thought)[0]), first[0].thought]
        second = await search._filter(d, path)
        finals.append([particle.thought.answer for particle in second])
        assert second[-1].thought is first[0].thought
        return second[0].thought

    scores = {
        "a": 0.0,
        "a\n\ngood": 0.0,
        "a\n\ngood\n\nAnswer: 1": 0.0,
        "new": 0.9,
        "new\n\nAnswer: 2": 0.9,
    }
    think(two_passes, Planted(RETAINED), scores)
    assert finals == [["2", "1"]]


def test_a_retained_path_weighs_at_each_step_what_its_prefix_is_worth_there() -> None:
    # as a prefix `a` is worth nothing against `new`; its end is worth all
    scores = {
        "a": 0.0,
        "a\n\ngood": 0.0,
        "a\n\ngood\n\nAnswer: 1": 1.0,
        "new": 0.5,
        "new\n\nAnswer: 2": 0.5,
    }
    model = Planted(RETAINED)
    result = think(ParticleFiltering(particles=2, passes=2), model, scores)
    assert result.answer == "1"
    assert model.asked[-1] == ("step", "new", 1)


def test_the_best_of_all_passes_is_returned() -> None:
    pieces = {"": ["Answer: 1", "Answer: 2", "Answer: 3", "Answer: 4"]}
    scores = {"Answer: 1": 0.6, "Answer: 2": 0.5, "Answer: 3": 0.1, "Answer: 4": 0.1}
    for seed in range(6):  # whichever of the two was retained
        search = ParticleFiltering(particles=2, passes=3)
        result = think(search, Planted(pieces), scores, seed=seed)
        assert result.answer == "1"
        assert len(list(result.graph.thoughts(ThoughtKind.SOLUTION))) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"particles": 0}, {"depth": 0}, {"passes": 0}, {"separator": ""}],
)
def test_a_filter_without_particles_or_steps_is_refused(wrong) -> None:
    with pytest.raises(cg.ConfigError, match="at least 1"):
        ParticleFiltering(**wrong)


def test_a_pass_with_the_retained_particle_alone_is_refused() -> None:
    with pytest.raises(cg.ConfigError, match="retain one particle"):
        ParticleFiltering(particles=1, passes=2)
