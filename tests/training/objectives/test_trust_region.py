"""TRPO's pieces against linear algebra done outright."""

import pytest
import torch

from cogitate.training.objectives import (
    conjugate_gradient,
    exact_kl,
    fisher_product,
    line_search,
    natural_step,
)


def test_conjugate_gradient_solves_by_hand() -> None:
    matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    target = torch.tensor([1.0, 2.0], dtype=torch.float64)
    found = conjugate_gradient(lambda v: matrix @ v, target)
    assert found.tolist() == pytest.approx([1 / 11, 7 / 11])
    nothing = conjugate_gradient(lambda v: matrix @ v, torch.zeros(2, dtype=torch.float64))
    assert nothing.tolist() == [0, 0]


def test_a_double_backward_of_the_kl_is_the_fisher_matrix() -> None:
    """Of a softmax that is diag(p) - p p', here worked out entry by entry, and split in two."""
    first = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    last = torch.tensor([[0.8]], dtype=torch.float64, requires_grad=True)
    logits = torch.cat([first, last.flatten()])
    temperature = 2.0
    kl = exact_kl(logits.detach(), logits, temperature=temperature)
    p = (logits.detach() / temperature).softmax(0)
    fisher = (torch.diag(p) - torch.outer(p, p)) / temperature**2
    product = fisher_product(kl, [first, last], damping=0.1)
    for unit in torch.eye(3, dtype=torch.float64):
        assert torch.allclose(product(unit), fisher @ unit + 0.1 * unit)


def test_the_step_reaches_the_bound_of_the_quadratic_kl_and_no_other_gains_more() -> None:
    matrix = torch.tensor([[2.0, 0.3], [0.3, 0.5]], dtype=torch.float64)
    gradient = torch.tensor([0.7, -0.4], dtype=torch.float64)
    step = natural_step(gradient, lambda v: matrix @ v, delta=0.01)
    assert float(step @ matrix @ step) / 2 == pytest.approx(0.01)
    gain = float(gradient @ step)
    for angle in torch.linspace(0, 6.28, 100, dtype=torch.float64):
        other = torch.stack([angle.cos(), angle.sin()])
        other = other * (0.02 / (other @ matrix @ other)) ** 0.5
        assert float(gradient @ other) <= gain + 1e-12


def test_no_gradient_is_no_step() -> None:
    zero = torch.zeros(2)
    assert natural_step(zero, lambda v: v, delta=0.1).tolist() == [0, 0]


def test_the_line_is_searched_back_to_where_both_hold() -> None:
    found = line_search(lambda f: (0.3 - f, f), delta=0.26)  # 1 and 1/2 do not rise
    assert found == (0.25, pytest.approx(0.05), 0.25)
    found = line_search(lambda f: (1.0, f), delta=0.2)  # only the bound holds it
    assert found.fraction == 0.125
    assert line_search(lambda f: (-1.0, 0.0), delta=1.0) == (0, 0, 0)
