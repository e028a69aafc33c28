"""What learns, as far as the objectives know: something that predicts, and has a reference."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from cogitate.training.trainers.policy.batch import Inputs

__all__ = ["Policy", "Predicted"]


class Predicted(NamedTuple):
    """What a policy says of the completions of a batch."""

    logits_BTV: Tensor
    """Those that predict each token."""
    values_BU: Tensor | None
    """Of the state before each token and, in one more place, after the last; None without head."""


class Policy(Protocol):
    """What learns: a module that predicts, and knows its reference."""

    @property
    def head(self) -> torch.nn.Module | None:
        """Where the value comes from: it has a learning rate of its own."""
        ...

    def __call__(self, inputs: Inputs) -> Predicted:
        """Return logits and values of the completions."""
        ...

    def reference(self, inputs: Inputs) -> Tensor:
        """Return the reference's logits of the completions, no gradient."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """All parameters; those that require a gradient learn."""
        ...
