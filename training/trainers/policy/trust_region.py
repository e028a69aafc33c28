"""TRPO's step on the parameters of a policy, such as those of an adapter.

Everything is a sum over micro-batches and processes: the surrogate's gradient, each Fisher-vector
product, and both numbers of the line search. Nothing of the size of the vocabulary is kept between
passes: the old policy's logits are computed again by putting its parameters back.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from cogitate.training.objectives import (
    LineSearch,
    exact_kl,
    fisher_product,
    line_search,
    natural_step,
    token_log_probs,
    token_weights,
)
from cogitate.training.trainers.policy.batch import Batch
from cogitate.training.trainers.policy.loss import Counts, policy_loss
from cogitate.training.trainers.policy.policy import Policy
from cogitate.training.trainers.policy.settings import Objective, Schedule

__all__ = ["trust_region_step"]


def trust_region_step(
    policy: Policy,
    parameters: Sequence[torch.nn.Parameter],
    batches: Sequence[Batch],
    counts: Counts,
    objective: Objective,
    schedule: Schedule,
    add_up: Callable[[Tensor], Tensor],
) -> LineSearch:
    """Move the parameters by TRPO's step, or not at all where no part of it is good.

    Args:
        policy: Not wrapped for several processes: what is added up is added up here.
        parameters: Those that move.
        batches: This process's share.
        counts: Of the whole batch.
        objective: With a trust region.
        schedule: For its temperature and its limit.
        add_up: Over processes.
    """
    region = objective.trust_region
    assert region is not None
    search = _Search(policy, parameters, batches, counts, objective, schedule, add_up)
    # The fused attention kernels have no double backward.
    with sdpa_kernel(SDPBackend.MATH):
        start_P = search.where()
        gradient_P, surrogate = search.gradient()
        step_P = natural_step(
            gradient_P,
            lambda v: search.fisher(v) + region.damping * v,
            delta=region.delta,
            iterations=region.iterations,
        )
        if not bool(step_P.isfinite().all()):
            return LineSearch(0.0, 0.0, 0.0)

        def evaluate(fraction: float) -> tuple[float, float]:
            moved, kl = search.evaluate(start_P, start_P + fraction * step_P)
            return moved - surrogate, kl

        found = line_search(evaluate, delta=region.delta, halvings=region.halvings)
        search.move(start_P + found.fraction * step_P)
    return found


class _Search:
    """The numbers that the step is made of, and the parameters as one flat vector."""

    def __init__(
        self,
        policy: Policy,
        parameters: Sequence[torch.nn.Parameter],
        batches: Sequence[Batch],
        counts: Counts,
        objective: Objective,
        schedule: Schedule,
        add_up: Callable[[Tensor], Tensor],
    ) -> None:
        self._policy, self._parameters = policy, list(parameters)
        self._batches, self._counts = batches, counts
        self._objective, self._schedule = objective, schedule
        self._add_up = add_up

    def where(self) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self._parameters])

    def move(self, flat_P: Tensor) -> None:
        start = 0
        with torch.no_grad():
            for p in self._parameters:
                p.copy_(flat_P[start : start + p.numel()].view_as(p))
                start += p.numel()

    def gradient(self) -> tuple[Tensor, float]:
        """Of the surrogate, and what it is."""
        gradient_P, surrogate = torch.zeros_like(self.where()), 0.0
        for batch in self._batches:
            value = self._surrogate(self._logits(batch), batch)
            found = torch.autograd.grad(value, self._parameters, materialize_grads=True)
            gradient_P += torch.cat([one.reshape(-1) for one in found])
            surrogate += float(value.detach())
        return self._add_up(gradient_P), float(self._add_up(gradient_P.new_tensor(surrogate)))

    def fisher(self, vector_P: Tensor) -> Tensor:
        """The Fisher matrix at the present parameters, times a vector."""
        total_P = torch.zeros_like(vector_P)
        for batch in self._batches:
            logits = self._logits(batch)
            kl = self._kl(logits.detach(), logits, batch)
            total_P += fisher_product(kl, self._parameters)(vector_P)
        return self._add_up(total_P)

    def evaluate(self, old_P: Tensor, new_P: Tensor) -> tuple[float, float]:
        """The surrogate and KL(old || new) at new parameters, which then stay."""
        surrogate, kl = 0.0, 0.0
        with torch.no_grad():
            for batch in self._batches:
                self.move(old_P)
                old = self._logits(batch)
                self.move(new_P)
                new = self._logits(batch)
                surrogate += float(self._surrogate(new, batch))
                kl += float(self._kl(old, new, batch))
        both = self._add_up(old_P.new_tensor([surrogate, kl])).tolist()
        return both[0], both[1]

    def _logits(self, batch: Batch) -> Tensor:
        return self._policy(batch.inputs).logits_BTV

    def _surrogate(self, logits_BTV: Tensor, batch: Batch) -> Tensor:
        log_probs_BT = token_log_probs(
            logits_BTV, batch.ids_BT, temperature=self._schedule.temperature
        )
        weights_BT = token_weights(
            batch.mask_BT,
            self._objective.normalisation,
            responses=self._counts.responses,
            tokens=self._counts.tokens,
            limit=self._schedule.max_tokens,
        )
        return -(weights_BT * policy_loss(log_probs_BT, batch, self._objective).losses_BT).sum()

    def _kl(self, old_BTV: Tensor, new_BTV: Tensor, batch: Batch) -> Tensor:
        """Its mean over sampled tokens."""
        weights_BT = token_weights(batch.sampled_BT, "token", tokens=self._counts.sampled)
        kl_BT = exact_kl(old_BTV, new_BTV, temperature=self._schedule.temperature)
        return (weights_BT * kl_BT).sum()
