"""Paired tests against numbers worked by hand and against every sign flip."""

import itertools
import random

import pytest

from cogitate.errors import ConfigError, DataError
from cogitate.training.outcome import Outcome
from cogitate.training.paired import compare, mcnemar, scores_of


def named(*scores: float) -> dict[str, float]:
    return {f"p{i}": score for i, score in enumerate(scores)}


def outcome(problem: str, score: float | None) -> Outcome:
    return Outcome(
        problem=problem, reply="", answer=None, score=score, prompt_tokens=0, cached_tokens=0,
        completion_tokens=0, calls=1, money=0, stopped=None, errors=(), seconds=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (1, 9, 22 / 1024),  # 2 * (1 + 10) / 2^10
        (0, 5, 2 / 32),  # five of one kind are never enough for 5%
        (0, 6, 2 / 64),
        (3, 12, 2 * (1 + 15 + 105 + 455) / 2**15),
        (7, 7, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_the_coin_toss_worked_by_hand(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-12)
    assert mcnemar(only_b, only_a) == mcnemar(only_a, only_b)


def test_the_four_cells_the_means_and_the_difference_are_counted() -> None:
    found = compare(named(1, 1, 0, 0, 0), named(1, 0, 1, 1, 0) | {"other": 1.0})
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (1, 1, 2, 1)
    assert (found.problems, found.unpaired) == (5, 1)
    assert (found.mean_a, found.mean_b) == (0.4, 0.6)
    assert found.difference == pytest.approx(0.2)
    assert found.p == found.p_exact == 1.0


def test_the_exact_test_is_the_share_of_sign_flips_that_differ_as_much() -> None:
    flips = [abs(sum(signs)) >= 8 for signs in itertools.product((-1, 1), repeat=10)]
    assert mcnemar(1, 9) == pytest.approx(sum(flips) / len(flips))


def test_shares_are_compared_by_sign_flips() -> None:
    a, b = named(0, 0.25, 0.5, 0.5), named(0.5, 0.5, 1, 0.75)
    differences = [0.5, 0.25, 0.5, 0.25]
    totals = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=4)
    ]
    every = sum(total >= 1.5 for total in totals) / len(totals)
    assert every == 2 / 16
    found = compare(a, b, draws=4000)
    assert found.p_exact is None
    assert found.p == found.p_sign_flip == pytest.approx(every, abs=0.02)


def test_the_bootstrap_interval_is_that_of_the_normal_law_on_many_problems() -> None:
    chance = random.Random(1)
    a = named(*(float(chance.random() < 0.4) for _ in range(400)))
    b = named(*(float(chance.random() < 0.6) for _ in range(400)))
    found = compare(a, b, draws=3000)
    moved = (found.only_a + found.only_b) / 400
    error = ((moved - found.difference**2) / 400) ** 0.5
    assert found.interval == pytest.approx(
        (found.difference - 1.96 * error, found.difference + 1.96 * error), abs=0.006
    )
    assert found.p_bootstrap < 0.01 and found.p_exact is not None and found.p_exact < 0.01


def test_equal_evaluations_do_not_differ() -> None:
    found = compare(named(1, 0, 1), named(1, 0, 1))
    assert (found.difference, found.interval) == (0, (0, 0))
    assert found.p_exact == found.p_sign_flip == found.p_bootstrap == 1


def test_a_seed_fixes_every_draw() -> None:
    a, b = named(0, 0.5, 1, 0), named(1, 0.5, 0.5, 1)
    assert compare(a, b, seed=3) == compare(a, b, seed=3)


def test_several_outcomes_of_a_problem_are_one_share_and_no_grade_is_wrong() -> None:
    lines = [outcome("p", 1.0), outcome("p", None), outcome("q", 0.5), outcome("r", 1.0)]
    assert scores_of(lines) == {"p": 0.5, "q": 0.0, "r": 1.0}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="share no problem"):
        compare({"a": 1.0}, {"b": 1.0})
    with pytest.raises(DataError, match="lie in"):
        compare({"a": float("nan")}, {"a": 1.0})
    with pytest.raises(ConfigError, match="draws"):
        compare({"a": 1.0}, {"a": 1.0}, draws=0)
