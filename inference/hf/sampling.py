"""The next token of each row, and its log-probability.

A row draws one uniform number and inverts the cumulative distribution: a draw depends on the row's
own random source and logits alone, never on which rows stand beside it in the batch.
"""

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple

import torch

from cogitate.inference.request import Request, Sampling

__all__ = ["Draw", "draw", "random_source"]

_COLDEST = 1e-4
"""Below this temperature, dividing by it would overflow, and nothing is left to chance anyway."""


class Draw(NamedTuple):
    """What was sampled for each row."""

    tokens: list[int]
    logprobs: list[float]
    """At the row's temperature (greedy: at 1), over the whole vocabulary."""


def random_source(request: Request, number: int) -> random.Random:
    """Return the random source of one sample: from the seed and its place, or from the system."""
    if request.seed is None:
        return random.Random()
    place = "\x1f".join((str(request.seed), request.problem, request.position, str(number)))
    return random.Random(hashlib.blake2b(place.encode(errors="replace")).digest())


def draw(
    logits_BV: torch.Tensor, samplings: Sequence[Sampling], sources: Sequence[random.Random]
) -> Draw:
    """Sample one token for each row.

    Args:
        logits_BV: Logits as the model gave them.
        samplings: How each row is sampled.
        sources: The random source of each row.
    """
    heats = [max(s.temperature, _COLDEST) if s.temperature else 1.0 for s in samplings]
    heat_B1 = logits_BV.new_tensor(heats)[:, None]
    logprobs_BV = torch.log_softmax(logits_BV / heat_B1, dim=-1)
    hot = [i for i, sampling in enumerate(samplings) if sampling.temperature > 0]
    if len(hot) < len(samplings):
        tokens_B = logprobs_BV.argmax(dim=-1)
    else:
        tokens_B = torch.empty(len(samplings), dtype=torch.long, device=logits_BV.device)
    if hot:
        probs_HV = (logprobs_BV[hot] if len(hot) < len(samplings) else logprobs_BV).exp()
        for at, i in enumerate(hot):
            _truncate(probs_HV[at], samplings[i])
        tokens_B[hot] = _invert(probs_HV, [sources[i].random() for i in hot])
    chosen_B = logprobs_BV.gather(1, tokens_B[:, None])[:, 0]
    return Draw(tokens_B.tolist(), chosen_B.tolist())


def _invert(probs_BV: torch.Tensor, uniforms: list[float]) -> torch.Tensor:
    """Return the first token whose cumulative probability exceeds the uniform number."""
    cumulative_BV = probs_BV.cumsum(dim=-1, dtype=torch.float64)
    targets_B1 = cumulative_BV.new_tensor(uniforms)[:, None] * cumulative_BV[:, -1:]
    tokens_B = torch.searchsorted(cumulative_BV, targets_B1, right=True)[:, 0]
    return tokens_B.clamp(max=probs_BV.shape[1] - 1)


def _truncate(probs_V: torch.Tensor, sampling: Sampling) -> None:
    """Set to zero, in place, what top-k and top-p leave out."""
    size = probs_V.shape[0]
    if sampling.top_k is not None and sampling.top_k < size:
        kept = probs_V.topk(sampling.top_k)
        probs_V.zero_()[kept.indices] = kept.values
    if sampling.top_p < 1:
        total = float(probs_V.sum())
        most = probs_V.topk(min(1024, size))  # the nucleus is small: sorting everything is not
        if float(most.values.sum()) < sampling.top_p * total:
            most = probs_V.topk(size)
        before = most.values.cumsum(0) - most.values
        kept_values = most.values.where(before < sampling.top_p * total, 0)
        probs_V.zero_()[most.indices] = kept_values
