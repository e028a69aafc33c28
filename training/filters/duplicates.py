"""Rows that say the same again, or nearly so.

Nearly the same is measured by the share of three-word sequences that two texts have in common
(Jaccard), among rows that answer the same prompt: sums that differ in a digit are different
problems. Of each text the 128 smallest hashes are kept (a bottom-k sketch, Broder 1997), so the
share is exact for texts of up to 128 words and an estimate above. Two texts are compared where
they have one of their eight smallest hashes in common: of texts that share four fifths of their
sequences, all but about one in a million are.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from cogitate.errors import ConfigError
from cogitate.tasks.held_back import same_text
from cogitate.training.filters.texts import asked_text, said_in, words_of
from cogitate.training.stream import R

__all__ = ["NearUnique", "Unique"]

_KEPT = 128
_INDEXED = 8
_WORDS = 3


@dataclass(frozen=True)
class Unique:
    """Drop what says the same to the same prompt, white space aside; the first is kept."""

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield each row once; 16 bytes of each are remembered."""
        seen: set[bytes] = set()
        for row in rows:
            text = "\x1e".join((asked_text(row), *(same_text(said.text) for said in said_in(row))))
            digest = blake2b(text.encode(), digest_size=16).digest()
            if digest in seen:
                counts["duplicate"] += 1
            else:
                seen.add(digest)
                yield row


@dataclass(frozen=True)
class NearUnique:
    """Drop what says nearly the same to the same prompt as a row before it."""

    share: float = 0.8
    """Of common three-word sequences, from which on two texts are nearly the same."""

    def __post_init__(self) -> None:
        """Refuse a share that everything, or nothing, has."""
        if not 0 < self.share <= 1:
            raise ConfigError(f"NearUnique(share={self.share}): give 0 < share <= 1")

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield rows that are far enough from all before them; a kilobyte of each is remembered."""
        sketches: list[frozenset[int]] = []
        kept: dict[bytes, set[int]] = {}
        for row in rows:
            prompt = blake2b(asked_text(row).encode(), digest_size=16).digest()
            sketch = _sketch(" ".join(said.text for said in said_in(row)))
            indexed = [
                prompt + smallest.to_bytes(8, "big") for smallest in sorted(sketch)[:_INDEXED]
            ]
            near = set().union(*(kept.get(key, ()) for key in indexed))
            if any(_is_near(sketch, sketches[other], self.share) for other in near):
                counts["near duplicate"] += 1
                continue
            for key in indexed:
                kept.setdefault(key, set()).add(len(sketches))
            sketches.append(sketch)
            yield row


def _sketch(text: str) -> frozenset[int]:
    words = words_of(text)
    parts = {" ".join(words[i : i + _WORDS]) for i in range(max(1, len(words) - _WORDS + 1))}
    hashes = sorted(
        int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big") for part in parts
    )
    return frozenset(hashes[:_KEPT])


def _is_near(one: frozenset[int], other: frozenset[int], share: float) -> bool:
    """Whether so many parts are common, by the smallest hashes of both together."""
    common = len(one & other)
    if common < share * min(_KEPT, len(one) + len(other) - common):
        return False  # most often, and without sorting
    smallest = sorted(one | other)[:_KEPT]
    return sum(part in one and part in other for part in smallest) >= share * len(smallest)
