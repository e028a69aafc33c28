"""What may be recalled, and what of it a problem recalls.

The words of what stands in the file are held in memory, and grow with it, whoever writes. What was
found is read again before it is told, so that nothing damaged or forgotten is.
"""

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogitate.memory.database import Database
from cogitate.memory.remembered import Kept, Sort, prompt_key, read
from cogitate.memory.similarity import WordIndex
from cogitate.memory.vectors import Vectors
from cogitate.tasks import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Query", "Shelf"]

# As bytes, so that a text that is no text any more costs its own row only.
_COLUMNS = "id, " + ", ".join(
    f"CAST({name} AS BLOB)" for name in ("key", "sort", "record", "learned", "digest")
)


@dataclass(frozen=True, slots=True)
class Query:
    """What a problem asks of a shelf."""

    sort: Sort
    problem: Problem
    most: int
    similarity: float
    newest: int | None = None
    """The number of the last item that it may see; None: all."""
    vector: bytes | None = None
    """The embedding of the problem; None: words are compared."""


@dataclass(slots=True)
class _Sorted:
    """What may be recalled of one sort, by its place in the order of learning."""

    numbers: list[int] = field(default_factory=list)
    words: WordIndex = field(default_factory=WordIndex)
    of_prompt: defaultdict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    of_problem: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kept: Kept) -> None:
        place = len(self.numbers)
        self.numbers.append(kept.number)
        self.words.add(kept.lesson.prompt)
        self.of_prompt[prompt_key(kept.lesson.prompt)].append(place)
        self.of_problem[kept.lesson.problem].append(place)

    def usable(self, query: Query) -> "NDArray[np.bool_]":
        """Which places a query may see: what is old enough, and of other problems."""
        import numpy as np  # as heavy as all else here together

        usable = np.ones(len(self.numbers), dtype=np.bool_)
        if query.newest is not None:
            usable[bisect_right(self.numbers, query.newest) :] = False
        usable[self.of_prompt.get(prompt_key(query.problem.prompt), [])] = False
        usable[self.of_problem.get(query.problem.id, [])] = False
        return usable


class Shelf:
    """All that is kept in a file, by similarity. Safe to use from any thread.

    Args:
        database: The file.
        vectors: Its embeddings, where problems are compared by those.
    """

    def __init__(self, database: Database, vectors: Vectors | None) -> None:
        self.damaged: set[int] = set()
        """The numbers of what is damaged: it is neither recalled nor told."""
        self._database = database
        self._vectors = vectors
        self._lock = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self._seen = 0
        self._forgotten = 0
        self._sorts: Mapping[Sort, _Sorted] = {"lesson": _Sorted(), "example": _Sorted()}

    def find(self, query: Query) -> list[Kept]:
        """Return what is most similar, the most similar first, then the newest; one text once."""
        with self._lock:
            self._catch_up()
            place = self._sorts[query.sort]
            different: dict[str, Kept] = {}
            for number in self._candidates(place, query):
                kept = self._again(number)
                if kept is not None and kept.recallable:
                    different.setdefault(kept.lesson.text, kept)
                if len(different) == query.most:
                    break
            return list(different.values())

    def all(self, *, after: int = 0) -> list[Kept]:
        """Return all that is kept and not damaged, verified or not, in the order of learning."""
        with self._lock:
            query = f"SELECT {_COLUMNS} FROM experiences WHERE id > ? ORDER BY id"
            rows = self._database.rows(lambda *row: (row[0], read(*row)), query, (after,))
            found: list[Kept] = []
            for number, kept in rows:
                if kept is None:
                    self.damaged.add(number)
                else:
                    found.append(kept)
            return found

    def _catch_up(self) -> None:
        """Take in what has been written since, and begin again where something was forgotten."""
        query = "SELECT ifnull(max(id), 0) FROM experience_forgotten"
        [forgotten] = self._database.rows(int, query)
        if forgotten != self._forgotten:
            self._clear()
            self._forgotten = forgotten
        for kept in self.all(after=self._seen):
            self._seen = kept.number
            if kept.recallable:
                self._sorts[kept.sort].add(kept)

    def _candidates(self, place: _Sorted, query: Query) -> Iterator[int]:
        import numpy as np  # as heavy as all else here together

        usable = place.usable(query)
        if query.vector is None or self._vectors is None:
            alike = place.words.similar(query.problem.prompt, usable)
        else:
            found = self._vectors.similar(query.vector)
            self.damaged |= {number for number, one in found.items() if one is None}
            alike = np.array([_known(found.get(number)) for number in place.numbers])
        alike = alike.round(9)  # of equal ones the newest comes first, whatever was added first
        chosen = np.flatnonzero(usable & (alike >= query.similarity))
        order = np.lexsort((-chosen, -alike[chosen]))
        return (place.numbers[one] for one in chosen[order])

    def _again(self, number: int) -> Kept | None:
        query = f"SELECT {_COLUMNS} FROM experiences WHERE id = ?"
        rows = list(self._database.rows(lambda *row: read(*row), query, (number,)))
        kept = rows[0] if rows else None
        sound = kept is not None and (self._vectors is None or self._vectors.sound(number))
        if rows and not sound:
            self.damaged.add(number)
        return kept if sound else None


def _known(similarity: float | None) -> float:
    """A similarity; that of what cannot be compared is less than any."""
    return -2.0 if similarity is None else similarity
