"""From rollouts to padded tensors: prompts end, and completions begin, at one column.

Prompts are padded on the left and completions on the right, so the logits of all completions are
one slice. The letters are those of `cogitate.training.objectives`; L = prompt columns + T.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from cogitate.training.trainers.rollout import Rollout

__all__ = ["Batch", "Inputs", "Scored", "collate"]


@dataclass(slots=True)
class Scored:
    """A rollout, and what is known of it before anything is learned; lists are by token."""

    row: Rollout
    old: list[float] = field(default_factory=list)
    """Log-probabilities under the policy that sampled."""
    reference: list[float] | None = None
    """Under the reference policy."""
    values: list[float] | None = None
    """Of the state before each token, and of the one after the last."""
    advantages: list[float] = field(default_factory=list)
    returns: list[float] | None = None
    """What the values should have been."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The completion."""
        return self.row.completion_ids


class Inputs(NamedTuple):
    """What a policy reads."""

    ids_BL: Tensor
    attention_BL: Tensor
    tokens: int
    """T: the completions are the last T columns."""


class Batch(NamedTuple):
    """Some rollouts as tensors; what was not given is zeros."""

    inputs: Inputs
    ids_BT: Tensor
    mask_BT: Tensor
    """Which tokens there are."""
    forced_BT: Tensor
    """Which of them were given."""
    old_BT: Tensor
    reference_BT: Tensor
    advantages_BT: Tensor
    returns_BT: Tensor
    values_BT: Tensor
    """Old values, before each token."""

    @property
    def sampled_BT(self) -> Tensor:
        """Which tokens the policy chose."""
        return self.mask_BT & ~self.forced_BT


def collate(rows: Sequence[Scored], *, dead: int = 0, device: torch.device) -> Batch:
    """Pad rollouts to one batch.

    Args:
        rows: At least one.
        dead: Rows at the end that only make processes do equally many passes: no token counts.
        device: Where the tensors go.
    """
    prompt = max(len(scored.row.prompt_ids) for scored in rows)
    tokens = max(len(scored.ids) for scored in rows)
    ids_BL = torch.zeros(len(rows), prompt + tokens, dtype=torch.long)
    attention_BL = torch.zeros_like(ids_BL)
    mask_BT = torch.zeros(len(rows), tokens, dtype=torch.bool)
    forced_BT = torch.zeros_like(mask_BT)
    for b, scored in enumerate(rows):
        begin, end = prompt - len(scored.row.prompt_ids), prompt + len(scored.ids)
        ids_BL[b, begin:end] = torch.tensor((*scored.row.prompt_ids, *scored.ids))
        attention_BL[b, begin:end] = 1
        if b < len(rows) - dead:
            mask_BT[b, : len(scored.ids)] = True
            forced_BT[b, : scored.row.forced] = True
    numbers = (
        _pad(column, tokens)
        for column in (
            [scored.old for scored in rows],
            [scored.reference or [] for scored in rows],
            [scored.advantages for scored in rows],
            [scored.returns or [] for scored in rows],
            [(scored.values or [])[:-1] for scored in rows],
        )
    )
    inputs = Inputs(ids_BL.to(device), attention_BL.to(device), tokens)
    return Batch(
        inputs,
        inputs.ids_BL[:, prompt:],
        mask_BT.to(device),
        forced_BT.to(device),
        *(one.to(device) for one in numbers),
    )


def _pad(rows: Sequence[Sequence[float]], tokens: int) -> Tensor:
    return torch.tensor([[*row, *[0.0] * (tokens - len(row))] for row in rows])
