"""A program for any problem: several drafts, the best combined, the outcome refined."""

from cogitate.graphs.program.choose import Given, KeepBest, Score
from cogitate.graphs.program.stage import Stage
from cogitate.graphs.program.transform import Aggregate, Generate, Refine

__all__ = ["generic"]


def generic(*, k: int = 5, keep: int = 3) -> Stage:
    """Write k drafts, combine the best of them in k ways, refine the best of all.

    Nothing is lost on the way: a combination or a refinement stays only where it is scored as high
    as what it was made from.

    Args:
        k: Drafts, and combinations.
        keep: Drafts that are combined.
    """
    best = KeepBest(Score(Generate(Given(), k=k)), n=keep)
    combined = Score(Aggregate(best, k=k))
    leading = KeepBest((best, combined))
    refined = Score(Refine(leading))
    return KeepBest((leading, refined))
