"""From rewards to the advantages of tokens, by hand, for each estimator."""

import math

import pytest

from cogitate.training.objectives import MovingAverage
from cogitate.training.trainers import Objective, Rollout
from cogitate.training.trainers.policy.batch import Scored
from cogitate.training.trainers.policy.credit import give_credit


def scored(reward: float | None, ids: tuple[int, ...] = (5, 6), **more: object) -> Scored:
    told = {"prompt_ids": (1,), "completion_ids": ids, "reward": reward, "group": "g"}
    return Scored(Rollout.model_validate(told | more), old=[-1.0] * len(ids))


def credit(objective: dict[str, object] | str, *rows: Scored) -> list[list[float]]:
    give_credit(rows, Objective.model_validate(objective), MovingAverage())
    return [row.advantages for row in rows]


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ({"estimator": "reward"}, [3, 0, 0]),
        ({"estimator": "batch_mean"}, [2, -1, -1]),
        ("reinforce", [3, 0, 0]),
        ("rloo", [3, -1.5, -1.5]),
        ("dr_grpo", [2, -1, -1]),
    ],
)
def test_every_token_has_the_advantage_of_its_response(
    objective: dict[str, object] | str, expected: list[float]
) -> None:
    found = credit(objective, scored(3.0), scored(0.0, (7,)), scored(0.0))
    assert found == [[expected[0]] * 2, [expected[1]], [expected[2]] * 2]


def test_a_greedy_baseline_is_each_rollouts_own() -> None:
    assert credit("scst", scored(1.0, baseline=0.25), scored(0.0, baseline=1.0)) == [
        [0.75] * 2,
        [-1.0] * 2,
    ]


def test_a_response_that_came_twice_is_in_its_set_once() -> None:
    one, same, other = scored(1.0), scored(1.0), scored(0.0, (7, 8))
    found = credit({"preset": "mrt", "alpha": 1.0}, one, same, other)
    # Two distinct responses of equal probability: Q = 1/2 each, the mean is 1/2; three rows, a set.
    assert found == [[pytest.approx(0.75)] * 2, [0.0] * 2, [pytest.approx(-0.75)] * 2]


def test_step_rewards_are_compared_within_the_group_and_reach_their_tokens() -> None:
    a = scored(None, (1, 2, 3), step_rewards=(1.0, 0.0), step_ends=(0, 2))
    b = scored(1.0, (4, 5), step_rewards=(0.0, 0.0), step_ends=(0, 1))
    # Step rewards 1, 0 and 0, 0 + 1: mean 1/2, deviation 1/2.
    found = credit("process_grpo", a, b)
    assert found[0] == pytest.approx([0, -1, -1], abs=1e-3)
    assert found[1] == pytest.approx([0, 1], abs=1e-3)


def test_gae_pays_for_the_distance_and_bootstraps_a_cut_end() -> None:
    row = scored(1.0, truncated=True)
    row.old, row.reference, row.values = [-1.0, -2.0], [-1.5, -1.0], [0.5, 0.25, 2.0]
    objective = {"estimator": "gae", "kl_in": "reward", "kl_weight": 0.1, "lam": 0.0}
    [advantages] = credit(objective, row)
    # Rewards -0.05 and 1 + 0.1; TD errors -0.05 + 0.25 - 0.5 and 1.1 + 2 - 0.25.
    assert advantages == pytest.approx([-0.3, 2.85])
    assert row.returns == pytest.approx([0.2, 3.1])
    row.row = row.row.model_copy(update={"truncated": False})
    assert credit(objective, row) == [pytest.approx([-0.3, 0.85])]


def test_given_tokens_have_no_advantage_and_do_not_enter_the_deviation() -> None:
    row = scored(1.0, (1, 2, 3), forced=1)
    row.values = [9.0, 0.0, 0.5, 7.0]
    objective = {"estimator": "gae", "lam": 0.0, "whiten": True, "forced": True}
    [advantages] = credit(objective, row)
    # TD errors 0.5 and 0.5 of the sampled tokens: less their mean they are 0.
    assert advantages == pytest.approx([0, 0, 0], abs=1e-6)


def test_whitening_is_over_all_tokens_of_the_batch() -> None:
    a, b = scored(2.0, (1,)), scored(0.0, (1,))
    found = credit({"estimator": "reward", "whiten": True}, a, b)
    assert [row[0] for row in found] == pytest.approx([1, -1])
    assert all(math.isfinite(x) for row in found for x in row)
