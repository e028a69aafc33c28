"""Rows that have seen what shall be measured: found by text, dropped, and reported.

A row is contaminated where its question, its prompt or its replies hold

- `exact`: a whole held-out problem, case, white space and forms of letters aside (one of fewer than
  five words must be all that is said there, for "6 * 7?" stands in many a reply);
- `13-gram`: thirteen words in a row of a held-out problem (Brown et al. 2020, arXiv:2005.14165),
  with signs between them or, as in that paper, without;
- `8-gram`: half of all sequences of eight words and signs of a held-out problem.

Sequences that ten or more held-out problems have in common are their form ("State the final answer
to ...") and say nothing, as in that paper; such problems are told by their whole text. Ids do not
tell. What is only paraphrased is not found: no comparison of words finds it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from cogitate.errors import ConfigError
from cogitate.tasks import Example, Problem
from cogitate.training.filters.texts import said_in, without_signs, words_of
from cogitate.training.rows import Row
from cogitate.training.stream import R

__all__ = ["Contamination", "ContaminationReport", "HeldOut"]

_LONG, _SHORT, _COMMON, _SHOWN, _ALONE = 13, 8, 10, 20, 5


class Contamination(BaseModel):
    """A row that was dropped, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    """The id of the row's problem."""
    held_out: str
    """The id of the held-out problem, or its first words where it has none."""
    rule: str
    """`exact`, `13-gram` or `8-gram`."""


class ContaminationReport(BaseModel):
    """What was compared with what, and what came of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out: int
    """Texts that rows were compared with."""
    rows: int
    """Rows that were compared."""
    dropped: dict[str, int]
    """By rule."""
    problems: int
    """Different held-out problems that rows had seen."""
    shown: tuple[Contamination, ...]
    """The first of the dropped rows."""


class _Text(NamedTuple):
    name: str
    words: tuple[str, ...]


class HeldOut:
    """Drops rows that hold a held-out problem; `report` says what the last pass found.

    Args:
        problems: What is to be measured with: problem sets, problems, worked examples or texts.

    Raises:
        ConfigError: There are none.
    """

    def __init__(self, problems: Iterable[Problem | Example | str]) -> None:
        texts: dict[tuple[str, ...], str] = {}
        for problem in problems:
            text = problem if isinstance(problem, str) else problem.prompt
            name = problem.id if isinstance(problem, Problem) else text[:60]
            if words := tuple(words_of(text)):
                texts.setdefault(words, name)
        if not texts:
            raise ConfigError("no held-out problem has a text: give those to be measured with")
        self._texts = [_Text(name, words) for words, name in texts.items()]
        self._exact: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, (_, words) in enumerate(self._texts):
            self._exact[min(len(words), _LONG)][hash(words[:_LONG])].append(number)
        self._long = self._index(_LONG)
        self._plain = self._index(_LONG, without_signs)
        self._short = self._index(_SHORT)
        self._parts = Counter(number for found in self._short.values() for number in found)
        self.report = self._report(0, [])

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield the rows that hold no held-out problem."""
        read, found = 0, []
        for row in rows:
            read += 1
            seen = self.seen_in(row)
            if seen is None:
                yield row
            else:
                counts["contaminated"] += 1
                found.append(seen)
        self.report = self._report(read, found)

    def seen_in(self, row: Row) -> Contamination | None:
        """Return what a row has seen of the held-out problems, or None."""
        texts = [row.question, row.prefix, *(turn.content for turn in row.messages)]
        texts += [said.text for said in said_in(row)]
        for text in dict.fromkeys(texts):
            if (match := self._match(words_of(text))) is not None:
                rule, number = match
                return Contamination(
                    problem=row.problem, held_out=self._texts[number].name, rule=rule
                )
        return None

    def _match(self, words: list[str]) -> tuple[str, int] | None:
        if (whole := self._whole(words)) is not None:
            return "exact", whole
        for index, shown in ((self._long, words), (self._plain, without_signs(words))):
            for part in _parts(shown, _LONG):
                if numbers := index.get(part):
                    return f"{_LONG}-gram", numbers[0]
        shared: Counter[int] = Counter()
        for part in set(_parts(words, _SHORT)):
            shared.update(self._short.get(part, ()))
        for number, many in shared.items():
            if 2 * many >= self._parts[number]:
                return f"{_SHORT}-gram", number
        return None

    def _whole(self, words: list[str]) -> int | None:
        for length, starts in self._exact.items():
            for i in range(len(words) - length + 1):
                for number in starts.get(hash(tuple(words[i : i + length])), ()):
                    whole = self._texts[number].words
                    alone = len(whole) >= _ALONE or len(words) == len(whole)
                    if alone and tuple(words[i : i + len(whole)]) == whole:
                        return number
        return None

    def _index(
        self, n: int, of: Callable[[Iterable[str]], Iterable[str]] = iter
    ) -> dict[tuple[str, ...], list[int]]:
        index: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, (_, words) in enumerate(self._texts):
            for part in set(_parts(of(words), n)):
                index[part].append(number)
        return {part: found for part, found in index.items() if len(found) < _COMMON}

    def _report(self, rows: int, found: list[Contamination]) -> ContaminationReport:
        return ContaminationReport(
            held_out=len(self._texts),
            rows=rows,
            dropped=dict(Counter(one.rule for one in found)),
            problems=len({one.held_out for one in found}),
            shown=tuple(found[:_SHOWN]),
        )


def _parts(words: Iterable[str], n: int) -> Iterator[tuple[str, ...]]:
    words = tuple(words)
    return (words[i : i + n] for i in range(len(words) - n + 1))
