"""What one batch came to, as numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.training.objectives import explained_variance
from cogitate.training.rewards.hacking import StepMeans
from cogitate.training.trainers.earned import part_means
from cogitate.training.trainers.policy.batch import Scored
from cogitate.training.trainers.policy.loss import SUMS
from cogitate.training.trainers.policy.rollouts import Admitted

__all__ = ["StepMetrics", "Tally"]


class StepMetrics(BaseModel):
    """What one batch came to."""

    model_config = ConfigDict(frozen=True)

    step: int
    """From 0."""
    rows: int
    """Rollouts that were learned from."""
    refused: dict[str, int]
    """Those that were not, by reason."""
    equal_groups: int
    reward: FiniteFloat
    """Mean."""
    parts: dict[str, FiniteFloat] = {}
    """Of the rewards, by name: the mean over those rollouts that have it."""
    accuracy: FiniteFloat | None = None
    """The share that graders find right, of those of which they can tell."""
    format: FiniteFloat | None = None
    """The share that kept its format, of those that have one."""
    tokens: int
    """That the policy chose."""
    loss: FiniteFloat = 0.0
    """This and what follows: means over the optimiser steps of the batch."""
    policy_loss: FiniteFloat = 0.0
    value_loss: FiniteFloat = 0.0
    kl: FiniteFloat = 0.0
    """To the reference, by k3, per token; 0 without a reference."""
    kl_old: FiniteFloat = 0.0
    """From the policy that sampled, by k3, before each optimiser step."""
    clip_fraction: FiniteFloat = 0.0
    entropy: FiniteFloat = 0.0
    explained_variance: FiniteFloat = 0.0
    """Of the returns, by the old values."""
    gradient_norm: FiniteFloat = 0.0
    """Before clipping."""
    learning_rate: FiniteFloat = 0.0
    updates: int = 0
    """Optimiser steps that were taken."""
    not_finite: int = 0
    """Optimiser steps that were not, for their gradient was no finite number."""
    fraction: FiniteFloat = 0.0
    """Of TRPO's whole step."""

    @property
    def means(self) -> StepMeans | None:
        """What `hacking_signs` looks at; None where no grader could tell."""
        if self.accuracy is None:
            return None
        return StepMeans(
            step=self.step,
            reward=self.reward,
            accuracy=self.accuracy,
            length=self.tokens / self.rows,
            format=self.format,
        )


class Tally:
    """Gathers the metrics of one batch.

    Args:
        admitted: The rollouts.
        step: The number of the batch.
    """

    def __init__(self, admitted: Admitted, step: int) -> None:
        rows = admitted.rows
        self.fraction = 0.0
        self.updates = 0
        self._explained = 0.0
        self._not_finite = 0
        self._step = step
        self._admitted = admitted
        self._reward = sum(row.total for row in rows) / max(len(rows), 1)
        self._tokens = sum(len(row.completion_ids) - row.forced for row in rows)
        self._sums: list[Sequence[float]] = []
        self._norms: list[float] = []

    def explain(self, batch: Sequence[Scored]) -> None:
        """Compare the old values of a batch with what they should have been."""
        values, returns = [], []
        for scored in batch:
            values += (scored.values or [])[scored.row.forced : -1]
            returns += (scored.returns or [])[scored.row.forced :]
        self._explained = explained_variance(torch.tensor(values), torch.tensor(returns))

    def add(self, sums: Sequence[float], norm: float) -> None:
        """Add an optimiser step: what `SUMS` names, over all processes, and the gradient's norm."""
        if not (math.isfinite(norm) and all(map(math.isfinite, sums))):
            self._not_finite += 1
            return
        self.updates += 1
        self._sums.append(sums)
        self._norms.append(norm)

    def metrics(self, more: Mapping[str, float]) -> StepMetrics:
        """Return what was gathered, and what is given."""
        steps = max(len(self._sums), 1)
        means = {name: sum(sums[i] for sums in self._sums) / steps for i, name in enumerate(SUMS)}
        return StepMetrics(
            step=self._step,
            rows=len(self._admitted.rows),
            refused=self._admitted.refused,
            equal_groups=self._admitted.equal_groups,
            reward=self._reward,
            parts=part_means(self._admitted.rows),
            accuracy=_share(row.right for row in self._admitted.rows),
            format=_share(row.formed for row in self._admitted.rows),
            tokens=self._tokens,
            gradient_norm=sum(self._norms) / steps,
            explained_variance=self._explained,
            updates=self.updates,
            not_finite=self._not_finite,
            fraction=self.fraction,
            **means,
            **more,
        )


def _share(said: Iterable[bool | None]) -> float | None:
    there = [one for one in said if one is not None]
    return sum(there) / len(there) if there else None
