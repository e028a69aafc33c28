"""Baselines, token rewards and advantages against numbers worked by hand."""

import pytest
import torch

from cogitate.errors import DataError
from cogitate.training.credit import group_relative, leave_one_out, process_group_relative
from cogitate.training.objectives import (
    MovingAverage,
    batch_mean,
    by_group,
    gae_advantages,
    kl_penalised,
    over_steps,
    place_rewards,
    self_critical,
    whiten,
)


def test_a_moving_average_is_of_earlier_batches_only() -> None:
    average = MovingAverage(decay=0.5)
    assert average.advantages([1, 3]) == [1, 3]
    # The mean so far is 2. Then 0 has weight 1/2 and 2 has weight 1/4: their average is 2/3.
    assert average.advantages([0, 0]) == [-2, -2]
    assert average.advantages([1]) == pytest.approx([1 - 2 / 3])


def test_a_batch_mean_and_a_greedy_baseline() -> None:
    assert batch_mean([2, 0, 1]) == [1, -1, 0]
    assert self_critical([1, 0, 1], [0, 0, 1]) == [1, 0, 0]
    with pytest.raises(DataError, match="one for each"):
        self_critical([1], [])


def test_groups_are_compared_within_themselves_in_any_order_of_rows() -> None:
    rewards, groups = [1, 10, 0, 30, 0], ["a", "b", "a", "b", "a"]
    assert by_group(rewards, groups, leave_one_out) == [1, -20, -0.5, 20, -0.5]
    scaled = by_group([1, 5, 0], ["a", "b", "a"], lambda r: group_relative(r, epsilon=0))
    assert scaled == [1, 0, -1]


def test_rewards_are_placed_where_they_were_given_and_added_there() -> None:
    placed = place_rewards([[1.0, 2.0, 0.5], []], [[1, 2, 2], []], 4)
    assert placed.tolist() == [[0, 1, 2.5, 0], [0, 0, 0, 0]]


def test_the_kl_penalty_is_of_sampled_tokens_and_has_no_gradient() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    reference = torch.tensor([[-2.0, -1.0, 9.0]])
    mask = torch.tensor([[1, 1, 0]])
    found = kl_penalised(torch.tensor([[0.0, 1.0, 0.0]]), log_probs, reference, mask, 0.1)
    assert torch.allclose(found, torch.tensor([[-0.1, 1.1, 0.0]]))
    assert not found.requires_grad


REWARDS_BT = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
VALUES_BU = torch.tensor([[0.5, 0.4, 0.2, 7.0], [9.0, 0.5, 0.4, 0.2]])
MASK_BT = torch.tensor([[1, 1, 0], [0, 1, 1]])


def test_gae_runs_over_the_sampled_tokens_and_bootstraps_what_was_cut() -> None:
    found = gae_advantages(REWARDS_BT, VALUES_BU, MASK_BT, [True, False], gamma=0.9, lam=0.5)
    # Cut: delta = .9*.4-.5 = -.14, 1+.9*.2-.4 = .78, so -.14+.45*.78 = .211.
    # Ended: -.14 and 1-.4 = .6, so -.14+.45*.6 = .13; the given first token has none.
    assert torch.allclose(found, torch.tensor([[0.211, 0.78, 0.0], [0.0, 0.13, 0.6]]))


def test_lambda_one_is_the_return_less_the_value_and_lambda_zero_the_td_error() -> None:
    for lam, first in ((1.0, 0.9 - 0.5), (0.0, 0.9 * 0.4 - 0.5)):
        found = gae_advantages(REWARDS_BT, VALUES_BU, MASK_BT, [False, False], gamma=0.9, lam=lam)
        assert found[0].tolist() == pytest.approx([first, 0.6, 0])


def test_a_row_without_sampled_tokens_has_no_advantage() -> None:
    none = torch.zeros(1, 3)
    assert gae_advantages(none, torch.ones(1, 4), none, [True]).tolist() == [[0, 0, 0]]


def test_process_advantages_reach_every_token_of_their_step() -> None:
    advantages = process_group_relative([[1, 0, 0], [1, 1, 0]], epsilon=0)
    spread = over_steps(advantages, [[0, 2, 3], [1, 2, 4]], 6)
    assert spread.tolist() == [[-1, -2, -2, -1, 0, 0], [1, 1, 0, -1, -1, 0]]


def test_whitening_leaves_padding_at_zero() -> None:
    found = whiten(torch.tensor([[1.0, 3.0, 8.0]]), torch.tensor([[1, 1, 0]]), mean=2, std=1)
    assert torch.allclose(found, torch.tensor([[-1.0, 1.0, 0.0]]))
