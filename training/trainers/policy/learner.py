"""One batch of rollouts after another into updates of a policy, in one process or in several.

Each process is given the whole batch and learns from its share of every mini-batch. A share's loss
is weighed by the counts of the whole, so the sum over processes is what one process would have had.

    rollouts ─► admit ─► old and reference log-probs, values (no gradient) ─► credit
             ─► epochs, mini-batches, micro-batches: loss ─► clip the gradient ─► optimiser
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from cogitate.training.objectives import MovingAverage, token_log_probs
from cogitate.training.trainers.policy.batch import Batch, Scored, collate
from cogitate.training.trainers.policy.credit import give_credit
from cogitate.training.trainers.policy.loss import SUMS, Counts, share_of_loss
from cogitate.training.trainers.policy.metrics import StepMetrics, Tally
from cogitate.training.trainers.policy.policy import Policy, Predicted
from cogitate.training.trainers.policy.rollouts import admit
from cogitate.training.trainers.policy.settings import PolicyGradientSettings
from cogitate.training.trainers.policy.trust_region import trust_region_step
from cogitate.training.trainers.rollout import Rollout

if TYPE_CHECKING:
    from accelerate.optimizer import AcceleratedOptimizer

__all__ = ["Learner"]


class Learner:
    """Updates a policy, batch by batch.

    Args:
        policy: A `torch.nn.Module` as `Policy` says.
        settings: What is optimised, and how.
        accelerator: Of this run; its processes share the work.
    """

    def __init__(
        self, policy: torch.nn.Module, settings: PolicyGradientSettings, accelerator: Accelerator
    ) -> None:
        self.average = MovingAverage(settings.objective.decay)
        self.data_hash = ""
        """Of all trained tokens so far, in order."""
        self._objective, self._schedule = settings.objective, settings.schedule
        self._accelerator = accelerator
        self._policy: Policy = policy  # type: ignore[assignment]  # a module has these too
        learn = [(n, p) for n, p in policy.named_parameters() if p.requires_grad]
        head = set() if self._policy.head is None else set(self._policy.head.parameters())
        self.parameters = dict(learn)
        self._body = [p for _, p in learn if p not in head]
        self._head = [p for _, p in learn if p in head]
        rate = self._schedule.learning_rate
        self._rates = [rate, self._schedule.value_learning_rate or rate]
        if self._objective.trust_region is not None:
            self._groups = [(self._head, self._rates[1])] if self._head else []
        else:
            self._groups = [
                (found, rate)
                for found, rate in zip((self._body, self._head), self._rates, strict=True)
                if found
            ]
        self._forward: torch.nn.Module
        self.optimiser: AcceleratedOptimizer | None = None
        if self._groups:
            adam = torch.optim.AdamW(
                [{"params": found, "lr": rate} for found, rate in self._groups],
                weight_decay=self._schedule.weight_decay,
            )
            self._forward, self.optimiser = accelerator.prepare(policy, adam)
        else:
            self._forward = accelerator.prepare(policy)

    def update(self, rollouts: Sequence[Rollout], step: int) -> StepMetrics:
        """Learn from one batch of rollouts.

        Args:
            rollouts: Of all processes, in one order.
            step: The number of the batch, from 0.

        Raises:
            ConfigError: See `admit`; with token ids that the model does not have.
        """
        admitted = admit(rollouts, self._objective, self._schedule)
        batch = [Scored(row) for row in admitted.rows]
        self.data_hash = _hash(self.data_hash, admitted.rows)
        found = Tally(admitted, step)
        if not batch:
            return found.metrics({})
        self._look(batch)
        give_credit(batch, self._objective, self.average)
        if self._head:
            found.explain(batch)
        if self._teaches(batch):
            self._learn(batch, step, found)
        return found.metrics({"learning_rate": self._rate(step) * self._schedule.learning_rate})

    def _look(self, batch: Sequence[Scored]) -> None:
        """Fill in what is needed of the policies before anything changes."""
        recompute = self._schedule.old == "recomputed"
        reference = self._objective.kl_in != "none"
        if not recompute:
            for scored in batch:
                scored.old = list(scored.row.logprobs or ())
        if not (recompute or reference or self._head):
            return
        mine, dead = self._share(batch)
        seen: list[tuple[list[float] | None, list[float] | None, list[float] | None]] = []
        for rows, inputs in self._micro(mine, dead):
            old = other = values = None
            with torch.no_grad():
                if recompute or self._head:
                    predicted: Predicted = self._forward(inputs.inputs)
                    values = predicted.values_BU
                    old = self._log_probs(predicted.logits_BTV, inputs) if recompute else None
                if reference:
                    with self._accelerator.autocast():  # as the policy is computed
                        logits_BTV = self._policy.reference(inputs.inputs)
                    other = self._log_probs(logits_BTV, inputs)
            for b, scored in enumerate(rows):
                n = len(scored.ids)
                seen.append(
                    (
                        None if old is None else old[b, :n].tolist(),
                        None if other is None else other[b, :n].tolist(),
                        None if values is None else values[b, : n + 1].tolist(),
                    )
                )
        everything = gather_object([seen[: len(seen) - dead]])
        ranks = self._accelerator.num_processes
        for number, scored in enumerate(batch):
            found = everything[number % ranks][number // ranks]
            scored.old = scored.old if found[0] is None else found[0]
            scored.reference, scored.values = found[1], found[2]

    def _learn(self, batch: Sequence[Scored], step: int, found: Tally) -> None:
        for epoch in range(self._schedule.epochs):
            generator = torch.Generator().manual_seed(
                hash((self._schedule.seed, step, epoch)) % 2**63
            )
            order = torch.randperm(len(batch), generator=generator).tolist()
            parts = min(self._schedule.minibatches, len(batch))
            for part in range(parts):
                rows = [batch[n] for n in order[part::parts]]
                if self._objective.trust_region is not None:
                    self._trust(rows, found)
                if self.optimiser is not None:
                    self._descend(rows, step, found)

    def _descend(self, rows: Sequence[Scored], step: int, found: Tally) -> None:
        """Take one step of AdamW on a mini-batch."""
        assert self.optimiser is not None
        for group, (_, rate) in zip(self.optimiser.param_groups, self._groups, strict=True):
            group["lr"] = rate * self._rate(step)
        counts, (mine, dead) = Counts.of([scored.row for scored in rows]), self._share(rows)
        self.optimiser.zero_grad()
        sums = torch.zeros(len(SUMS), device=self._accelerator.device)
        passes = list(self._micro(mine, dead))
        for number, (_, micro) in enumerate(passes):
            last = number == len(passes) - 1
            with _synced(self._accelerator, self._forward, now=last):
                predicted: Predicted = self._forward(micro.inputs)
                values = predicted.values_BU
                share = share_of_loss(
                    predicted.logits_BTV,
                    None if values is None else values[:, :-1],
                    micro,
                    counts,
                    self._objective,
                    self._schedule,
                )
                # Processes' gradients are averaged, and shall be added up.
                self._accelerator.backward(share.loss * self._accelerator.num_processes)
            sums += share.sums
        norm = self._accelerator.clip_grad_norm_(
            [p for group, _ in self._groups for p in group], self._schedule.max_gradient_norm
        )
        total = float(norm) if norm is not None else 0.0
        if math.isfinite(total):
            self.optimiser.step()
        for parameter in self.parameters.values():
            parameter.grad = None
        found.add(self._sum(sums).tolist(), total)

    def _trust(self, rows: Sequence[Scored], found: Tally) -> None:
        """Take TRPO's step on a batch, of everything but the value head."""
        region = self._objective.trust_region
        assert region is not None
        counts, (mine, dead) = Counts.of([scored.row for scored in rows]), self._share(rows)
        outcome = trust_region_step(
            self._policy,
            self._body,
            [micro for _, micro in self._micro(mine, dead)],
            counts,
            self._objective,
            self._schedule,
            self._sum,
        )
        found.fraction = outcome.fraction
        if self.optimiser is None:
            found.updates += outcome.fraction > 0

    def _share(self, rows: Sequence[Scored]) -> tuple[list[Scored], int]:
        """This process's rows, made as many as any other's, and how many of them do not count."""
        ranks, rank = self._accelerator.num_processes, self._accelerator.process_index
        mine = list(rows[rank::ranks])
        dead = math.ceil(len(rows) / ranks) - len(mine)
        return [*mine, *rows[:dead]], dead

    def _micro(self, rows: list[Scored], dead: int) -> Iterator[tuple[list[Scored], Batch]]:
        size = self._schedule.micro_batch
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            inside = dead if start + size >= len(rows) else 0
            yield some, collate(some, dead=inside, device=self._accelerator.device)

    def _log_probs(self, logits_BTV: Tensor, batch: Batch) -> Tensor:
        return token_log_probs(
            logits_BTV, batch.ids_BT, temperature=self._schedule.temperature
        ).cpu()

    def _sum(self, one: Tensor) -> Tensor:
        """Add up over processes."""
        total = self._accelerator.reduce(one, reduction="sum")
        assert isinstance(total, Tensor)
        return total

    def _teaches(self, batch: Sequence[Scored]) -> bool:
        """Whether any term of the loss has a gradient: where not, momentum alone would move."""
        objective = self._objective
        if self._head or objective.kl_in == "loss" or objective.entropy_weight:
            return True
        return any(
            scored.row.forced or any(advantage != 0 for advantage in scored.advantages)
            for scored in batch
        )

    def _rate(self, step: int) -> float:
        """The share of the highest learning rate at this batch."""
        schedule = self._schedule
        if step < schedule.warm_up:
            return (step + 1) / (schedule.warm_up + 1)
        done = (step - schedule.warm_up) / max(schedule.steps - schedule.warm_up, 1)
        match schedule.decay:
            case "linear":
                return 1 - done
            case "cosine":
                return (1 + math.cos(math.pi * done)) / 2
            case _:
                return 1.0


def _synced(
    accelerator: Accelerator, model: torch.nn.Module, *, now: bool
) -> AbstractContextManager[object]:
    """Gradients are exchanged between processes once, at the last micro-batch."""
    return nullcontext() if now else accelerator.no_sync(model)


def _hash(before: str, rows: Sequence[Rollout]) -> str:
    digest = hashlib.blake2b(before.encode(), digest_size=16)
    for row in rows:
        digest.update(json.dumps((row.prompt_ids, row.completion_ids)).encode())
    return digest.hexdigest()
