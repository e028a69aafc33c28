"""So many of so many, with an interval over problems: the record that reports are made of."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.training.intervals import Interval, clustered_interval

__all__ = ["Share", "share_of"]


class Share(BaseModel):
    """So many cases of so many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: int
    """Cases of which it is true, whatever it is."""
    total: int
    share: FiniteFloat | None
    """None where there was no case."""
    interval: Interval
    """95%, over problems."""

    def __str__(self) -> str:
        if self.share is None:
            return "no case"
        low, high = self.interval
        return f"{self.share:.1%} ({self.right}/{self.total}, 95%: {low:.1%} to {high:.1%})"


def share_of(cases: Iterable[tuple[str, bool]]) -> Share:
    """Return the share of cases that are true; cases of one problem tell less than as many others.

    Args:
        cases: The id of its problem, and whether it is true, of each.

    Example:
        >>> str(share_of([("p", True), ("q", False)]))
        '50.0% (1/2, 95%: 9.5% to 90.5%)'
    """
    clusters: dict[str, tuple[int, int]] = {}
    for problem, true in cases:
        so_far, total = clusters.get(problem, (0, 0))
        clusters[problem] = so_far + true, total + 1
    right = sum(true for true, _ in clusters.values())
    total = sum(total for _, total in clusters.values())
    return Share(
        right=right,
        total=total,
        share=right / total if total else None,
        interval=clustered_interval([*clusters.values()]),
    )
