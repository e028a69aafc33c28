"""The order of rows: those of like length together, shuffled, the same again after a restart.

Batches of like lengths waste little on padding. transformers has such an order too, but draws it
from the global source of chance, which a resumed run finds in another state; this one depends on
the seed and the epoch alone, and is the same on every process.
"""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

__all__ = ["ByLength"]

_BATCHES = 50
"""Batches that are drawn together and then sorted by length."""


class ByLength(Sampler[int]):
    """Indices of rows for one epoch after the other.

    Args:
        lengths: The tokens of each row.
        batch_size: Rows of one step.
        seed: Of the order.

    Example:
        >>> order = ByLength([5, 1, 4, 2], 2, seed=0)
        >>> sorted(order), list(order) == list(order)
        ([0, 1, 2, 3], True)
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, *, seed: int) -> None:
        self._lengths = lengths
        self._batch = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; accelerate does."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed}:{self._epoch}")
        rows = list(range(len(self._lengths)))
        chance.shuffle(rows)
        size = self._batch * _BATCHES
        batches: list[list[int]] = []
        for at in range(0, len(rows), size):
            drawn = sorted(rows[at : at + size], key=lambda row: -self._lengths[row])
            batches += [drawn[i : i + self._batch] for i in range(0, len(drawn), self._batch)]
        # The incomplete batch stays last: before it, a batch would reach over two.
        whole = [batch for batch in batches if len(batch) == self._batch]
        rest = [batch for batch in batches if len(batch) < self._batch]
        chance.shuffle(whole)
        for batch in (*whole, *rest):
            yield from batch
