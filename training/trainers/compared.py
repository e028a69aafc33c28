"""Training on responses that are compared by how far they are from where training began.

BFPO and the objectives of preference groups differ in what they make of log pi / pi_ref of whole
responses, and in nothing else: the rest is here. The reference is the policy as training begins.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from cogitate.errors import ConfigError
from cogitate.training.trainers.offline import (
    Fitted,
    OfflineSettings,
    Responses,
    fit,
    keep,
    log_ratios,
)
from cogitate.training.trainers.policy.batch import Scored
from cogitate.training.trainers.policy.model import load_policy
from cogitate.training.trainers.policy.policy import Predicted
from cogitate.training.trainers.reporters import reporting
from cogitate.training.trainers.weights import Start

__all__ = ["Compared", "fit_compared"]

R = TypeVar("R")
W = TypeVar("W")


class Compared(NamedTuple, Generic[W]):
    """What the loss is a mean over: a pair, or groups."""

    responses: Sequence[Scored]
    wanted: W
    """What the objective is told of them."""


def fit_compared(
    rows: Sequence[R],
    compare: Callable[[R, Responses], Compared[W]],
    loss: Callable[[Sequence[Tensor], Sequence[W]], Tensor],
    base: str,
    output: Path,
    settings: OfflineSettings,
    *,
    method: str,
    left_out: dict[str, int] | None = None,
    adapter: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Train a policy; see the trainers for what they share.

    Args:
        rows: What is learned from.
        compare: Makes a unit of a row, with the tokens of its responses.
        loss: From the log-ratios of the responses of each unit, and what is wanted of it, to the
            mean over units.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The folder of the result; what is there is replaced once training has ended well.
        settings: How to train.
        method: As the record names it.
        left_out: Rows that are not among these, by reason.
        adapter: An adapter to go on with; it is the reference then.
        on_step: Called with the steps done and the steps in all.

    Raises:
        ConfigError: Nothing to learn from, or replies without this model's token ids.
    """
    start, began = Start.at(base, adapter), time.perf_counter()
    responses = Responses(start.folder)
    made = [compare(row, responses) for row in rows]
    most = settings.max_tokens
    units = [
        unit
        for unit in made
        if all(len(one.row.prompt_ids) + len(one.ids) <= most for one in unit.responses)
    ]
    left_out = {**(left_out or {}), "too long": len(made) - len(units)}
    if not units:
        raise ConfigError(f"no rows to train on ({left_out}): give others, or raise max_tokens")
    accelerator = reporting(settings.report_to, output)
    policy = load_policy(
        start.folder, rank=settings.rank, seed=settings.seed, values=False, adapter=adapter
    )

    def mean(forward: Callable[..., Predicted], some: Sequence[Compared[W]]) -> Tensor:
        flat = [response for unit in some for response in unit.responses]
        ratios_N = log_ratios(forward, policy, flat).ratios_BT.sum(1)
        ratios = torch.split_with_sizes(ratios_N, [len(unit.responses) for unit in some])
        return loss(ratios, [unit.wanted for unit in some])

    losses = fit(policy, units, mean, settings, accelerator, on_step=on_step)
    seconds = keep(
        output,
        policy.save,
        start=start,
        method=method,
        settings=settings,
        rows=[response for unit in units for response in unit.responses],
        losses=losses,
        accelerator=accelerator,
        began=began,
    )
    return Fitted(output, losses, len(units), left_out, seconds)
