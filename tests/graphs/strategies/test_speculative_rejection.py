"""Speculative rejection: who is stopped where, and every token counted by hand.

A token of the scripted model is a word.
"""

import pytest
from planted import Planted, think

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import ThoughtKind
from cogitate.graphs.strategies.speculative_rejection import SpeculativeRejection
from cogitate.inference import Completion, Request


class Writer(Planted):
    """Sample i writes `<name i> is what I say and go on:` and `Answer: i`, ten words in all."""

    def __init__(self, *names: str, before=None) -> None:
        super().__init__({}, **({"before": before} if before else {}))
        self._names = names

    def whole(self, name: str) -> str:
        return f"{name} is what I say and go on:\nAnswer: {self._names.index(name)}"

    def _reply(self, request: Request) -> str | Completion:
        begun = request.prefix.text if request.prefix else ""
        name = begun.split()[0] if begun else self._names[request.sample]
        return self.whole(name)[len(begun) :]


class Worth(dict):
    """The score of a text, by the name at its beginning; a name with a `>` changes at its end."""

    def __init__(self, **names: float) -> None:
        super().__init__(names)

    def __missing__(self, text: str) -> float:
        name = text.split()[0]
        return self.get(f"{name}_ended", self[name]) if "Answer: " in text else self[name]


WORTH = Worth(ada=0.2, bob=0.9, cy=0.4, dan=0.1)
SEARCH = SpeculativeRejection(n=4, alpha=0.5, checkpoint=2, growth=2)
"""Of 16 tokens: checkpoints after 2 and 2 + 4 of them, for a third 8 and 16 more are wanted."""


def test_tokens_fall_against_best_of_n_and_every_one_is_counted() -> None:
    model, plain = Writer("ada", "bob", "cy", "dan"), Writer("ada", "bob", "cy", "dan")
    best = think(cg.BestOfN(n=4), plain, WORTH, max_tokens=16)
    result = think(SEARCH, model, WORTH, max_tokens=16)
    assert result.answer == best.answer == "1"
    # four write 2 words, two of them 4 more, one of them the last 4
    assert result.usage.completion == 4 * 2 + 2 * 4 + 4 == 20
    assert best.usage.completion == 4 * 10
    # each continuation asks its prompt again, with what was written: 2 words twice, 6 words once
    prompt = model.count(model.requests[0])
    assert result.usage.prompt == 4 * prompt + 2 * 2 + 6
    assert best.usage.prompt == plain.count(plain.requests[0])


def test_the_worst_of_the_running_are_stopped_at_each_checkpoint() -> None:
    model = Writer("ada", "bob", "cy", "dan")
    think(SEARCH, model, WORTH, max_tokens=16)
    assert model.asked == [
        ("step", "", 4),
        ("step", "bob is", 1),
        ("step", "cy is", 1),
        ("finish", "bob is what I say and", 1),
    ]
    assert [r.sampling.max_tokens for r in model.requests] == [2, 4, 4, 10]
    assert {r.sampling.stop for r in model.requests} == {()}


def test_stopped_solutions_stay_in_the_graph_with_their_scores() -> None:
    result = think(SEARCH, Writer("ada", "bob", "cy", "dan"), WORTH, max_tokens=16)
    steps = [(t.text, t.score) for t in result.graph.thoughts(ThoughtKind.STEP)]
    assert ("dan is", 0.1) in steps
    assert len(steps) == 6


def test_a_late_bloomer_is_lost() -> None:
    late = Worth(ada=0.2, bob=0.9, cy=0.4, dan=0.1, dan_ended=1.0)
    model = Writer("ada", "bob", "cy", "dan")
    assert think(SEARCH, model, late, max_tokens=16).answer == "1"
    assert think(cg.BestOfN(n=4), model, late, max_tokens=16).answer == "3"


def test_what_ended_before_a_checkpoint_is_neither_stopped_nor_forgotten() -> None:
    class Brief(Writer):
        def whole(self, name: str) -> str:
            return "Answer: 7" if name == "cy" else super().whole(name)

    worth = Worth(ada=0.5, bob=0.4, dan=0.1)
    worth["Answer: 7"] = 0.45
    model = Brief("ada", "bob", "cy", "dan")
    assert think(SEARCH, model, worth, max_tokens=16).answer == "0"
    # of the three that run, the one below the median is stopped
    assert [begun for _, begun, _ in model.asked[1:3]] == ["ada is", "bob is"]
    worth["Answer: 7"] = 0.6
    assert think(SEARCH, Brief("ada", "bob", "cy", "dan"), worth, max_tokens=16).answer == "7"


def test_equal_scores_stop_the_later_ones() -> None:
    model = Writer("ada", "bob", "cy", "dan")
    result = think(SEARCH, model, Worth(ada=0.5, bob=0.5, cy=0.5, dan=0.5), max_tokens=16)
    assert result.answer == "0"
    assert [begun for _, begun, _ in model.asked[1:3]] == ["ada is", "bob is"]


def test_alpha_0_stops_nobody_and_writes_what_best_of_n_writes() -> None:
    search = SpeculativeRejection(n=4, alpha=0, checkpoint=2)
    result = think(search, Writer("ada", "bob", "cy", "dan"), WORTH, max_tokens=16)
    assert result.answer == "1"
    assert result.usage.completion == 4 * 10


def test_solutions_keep_to_the_generators_limit_over_all_their_rounds() -> None:
    class Endless(Writer):
        def whole(self, name: str) -> str:
            return name + " and so on" * 30

    model = Endless("ada", "bob", "cy", "dan")
    result = think(SEARCH, model, WORTH, max_tokens=16)
    assert result.thought is not None
    assert len(result.thought.text.split()) == 16
    assert result.thought.kind is ThoughtKind.SOLUTION


def test_a_limit_too_short_for_two_rounds_leaves_best_of_n() -> None:
    model = Writer("ada", "bob", "cy", "dan")
    result = think(SEARCH, model, WORTH, max_tokens=5)
    assert model.asked == [("finish", "", 4)]
    assert result.thought is not None
    assert result.thought.text == "bob is what I say"


def test_checkpoints_at_equal_distances() -> None:
    model = Writer("ada", "bob", "cy", "dan")
    search = SpeculativeRejection(n=4, alpha=0.25, checkpoint=2, growth=1)
    think(search, model, WORTH, max_tokens=12)
    # below the lower quartile there is one of four, one of three, and one of two: then one runs on
    assert [r.sampling.max_tokens for r in model.requests] == [2] + [2] * 3 + [2] * 2 + [6]


@pytest.mark.parametrize(
    ("n", "alpha", "stopped"),
    [(2, 0.05, 1), (2, 0.95, 1), (3, 0.5, 1), (4, 0.5, 2), (5, 0.25, 1), (5, 0.3, 2), (4, 0, 0)],
)
def test_those_below_the_quantile_are_stopped_of_however_few(
    n: int, alpha: float, stopped: int
) -> None:
    names = ("ada", "bob", "cy", "dan", "eve")[:n]
    model = Writer(*names)
    search = SpeculativeRejection(n=n, alpha=alpha, checkpoint=5, growth=1)
    think(search, model, Worth(ada=0.2, bob=0.9, cy=0.4, dan=0.1, eve=0.3), max_tokens=14)
    assert len(model.asked) - 1 == n - stopped


def test_distances_that_grow_beyond_all_limits_leave_no_further_checkpoint() -> None:
    model = Writer("ada", "bob", "cy", "dan")
    search = SpeculativeRejection(n=4, checkpoint=3, growth=1e308)
    assert think(search, model, WORTH, max_tokens=12).answer == "1"
    assert model.asked == [("finish", "", 4)]


def test_the_last_that_runs_goes_to_its_end_without_checkpoints() -> None:
    model = Writer("ada", "bob")
    search = SpeculativeRejection(n=2, checkpoint=2, growth=1)
    assert think(search, model, WORTH, max_tokens=16).answer == "1"
    assert model.asked == [("step", "", 2), ("finish", "bob is", 1)]


def test_a_running_solution_that_fails_leaves_the_others() -> None:
    async def refuse(request: Request) -> None:
        if request.prefix and request.prefix.text.startswith("bob"):
            raise EngineRefused("no more")

    model = Writer("ada", "bob", "cy", "dan", before=refuse)
    assert think(SEARCH, model, WORTH, max_tokens=16).answer == "2"


def test_out_of_budget_the_best_finished_solution_is_the_result() -> None:
    class Brief(Writer):
        def whole(self, name: str) -> str:
            brief = {"ada": "Answer: 6", "cy": "Answer: 7"}
            return brief.get(name) or super().whole(name)

    worth = Worth(bob=0.9, dan=0.1)
    worth |= {"Answer: 6": 0.3, "Answer: 7": 0.6}
    model = Brief("ada", "bob", "cy", "dan")
    result = think(SEARCH, model, worth, max_tokens=16, budget=cg.Budget(calls=4))
    assert (result.answer, result.stopped) == ("7", "calls")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"checkpoint": 0}, "at least 1"),
        ({"alpha": 1.0}, "below 1"),
        ({"alpha": float("nan")}, "below 1"),
        ({"growth": 0.5}, "growth at least 1"),
    ],
)
def test_values_without_a_meaning_are_refused(wrong, message: str) -> None:
    with pytest.raises(cg.ConfigError, match=message):
        SpeculativeRejection(**wrong)
