"""Keys and values of prompts seen before, in blocks, the least recently used ones forgotten.

A block is known by everything before it: its key is a hash over the adapter and all tokens up to
its end. Two prompts share exactly the blocks in which they agree from the first token on.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

import torch

__all__ = ["BLOCK", "PrefixCache", "block_keys"]

BLOCK = 16
"""Tokens in a block."""


def block_keys(tokens: Sequence[int], root: bytes = b"") -> list[bytes]:
    """Return one key for each full block of `tokens`.

    Args:
        tokens: Token ids.
        root: What else the keys and values depend on (the adapter).
    """
    keys, digest = [], hashlib.blake2b(root, digest_size=16)
    for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
        digest.update(array("q", tokens[start : start + BLOCK]).tobytes())
        keys.append(digest.digest())
    return keys


class PrefixCache:
    """Blocks by key.

    Args:
        tokens: How many tokens may be kept; 0 keeps none.
    """

    def __init__(self, tokens: int) -> None:
        self.capacity = tokens // BLOCK
        self._blocks: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def match(self, keys: Sequence[bytes]) -> list[torch.Tensor]:
        """Return the blocks of the longest known beginning, and mark them as used."""
        found = 0
        while found < len(keys) and keys[found] in self._blocks:
            found += 1
        for key in reversed(keys[:found]):  # a block is always newer than those built on it
            self._blocks.move_to_end(key)
        return [self._blocks[key] for key in keys[:found]]

    def __contains__(self, key: bytes) -> bool:
        return key in self._blocks

    def add(self, key: bytes, block_L2HTD: torch.Tensor) -> None:
        """Keep a block, and forget the oldest ones beyond the capacity."""
        self._blocks[key] = block_L2HTD
        while len(self._blocks) > self.capacity:
            self._blocks.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._blocks.clear()
