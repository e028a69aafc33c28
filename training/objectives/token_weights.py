"""How the losses of tokens become one number: the weight of each token, over the whole batch.

A loss is the sum of token losses times these weights, so parts of a batch (micro-batches, shards of
several processes) only have to be added up: the counts are of the whole, wherever its rows are.
"""

from typing import Literal

import torch
from torch import Tensor

from cogitate.errors import ConfigError

__all__ = ["Normalisation", "token_weights"]

Normalisation = Literal["response", "token", "constant", "sum"]


def token_weights(
    mask_BT: Tensor,
    normalisation: Normalisation,
    *,
    responses: int | None = None,
    tokens: int | None = None,
    limit: int | None = None,
) -> Tensor:
    """Return the weight of each token (B, T); tokens outside the mask have none.

    Args:
        mask_BT: Which tokens count.
        normalisation: `response`: each response averaged over its own length, as GRPO does.
            `token`: every token alike, as DAPO does. `constant`: the sum over a response divided by
            `limit`, as Dr. GRPO does. `sum`: the sum over a response, as REINFORCE does. All but
            `token` then average over responses.
        responses: In the whole batch; None: the rows of this mask that have tokens.
        tokens: In the whole batch; None: those of this mask.
        limit: The most tokens that a response may have.

    Raises:
        ConfigError: `constant` without a limit.
    """
    weights_BT = mask_BT if mask_BT.dtype == torch.float64 else mask_BT.float()
    lengths_B1 = weights_BT.sum(1, keepdim=True)
    if responses is None:
        responses = int((lengths_B1 > 0).sum())
    if tokens is None:
        tokens = int(lengths_B1.sum())
    match normalisation:
        case "response":
            return weights_BT / lengths_B1.clamp(min=1) / max(responses, 1)
        case "token":
            return weights_BT / max(tokens, 1)
        case "sum":
            return weights_BT / max(responses, 1)
        case "constant" if limit:
            return weights_BT / limit / max(responses, 1)
        case _:
            raise ConfigError(f"normalisation {normalisation!r}: give the limit of a response")
