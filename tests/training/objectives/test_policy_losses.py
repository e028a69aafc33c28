"""Policy losses: values by hand, gradients against autograd on sums over a tiny vocabulary."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from cogitate.training.objectives import (
    cispo,
    clipped,
    explained_variance,
    minimum_risk,
    minimum_risk_advantages,
    mixed,
    plain,
    sampled_tail,
    sequence,
    token_log_probs,
    token_weights,
    value_loss,
)

RATIOS_BT = torch.tensor([[1.5, 0.5, 1.1], [1.5, 0.5, 0.9]], dtype=torch.float64)
ADVANTAGES_BT = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]], dtype=torch.float64)
OLD_BT = torch.full((2, 3), -1.0, dtype=torch.float64)


def log_probs() -> Tensor:
    return (OLD_BT + RATIOS_BT.log()).requires_grad_()


def test_a_clipped_loss_takes_the_smaller_gain() -> None:
    found = clipped(log_probs(), OLD_BT, ADVANTAGES_BT, low=0.2, high=0.28)
    expected = torch.tensor([[-1.28, -0.5, -1.1], [1.5, 0.8, 0.9]], dtype=torch.float64)
    assert torch.allclose(found.losses_BT, expected)
    assert found.clipped_BT.tolist() == [[True, False, False], [False, True, False]]


def test_what_is_clipped_has_no_gradient_and_the_rest_has_ratio_times_advantage() -> None:
    at = log_probs()
    [gradient] = torch.autograd.grad(
        clipped(at, OLD_BT, ADVANTAGES_BT, low=0.2, high=0.28).losses_BT.sum(), at
    )
    expected = torch.tensor([[0, -0.5, -1.1], [1.5, 0, 0.9]], dtype=torch.float64)
    assert torch.allclose(gradient, expected)


def test_cispo_bounds_the_weight_and_keeps_every_gradient() -> None:
    at = log_probs()
    found = cispo(at, OLD_BT, ADVANTAGES_BT, high=0.28)
    weights = torch.tensor([[1.28, 0.5, 1.1], [1.28, 0.5, 0.9]], dtype=torch.float64)
    assert torch.allclose(found.losses_BT, -weights * ADVANTAGES_BT * at)
    [gradient] = torch.autograd.grad(found.losses_BT.sum(), at)
    assert torch.allclose(gradient, -weights * ADVANTAGES_BT)
    assert found.clipped_BT.tolist() == [[True, False, False], [True, False, False]]


def test_a_sequence_ratio_is_the_geometric_mean_of_the_tokens_that_count() -> None:
    mask_BT = torch.tensor([[1, 1, 0], [1, 1, 1]])
    found = sequence(log_probs(), OLD_BT, ADVANTAGES_BT, mask_BT, low=0.2, high=0.2)
    first, second = math.sqrt(1.5 * 0.5), (1.5 * 0.5 * 0.9) ** (1 / 3)
    assert found.losses_BT[0, :2].tolist() == pytest.approx([-first] * 2)
    assert found.losses_BT[1].tolist() == pytest.approx([second] * 3)
    assert not found.clipped_BT.any()
    bounded = sequence(log_probs(), OLD_BT, ADVANTAGES_BT, mask_BT, low=0.05, high=0.05)
    assert bounded.losses_BT[1].tolist() == pytest.approx([0.95] * 3)
    assert bounded.clipped_BT.tolist() == [[False] * 3, [True] * 3]


def test_the_sequence_gradient_is_that_of_the_whole_ratio() -> None:
    mask_BT, at, other = torch.tensor([[1, 1, 0], [1, 1, 1]]), log_probs(), log_probs()
    ours = (sequence(at, OLD_BT, ADVANTAGES_BT, mask_BT, low=0.5, high=0.5).losses_BT) * (
        token_weights(mask_BT.double(), "response")
    )
    independent = torch.zeros((), dtype=torch.float64)
    for row, length in ((0, 2), (1, 3)):
        ratio = (other[row, :length] - OLD_BT[row, :length]).mean().exp()
        independent = independent - ratio * ADVANTAGES_BT[row, 0] / 2
    assert float(ours.sum().detach()) == pytest.approx(float(independent.detach()))
    [gradient] = torch.autograd.grad(ours.sum(), at)
    [expected] = torch.autograd.grad(independent, other)
    assert torch.allclose(gradient, expected)


def reward(y: tuple[int, ...]) -> float:
    return float(y[0] == 2) + 2.0 * float(y[-1] == 0) * len(y)


def every_response() -> list[tuple[int, ...]]:
    """All of one or two tokens; 2 at the beginning ends a response."""
    return [(2,), *((a, b) for a in (0, 1) for b in range(3))]


def tokens(logits_TV: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities, mask and rewards of every response, padded."""
    responses = every_response()
    ids_BT = torch.tensor([(*y, *[0] * (2 - len(y))) for y in responses])
    mask_BT = torch.tensor([[1] * len(y) + [0] * (2 - len(y)) for y in responses])
    logits_BTV = logits_TV.expand(len(responses), -1, -1)
    found_BT = token_log_probs(logits_BTV, ids_BT, temperature=temperature)
    rewards_B = torch.tensor([reward(y) for y in responses], dtype=torch.float64)
    return found_BT, mask_BT, rewards_B


def true_gradient(logits_TV: Tensor, temperature: float) -> Tensor:
    """Of the expected reward, by autograd over an explicit sum of products of softmaxes."""
    at = logits_TV.detach().clone().requires_grad_()
    shares = (at / temperature).exp() / (at / temperature).exp().sum(1, keepdim=True)
    expected = torch.zeros((), dtype=torch.float64)
    for y in every_response():
        expected = expected + math.prod(shares[t, v] for t, v in enumerate(y)) * reward(y)
    return torch.autograd.grad(expected, at)[0]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("baseline", [0.0, 1.3])
@pytest.mark.parametrize("loss", ["plain", "clipped", "cispo"])
def test_the_expected_gradient_is_that_of_the_expected_reward(
    loss: str, baseline: float, temperature: float
) -> None:
    torch.manual_seed(0)
    logits_TV = torch.randn(2, 3, dtype=torch.float64).requires_grad_()
    found_BT, mask_BT, rewards_B = tokens(logits_TV, temperature)
    probabilities_B = (found_BT * mask_BT).sum(1).exp().detach()
    assert float(probabilities_B.sum()) == pytest.approx(1)
    advantages_BT = (rewards_B - baseline).unsqueeze(1).expand(-1, 2)
    old_BT = found_BT.detach()
    losses = {
        "plain": lambda: plain(found_BT, advantages_BT),
        "clipped": lambda: clipped(found_BT, old_BT, advantages_BT),
        "cispo": lambda: cispo(found_BT, old_BT, advantages_BT),
    }[loss]()
    total = (losses.losses_BT * mask_BT * probabilities_B.unsqueeze(1)).sum()
    [gradient] = torch.autograd.grad(total, logits_TV)
    assert torch.allclose(-gradient, true_gradient(logits_TV, temperature))


def test_minimum_risk_by_hand() -> None:
    log_probs_G = torch.log(torch.tensor([0.4, 0.1]))
    risks_G = torch.tensor([1.0, 3.0])
    # alpha = 1/2: weights 2/sqrt(10) and 1/sqrt(10), so 2/3 and 1/3.
    assert minimum_risk(log_probs_G, risks_G, alpha=0.5).item() == pytest.approx(5 / 3)
    advantages = minimum_risk_advantages(log_probs_G, -risks_G, alpha=0.5)
    assert advantages.tolist() == pytest.approx([0.5 * 2 / 3 * 2 / 3, 0.5 / 3 * (-4 / 3)])


def test_the_advantages_of_minimum_risk_have_its_gradient() -> None:
    """Against the ratio of explicit sums, through the tokens of a tiny vocabulary."""
    torch.manual_seed(1)
    logits_TV = torch.randn(2, 3, dtype=torch.float64).requires_grad_()
    found_BT, mask_BT, rewards_B = tokens(logits_TV, 0.8)
    log_probs_G = (found_BT * mask_BT).sum(1)
    weights_G = log_probs_G.exp() ** 0.3
    [expected] = torch.autograd.grad(
        -(weights_G * rewards_B).sum() / weights_G.sum(), logits_TV, retain_graph=True
    )
    [direct] = torch.autograd.grad(
        minimum_risk(log_probs_G, -rewards_B, alpha=0.3), logits_TV, retain_graph=True
    )
    advantages_G = minimum_risk_advantages(log_probs_G, rewards_B, alpha=0.3)
    surrogate = plain(found_BT, advantages_G.unsqueeze(1)).losses_BT * mask_BT
    [ours] = torch.autograd.grad(surrogate.sum(), logits_TV)
    assert torch.allclose(direct, expected) and torch.allclose(ours, expected)


def test_mixer_imitates_what_was_given_and_reinforces_what_was_sampled() -> None:
    at = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    advantages = torch.tensor([[0.5, 0.5, 0.5]])
    forced = torch.tensor([[1, 1, 0]])
    losses = mixed(plain(at, advantages).losses_BT, at, forced)
    assert losses.tolist() == [[1.0, 2.0, 1.5]]
    [gradient] = torch.autograd.grad(losses.sum(), at)
    assert gradient.tolist() == [[-1.0, -1.0, -0.5]]


def test_the_sampled_tail_grows_to_the_whole() -> None:
    tails = [sampled_tail(step, 5, warm_up=1, every=1, by=2) for step in range(5)]
    assert tails == [0, 2, 4, 5, 5]


def test_value_losses_by_hand() -> None:
    values, returns, old = (torch.tensor([v]) for v in ([0.9, 0.1], [1.0, 1.0], [0.2, 0.0]))
    assert torch.allclose(value_loss(values, returns), torch.tensor([[0.005, 0.405]]))
    # The first went further than 0.2 from its old value: it counts as 0.4.
    found = value_loss(values, returns, old_BT=old, clip=0.2)
    assert torch.allclose(found, torch.tensor([[0.18, 0.405]]))


def test_a_value_beyond_its_bound_has_no_gradient() -> None:
    values = torch.tensor([[0.9, 0.1]], requires_grad=True)
    loss = value_loss(values, torch.ones(1, 2), old_BT=torch.tensor([[0.2, 0.0]])).sum()
    [gradient] = torch.autograd.grad(loss, values)
    assert torch.allclose(gradient, torch.tensor([[0.0, -0.9]]))


def test_explained_variance_is_one_where_values_are_right_and_zero_for_a_constant() -> None:
    returns = torch.tensor([0.0, 1.0, 2.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(torch.full((3,), 5.0), returns) == 0
    assert explained_variance(returns, torch.ones(3)) == 0
    assert explained_variance(-returns, returns) == pytest.approx(-3)


def test_clipping_agrees_with_the_definition_everywhere() -> None:
    grid = itertools.product((0.3, 0.79, 0.81, 1.0, 1.19, 1.21, 3.0), (-2.0, -0.1, 0.0, 0.4))
    for ratio, advantage in grid:
        found = clipped(
            torch.tensor([[math.log(ratio)]]), torch.zeros(1, 1), torch.tensor([[advantage]])
        )
        by_hand = min(ratio * advantage, max(0.8, min(1.2, ratio)) * advantage)
        assert found.losses_BT.item() == pytest.approx(-by_hand, abs=1e-6)
