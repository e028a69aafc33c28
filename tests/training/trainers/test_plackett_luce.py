"""The Plackett-Luce loss, against numbers worked by hand and an independent formulation."""

import math
from itertools import pairwise

import pytest
import torch

from cogitate.errors import DataError
from cogitate.training.trainers.plackett_luce import plackett_luce

Ranks = list[int | None]


def drawn(rewards: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Minus the log-probability of drawing items in this order, each from all that are left."""
    left, loss = list(range(len(rewards))), torch.zeros(())
    for item in order:
        weights = torch.stack([rewards[i].exp() for i in left])
        loss = loss - (rewards[item].exp() / weights.sum()).log()
        left.remove(item)
    return loss


def test_a_full_ranking_is_drawn_from_the_best_on() -> None:
    # e^0 / (e^0 + e^1 + e^-1) and e^1 / (e^1 + e^-1), the last item for sure.
    worked = math.log(1 + math.e + 1 / math.e) + math.log(1 + math.exp(-2))
    assert plackett_luce(torch.tensor([0.0, 1.0, -1.0]), [1, 2, 3]).item() == pytest.approx(worked)


def test_two_items_are_bradley_terry() -> None:
    loss = plackett_luce(torch.tensor([0.3, 1.5]), [2, 1])
    assert loss.item() == pytest.approx(-math.log(1 / (1 + math.exp(-1.2))))


def test_an_unranked_item_stays_in_every_denominator_and_is_never_drawn() -> None:
    rewards = torch.tensor([0.5, -0.2, 0.9, 0.1])
    loss = plackett_luce(rewards, [1, None, 2, None])
    assert loss.item() == pytest.approx(drawn(rewards, [0, 2]).item())


def test_tied_items_are_not_compared_with_each_other() -> None:
    # Items 0 and 1 are each drawn against item 2 alone: 2 log(1 + e^-1), and moving both apart
    # from each other by the same amount changes nothing to first order.
    rewards = torch.tensor([1.0, 1.0, 0.0], requires_grad=True)
    loss = plackett_luce(rewards, [1, 1, 2])
    assert loss.item() == pytest.approx(2 * math.log(1 + math.exp(-1)))
    [gradient] = torch.autograd.grad(loss, rewards)
    assert gradient[0].item() == pytest.approx(gradient[1].item())
    assert gradient.sum().item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("ranks", "order"),
    [([3, 1, 2, 4], [1, 2, 0]), ([None, 2, 1, None], [2, 1]), ([10, None, 5, 20], [2, 0, 3])],
)
def test_the_gradient_is_that_of_drawing_one_after_the_other(
    ranks: Ranks, order: list[int]
) -> None:
    rewards = torch.tensor([0.3, -1.2, 2.0, 0.7], dtype=torch.float64, requires_grad=True)
    [ours] = torch.autograd.grad(plackett_luce(rewards, ranks), rewards)
    [theirs] = torch.autograd.grad(drawn(rewards, order), rewards)
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda r: plackett_luce(r, ranks), (rewards,))


def test_a_better_order_costs_less() -> None:
    rewards = torch.tensor([2.0, 1.0, 0.0])
    orders: list[Ranks] = [[1, 2, 3], [2, 1, 3], [3, 1, 2], [3, 2, 1]]
    losses = [plackett_luce(rewards, order).item() for order in orders]
    assert all(better < worse for better, worse in pairwise(losses))


@pytest.mark.parametrize("ranks", [[1, 1], [None, None]])
def test_items_without_an_order_are_refused(ranks: Ranks) -> None:
    with pytest.raises(DataError, match="no item above another"):
        plackett_luce(torch.zeros(2), ranks)


def test_a_rank_for_each_item_is_needed() -> None:
    with pytest.raises(DataError, match="1 ranks for 2 items"):
        plackett_luce(torch.zeros(2), [1])
