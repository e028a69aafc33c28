"""Advantages within groups, against numbers worked by hand, and what never reaches a trainer."""

import math
from collections import Counter

import pytest

from cogitate.training import Rollout
from cogitate.training.trainers.groups import group_advantages


def said(reward: float | None, tokens: int = 1, **more: object) -> Rollout:
    return Rollout(completion_ids=tuple(range(tokens)), reward=reward, **more)  # type: ignore[arg-type]


def test_every_token_of_a_reply_has_its_advantage() -> None:
    found = group_advantages([said(1.0, 2), said(0.0, 3)], Counter())
    # Mean 0.5, standard deviation 0.5, epsilon 1e-4.
    worked = 0.5 / 0.5001
    assert found == [pytest.approx((worked,) * 2), pytest.approx((-worked,) * 3)]


def test_without_the_standard_deviation_it_is_the_difference() -> None:
    found = group_advantages([said(3.0), said(0.0), said(0.0)], Counter(), scale="none")
    assert found == [(2.0,), (-1.0,), (-1.0,)]


@pytest.mark.parametrize(
    ("wrong", "counted"), [(None, "none"), (math.nan, "nan"), (math.inf, "infinite")]
)
def test_what_is_no_number_teaches_nothing_and_does_not_move_the_others(
    wrong: float | None, counted: str
) -> None:
    counts: Counter[str] = Counter()
    found = group_advantages([said(1.0), said(wrong, 2), said(0.0)], counts)
    alone = group_advantages([said(1.0), said(0.0)], Counter())
    assert found == [alone[0], (0.0, 0.0), alone[1]]
    assert counts == {"groups": 1, "replies": 3, counted: 1}


def test_groups_that_say_nothing_are_counted() -> None:
    counts: Counter[str] = Counter()
    for group in (
        [said(1.0), said(1.0)],
        [said(1.0), said(None)],
        [said(None), said(math.nan)],
        [Rollout(), Rollout()],
    ):
        assert {a for reply in group_advantages(group, counts) for a in reply} <= {0.0}
    assert counts == {
        "groups": 4,
        "replies": 8,
        "equal": 1,
        "alone": 1,
        "empty": 2,
        "none": 2,
        "nan": 1,
        "failed": 2,
    }


def test_steps_are_compared_with_the_steps_of_the_whole_group() -> None:
    group = [
        said(None, 4, step_rewards=(1.0, 0.0), step_ends=(1, 3)),
        said(None, 3, step_rewards=(0.0, 1.0), step_ends=(0, 2)),
    ]
    # Normalised, a reward is +s or -s; a token's advantage sums those of steps that end after it.
    s = 0.5 / 0.5001
    found = group_advantages(group, Counter(), level="process")
    assert found[0] == pytest.approx((0.0, 0.0, -s, -s))
    assert found[1] == pytest.approx((0.0, s, s))


def test_a_step_without_a_reward_leaves_its_reply_out() -> None:
    counts: Counter[str] = Counter()
    group = [
        said(1.0, 2, step_rewards=(None, 1.0), step_ends=(0, 1)),
        said(0.0, 1, step_rewards=(0.0,), step_ends=(0,)),
    ]
    assert group_advantages(group, counts, level="process") == [(0.0, 0.0), (0.0,)]
    assert counts["none"] == counts["alone"] == 1


def test_advantages_of_the_sampler_are_taken_as_they_are() -> None:
    group = [said(None, 2, advantages=(0.25, -3.0)), said(1.0), said(0.0)]
    found = group_advantages(group, Counter(), scale="none")
    assert found == [(0.25, -3.0), (0.5,), (-0.5,)]
