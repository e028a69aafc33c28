"""From preference rows to tokens, and which of them are left out before training."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.training.rows import PreferenceRow
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Start

__all__ = ["Pair", "Pairs", "encode_pairs", "familiar"]

Perplexities = Callable[[Sequence[tuple[list[int], list[int]]]], list[float]]
"""Gives the perplexity of each completion after its prompt."""


class Pair(NamedTuple):
    """One preference as a trainer takes it."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


class Pairs(NamedTuple):
    """What is trained on, and what was done to the rows."""

    pairs: list[Pair]
    counts: dict[str, int]
    """`reencoded` (replies encoded from their text), `too_long`, `equal` (both replies have the
    same tokens) and, where perplexity filters, `unfamiliar`."""


def encode_pairs(rows: Sequence[PreferenceRow], start: Start, *, max_tokens: int) -> Pairs:
    """Return the tokens of rows; those that are too long or say the same twice are left out.

    Raises:
        ConfigError: No row is left, or one has no prompt.
    """
    coder = Coder(start.folder)
    pairs: list[Pair] = []
    too_long = equal = 0
    for row in rows:
        own = coder.owns(row.chosen.source) or coder.owns(row.rejected.source)
        prompt = list(coder.prompt(row, own=own))
        chosen, rejected = list(coder.reply(row.chosen)), list(coder.reply(row.rejected))
        if chosen == rejected:
            equal += 1
        elif len(prompt) + max(len(chosen), len(rejected)) > max_tokens:
            too_long += 1
        else:
            pairs.append(Pair(prompt, chosen, rejected))
    if not pairs:
        raise ConfigError(
            f"no pairs to train on: {len(rows)} were given, {too_long} of them longer than "
            f"max_tokens={max_tokens}, {equal} equal: harvest more, or raise it"
        )
    return Pairs(pairs, {"reencoded": coder.reencoded, "too_long": too_long, "equal": equal})


def familiar(found: Pairs, perplexities: Perplexities, *, quantile: float) -> Pairs:
    """Leave out pairs with a reply that the policy itself would hardly ever write.

    Of n perplexities in order, the ceil(quantile * n)-th is the highest that stays.

    Args:
        found: The pairs.
        perplexities: The policy's own, before training.
        quantile: In (0, 1]: the part of all replies that stays.
    """
    replies = [
        (pair.prompt_ids, reply)
        for pair in found.pairs
        for reply in (pair.chosen_ids, pair.rejected_ids)
    ]
    measured = perplexities(replies)
    limit = sorted(measured)[math.ceil(quantile * len(measured)) - 1]
    kept = [
        pair
        for i, pair in enumerate(found.pairs)
        if max(measured[2 * i], measured[2 * i + 1]) <= limit
    ]
    unfamiliar = len(found.pairs) - len(kept)
    if not kept:
        raise ConfigError(f"perplexity_quantile={quantile} leaves no pair: raise it")
    return Pairs(kept, {**found.counts, "unfamiliar": unfamiliar})
