"""Reward models that vLLM runs: the head classifies a prompt at its last token.

An outcome model reads the whole conversation and is asked once. A process model is asked once for
each step, about all that stands up to the step's end: what its head says there is what a token
classifier says at that token, as each token sees only those before it. So one way serves both, the
requests of all steps of all open branches are one batch, and of each only what is new is computed:
the blocks before it come from the prefix cache. (vLLM could also classify every token of one
prompt. It reads nothing from its cache then, and each new step would cost its whole path again.)

Left out: models whose tokens see what follows them and heads of more than one linear layer, which
are refused; adapters; weights replaced in place (vLLM 0.32 cannot load a head a second time).
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cogitate.errors import EngineError
from cogitate.inference.completion import Rating, Usage
from cogitate.inference.vllm.library import Pooled

if TYPE_CHECKING:
    from cogitate.inference.hf.reading import Reading

__all__ = ["goodness", "prompts", "rating"]


def prompts(reading: "Reading", padding: int | None) -> list[tuple[int, ...]]:
    """Return what is to be classified: one prompt for each step, of an outcome model one for all.

    As in transformers, an outcome is read at the last token that is no padding: a template may end
    a conversation with the token that the model is padded with.
    """
    if reading.ends:
        return [reading.ids[: end + 1] for end in reading.ends]
    ids = reading.ids
    last = next((i for i in range(len(ids), 0, -1) if ids[i - 1] != padding), len(ids))
    return [ids[:last]]


def rating(reading: "Reading", pooled: Sequence[Pooled]) -> Rating:
    """Make a rating of what the head said of each of `prompts`.

    The usage is that of reading the conversation once.

    Raises:
        EngineError: A score is no number.
    """
    scores = tuple(goodness(one.outputs.data.tolist()) for one in pooled)
    if not all(map(math.isfinite, scores)):
        raise EngineError("the reward model gave a score that is no number: try another dtype")
    cached = min(pooled[-1].num_cached_tokens or 0, len(reading.ids))  # the last reads all
    return Rating(scores, Usage(prompt=len(reading.ids), cached=cached))


def goodness(logits: Sequence[float]) -> float:
    """Return the sigmoid of one logit, or the probability of the last of two labels.

    Example:
        >>> goodness([0.0]), goodness([0.0, 0.0]), round(goodness([1.0, 3.0]), 4)
        (0.5, 0.5, 0.8808)
    """
    logit = logits[-1] if len(logits) == 1 else logits[-1] - logits[0]
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))  # the other form would overflow here
