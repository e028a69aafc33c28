"""How alike two problems are, by the words that they share.

The cosine between the words of two prompts, each word weighted by how rare it is among the prompts
that may be recalled, and every number taken for the same word: problems that differ in their
numbers alone are the most similar. What is left out: meaning, and languages that write no spaces
between words.
"""

import re
from array import array
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WordIndex", "words_of"]

_WORD = re.compile(r"\d+|[^\W\d_]+")


def words_of(text: str) -> Counter[str]:
    """Count the words of a text.

    Example:
        >>> words_of("Add 3 and 14.") == {"add": 1, "#": 2, "and": 1}
        True
    """
    return Counter("#" if w[0].isdigit() else w.casefold() for w in _WORD.findall(text))


class WordIndex:
    """The words of many prompts, which are numbered as they come.

    Example:
        >>> import numpy as np
        >>> index = WordIndex()
        >>> index.add("Add 3 and 4.")
        >>> index.add("Write a poem.")
        >>> index.similar("Add 8 and 9.", np.array([True, True])).round(2).tolist()
        [1.0, 0.0]
    """

    def __init__(self) -> None:
        self._words: dict[str, int] = {}
        self._prompts = 0
        # one entry for each word of each prompt
        self._prompt = array("q")
        self._word = array("q")
        self._count = array("d")

    def add(self, prompt: str) -> None:
        """Add the next prompt."""
        for word, count in words_of(prompt).items():
            self._prompt.append(self._prompts)
            self._word.append(self._words.setdefault(word, len(self._words)))
            self._count.append(count)
        self._prompts += 1

    def similar(self, prompt: str, usable: "NDArray[np.bool_]") -> "NDArray[np.float64]":
        """Return how similar each prompt is, from 0 (no word shared) to 1.

        Args:
            prompt: What is asked.
            usable: Which prompts count; the others are as similar as 0.
        """
        import numpy as np  # as heavy as all else here together

        asked = words_of(prompt)
        unknown = {word: i for i, word in enumerate(asked.keys() - self._words.keys())}
        size = len(self._words) + len(unknown)
        numbers = [self._words.get(word, len(self._words) + unknown.get(word, 0)) for word in asked]
        counts = np.zeros(size)
        counts[numbers] = list(asked.values())

        documents = np.frombuffer(self._prompt, dtype=np.int64)
        chosen = usable[documents] if self._prompts else np.zeros(0, dtype=np.bool_)
        documents = documents[chosen]
        words = np.frombuffer(self._word, dtype=np.int64)[chosen]
        seen_in = np.bincount(words, minlength=size)
        rarity = np.log(1 + (1 + usable.sum()) / (1 + seen_in))
        weights = np.frombuffer(self._count, dtype=np.float64)[chosen] * rarity[words]
        wanted = counts * rarity

        shared = np.bincount(documents, weights * wanted[words], minlength=self._prompts)
        squares = np.bincount(documents, weights**2, minlength=self._prompts)
        lengths = np.sqrt(squares) * np.sqrt((wanted**2).sum())
        alike: NDArray[np.float64] = np.zeros(self._prompts)
        np.divide(shared, lengths, out=alike, where=lengths > 0)
        return alike
