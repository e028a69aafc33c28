"""Rows as a stream: made anew on each pass, one episode at a time, with a count of all that is not.

A harvest may hold more rows than memory does. So rows are not a list: they are made while they are
iterated over, and filters are put in the way of that. Where a row comes from is known of the stream
and not of the row, so that no file and no field can claim to have been verified.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from cogitate.training.rows import Row

__all__ = ["R", "RowFilter", "Rows", "Verification", "verification_of"]

R = TypeVar("R", bound=Row)
R_co = TypeVar("R_co", bound=Row, covariant=True)


class Verification(StrEnum):
    """Who says what the replies of a row are worth."""

    GRADER = "grader"
    """The problem's own grader, when the row was made."""
    RECORDED = "recorded"
    """A grader, when it was thought: its score stood in the graph and was taken for that."""
    MODEL = "model"
    """The scores of a model."""
    UNVERIFIED = "unverified"
    """Nobody here: it was read from a file."""


class RowFilter(Protocol):
    """Lets rows pass or not, and counts those that do not."""

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield the rows that are kept, in their order.

        Args:
            rows: May be iterated over more than once, where what they come from can be.
            counts: Of dropped rows, by reason.
        """
        ...


class Rows(Generic[R_co]):
    """Rows of one kind.

    Args:
        kind: Their class.
        draw: Makes them, and counts what is not among them.
        verification: Who verified them; a row that rests on a model's scores is `model` anyway.
    """

    def __init__(
        self,
        kind: type[R_co],
        draw: Callable[[Counter[str]], Iterator[R_co]],
        *,
        verification: Verification = Verification.UNVERIFIED,
        filters: tuple[RowFilter, ...] = (),
    ) -> None:
        self.kind = kind
        self.verification = verification
        self.filters = filters
        self._draw = draw
        self._counts: Counter[str] = Counter()

    @staticmethod
    def of(kind: type[R], rows: Iterable[R]) -> "Rows[R]":
        """Return rows that nobody here has verified."""
        return Rows(kind, lambda _: iter(rows))

    def __iter__(self) -> Iterator[R_co]:
        counts: Counter[str] = Counter(rows=0)
        for row in self._draw(counts):
            counts["rows"] += 1
            yield row
        self._counts = counts

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of everything, in the last pass that came to its end; empty before."""
        return dict(self._counts)

    def through(self, *filters: RowFilter) -> "Rows[R_co]":
        """Return the rows that pass all filters, in their order."""
        rows = self
        for each in filters:
            rows = rows._filtered(each)
        return rows

    def _filtered(self, row_filter: RowFilter) -> "Rows[R_co]":
        def draw(counts: Counter[str]) -> Iterator[R_co]:
            before = _Again(self._draw)
            yield from row_filter.keep(before, counts)
            counts.update(before.counts)

        return Rows(
            self.kind,
            draw,
            verification=self.verification,
            filters=(*self.filters, row_filter),
        )


class _Again(Generic[R_co]):
    """What a filter reads: whole passes over rows, of which the last is counted."""

    def __init__(self, draw: Callable[[Counter[str]], Iterator[R_co]]) -> None:
        self._draw = draw
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[R_co]:
        self.counts = Counter()
        return self._draw(self.counts)


def verification_of(rows: Rows[Row], row: Row) -> Verification:
    """Who verified a row of a stream."""
    if rows.verification is not Verification.UNVERIFIED and row.credit is not None:
        return rows.verification if row.credit.source == "grader" else Verification.MODEL
    return rows.verification
