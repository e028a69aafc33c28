"""OREO, mDPO, mIPO and BFPO: values by hand, gradients against loops written out."""

import math

import pytest
import torch
from torch import Tensor

from cogitate.training.objectives import (
    bfpo_loss,
    bfpo_target,
    group_margin,
    mdpo_loss,
    mipo_loss,
    oreo_policy_loss,
    oreo_value_loss,
    step_log_ratios,
)

MASK_BT = torch.tensor([[1, 1, 0], [1, 1, 1]])
REWARDS_B = torch.tensor([1.0, 0.0], dtype=torch.float64)


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    values, ratios = torch.randn(2, 2, 3, dtype=torch.float64)
    return values.requires_grad_(), ratios.requires_grad_()


def test_oreo_by_hand() -> None:
    values = torch.tensor([[0.5, 0.2]])
    ratios = torch.tensor([[0.1, 0.3]])
    # beta = 2: residuals .5 - 1 + .8 = .3 and .2 - 1 + .6 = -.2; both losses have this value.
    for loss in (oreo_value_loss, oreo_policy_loss):
        found = loss(values, ratios, torch.tensor([1.0]), torch.ones(1, 2), beta=2.0)
        assert found.item() == pytest.approx((0.09 + 0.04) / 2)


def test_the_value_learns_from_all_that_is_to_come_and_the_policy_does_not_learn() -> None:
    values, ratios = drawn(0)
    loss = oreo_value_loss(values, ratios, REWARDS_B, MASK_BT, beta=0.5)
    gradient, none = torch.autograd.grad(loss, (values, ratios), allow_unused=True)
    assert none is None
    values, ratios = values.detach(), ratios.detach()
    for row, length in ((0, 2), (1, 3)):
        for t in range(length):
            to_come = sum(float(ratios[row, i]) for i in range(t, length))
            residual = float(values[row, t]) - float(REWARDS_B[row]) + 0.5 * to_come
            assert float(gradient[row, t]) == pytest.approx(2 * residual / length / 2)
    assert float(gradient[0, 2]) == 0


def test_the_policy_learns_by_each_action_alone_and_not_by_those_after_it() -> None:
    values, ratios = drawn(1)
    loss = oreo_policy_loss(values, ratios, REWARDS_B, MASK_BT, beta=0.5)
    none, gradient = torch.autograd.grad(loss, (values, ratios), allow_unused=True)
    assert none is None
    values, ratios = values.detach(), ratios.detach()
    expected = torch.zeros_like(ratios)
    for row, length in ((0, 2), (1, 3)):
        for t in range(length):
            at = ratios[row, t].detach().clone().requires_grad_()
            after = sum(float(ratios[row, i]) for i in range(t + 1, length))
            term = (float(values[row, t]) - REWARDS_B[row] + 0.5 * at + 0.5 * after) ** 2
            expected[row, t] = torch.autograd.grad(term, at)[0] / length / 2
    assert torch.allclose(gradient, expected)
    whole, other = drawn(1)
    everything = oreo_value_loss(whole.detach() + 0 * other, other, REWARDS_B, MASK_BT, beta=0.5)
    assert float(everything.detach()) == pytest.approx(float(loss.detach()))


def test_at_the_soft_optimum_both_losses_are_zero() -> None:
    """One state, two actions: pi = ref exp(R / beta) / Z and V = beta log Z, solved by hand."""
    beta, rewards = 0.7, torch.tensor([1.0, 0.0], dtype=torch.float64)
    value = beta * math.log(0.5 * math.exp(1 / beta) + 0.5)
    log_ratios = ((rewards - value) / beta).unsqueeze(1)
    values = torch.full((2, 1), value, dtype=torch.float64)
    for loss in (oreo_value_loss, oreo_policy_loss):
        found = loss(values, log_ratios, rewards, torch.ones(2, 1), beta=beta)
        assert float(found) == pytest.approx(0, abs=1e-12)


def test_a_steps_log_ratio_is_the_sum_over_its_tokens() -> None:
    ratios = torch.tensor([[1.0, 2.0, 4.0, 8.0], [1.0, 1.0, 1.0, 1.0]])
    steps = torch.tensor([[0, 0, 1, -1], [0, 1, 2, 2]])
    assert step_log_ratios(ratios, steps, 3).tolist() == [[3, 4, 0], [1, 1, 2]]


CHOSEN = torch.tensor([[1.0, 3.0], [2.0, 99.0]], dtype=torch.float64)
REJECTED = torch.tensor([[0.0, 1.0, 2.0], [5.0, 3.0, 99.0]], dtype=torch.float64)
HAS_CHOSEN = torch.tensor([[1, 1], [1, 0]])
HAS_REJECTED = torch.tensor([[1, 1, 1], [1, 1, 0]])


def test_groups_are_compared_by_their_means() -> None:
    margins = group_margin(CHOSEN, REJECTED, HAS_CHOSEN, HAS_REJECTED)
    assert margins.tolist() == [1, -2]
    sigmoids = [1 / (1 + math.exp(-0.5 * h)) for h in (1, -2)]
    assert mdpo_loss(margins, beta=0.5).item() == pytest.approx(-sum(map(math.log, sigmoids)) / 2)
    assert mipo_loss(margins, beta=0.5).item() == pytest.approx((0**2 + 3**2) / 2)


def test_the_gradient_of_group_losses_by_hand() -> None:
    chosen, rejected = CHOSEN.clone().requires_grad_(), REJECTED.clone().requires_grad_()
    margins = group_margin(chosen, rejected, HAS_CHOSEN, HAS_REJECTED)
    up, down = torch.autograd.grad(mdpo_loss(margins, beta=0.5), (chosen, rejected))
    # d/dh of -log sigmoid(h / 2) is -(1 - sigmoid(h / 2)) / 2, shared among the group.
    slopes = [-(1 - 1 / (1 + math.exp(-0.5 * h))) * 0.5 / 2 for h in (1, -2)]
    expected_up = [[slopes[0] / 2] * 2, [slopes[1], 0]]
    expected_down = [[-slopes[0] / 3] * 3, [-slopes[1] / 2] * 2 + [0]]
    assert torch.allclose(up, torch.tensor(expected_up, dtype=torch.float64))
    assert torch.allclose(down, torch.tensor(expected_down, dtype=torch.float64))
    margins = group_margin(chosen, rejected, HAS_CHOSEN, HAS_REJECTED)
    [up] = torch.autograd.grad(mipo_loss(margins, beta=0.5), chosen)
    assert torch.allclose(up, torch.tensor([[0.0, 0.0], [-3.0, 0.0]], dtype=torch.float64))


def test_one_response_on_each_side_is_dpo() -> None:
    margins = group_margin(
        torch.tensor([[0.3]]), torch.tensor([[-0.2]]), torch.ones(1, 1), torch.ones(1, 1)
    )
    assert mdpo_loss(margins, beta=2.0).item() == pytest.approx(math.log(1 + math.exp(-1.0)))


def test_bfpo_wants_what_is_safe_first_and_helpful_among_the_safe() -> None:
    safe_chosen, safe_rejected = torch.tensor([1, 1, 0, 0]), torch.tensor([0, 1, 0, 1])
    targets = bfpo_target(safe_chosen, safe_rejected, beta=0.5)
    assert targets.tolist() == [2.0, 1.0, -1.0, -2.0]


def test_bfpo_by_hand() -> None:
    chosen = torch.tensor([1.0, 0.0], requires_grad=True)
    rejected = torch.tensor([0.5, 2.0])
    loss = bfpo_loss(chosen, rejected, torch.tensor([1.0, -1.0]))
    assert loss.item() == pytest.approx((0.25 + 1) / 2)
    [gradient] = torch.autograd.grad(loss, chosen)
    assert gradient.tolist() == pytest.approx([-0.5, -1.0])
