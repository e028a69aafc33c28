"""TRPO's step: the natural gradient, as far as the KL bound allows (Schulman et al. 2015).

Maximise the surrogate subject to E KL(pi_old || pi) <= delta (arXiv:1502.05477): the direction
solves F x = g by conjugate gradient, where F v is a double backward of the KL at pi_old; its length
is sqrt(2 delta / x'Fx); then it is halved until the surrogate rises and the bound holds.
Departure: a little damping is added to F, as in every implementation.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LineSearch", "conjugate_gradient", "fisher_product", "line_search", "natural_step"]


class LineSearch(NamedTuple):
    """What came of looking along a direction."""

    fraction: float
    """Of the whole step that was taken; 0: none was good."""
    improvement: float
    """Of the surrogate."""
    kl: float


def fisher_product(
    kl: Tensor, parameters: Sequence[Tensor], *, damping: float = 0.0
) -> Callable[[Tensor], Tensor]:
    """Return v -> (F + damping) v, for flat v.

    Args:
        kl: The mean KL(pi_old || pi) at pi = pi_old, with its graph: there its gradient is 0 and
            its Hessian F.
        parameters: Those that learn.
        damping: Added to F's diagonal.
    """
    first = torch.autograd.grad(kl, parameters, create_graph=True, materialize_grads=True)
    gradient_P = _flat(first)

    def product(vector_P: Tensor) -> Tensor:
        second = torch.autograd.grad(
            gradient_P @ vector_P, parameters, retain_graph=True, materialize_grads=True
        )
        return _flat(second) + damping * vector_P

    return product


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    target_P: Tensor,
    *,
    iterations: int = 10,
    tolerance: float = 1e-10,
) -> Tensor:
    """Return x with A x = target as nearly as the iterations allow, for a positive definite A.

    Args:
        product: v -> A v.
        target_P: The right side.
        iterations: At most; in exact arithmetic as many as A has distinct eigenvalues suffice.
        tolerance: Of the squared residual, relative to the squared target.
    """
    found_P = torch.zeros_like(target_P)
    residual_P, direction_P = target_P.clone(), target_P.clone()
    square = residual_P @ residual_P
    enough = tolerance * float(square)
    for _ in range(iterations):
        if float(square) <= enough:
            break
        bent_P = product(direction_P)
        step = square / (direction_P @ bent_P)
        found_P = found_P + step * direction_P
        residual_P = residual_P - step * bent_P
        following = residual_P @ residual_P
        direction_P = residual_P + following / square * direction_P
        square = following
    return found_P


def natural_step(
    gradient_P: Tensor,
    product: Callable[[Tensor], Tensor],
    *,
    delta: float,
    iterations: int = 10,
) -> Tensor:
    """Return the longest step along the natural gradient whose quadratic KL is delta at most.

    Args:
        gradient_P: Of the surrogate, which shall rise.
        product: See `fisher_product`.
        delta: The bound, in nats.
        iterations: See `conjugate_gradient`.
    """
    direction_P = conjugate_gradient(product, gradient_P, iterations=iterations)
    curvature = float(direction_P @ product(direction_P))
    if curvature <= 0:
        return torch.zeros_like(gradient_P)
    return direction_P * math.sqrt(2 * delta / curvature)


def line_search(
    evaluate: Callable[[float], tuple[float, float]], *, delta: float, halvings: int = 10
) -> LineSearch:
    """Return the first of 1, 1/2, 1/4, ... at which the surrogate rises and the KL is in bounds.

    Args:
        evaluate: From the fraction of the step to the surrogate's improvement and the KL there.
        delta: The bound.
        halvings: How often the step is halved.
    """
    for halving in range(halvings):
        fraction = 0.5**halving
        improvement, kl = evaluate(fraction)
        if improvement > 0 and kl <= delta:
            return LineSearch(fraction, improvement, kl)
    return LineSearch(0.0, 0.0, 0.0)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([one.reshape(-1) for one in parts])
