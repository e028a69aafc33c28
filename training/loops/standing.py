"""Which weights a loop has: those that the team wears, and those that training goes on from.

Worn is only what a dev set proved better. But a gain may be real and too small for one dev set to
prove: so training goes on from the newest weights, and the next candidate is judged against the
worn ones, until small gains together are proved. Weights that are significantly *worse* than the
worn ones are left at once, and training goes on from the worn ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cogitate.training.loops.judge import Judged

__all__ = ["Standing"]


class Standing(NamedTuple):
    """The weights of a loop, by role; empty for those that the team came with."""

    worn: Mapping[str, Path] = {}
    """The last promoted ones."""
    newest: Mapping[str, Path] = {}
    """Those that training goes on from."""

    def after(self, candidate: Mapping[str, Path], judged: Judged) -> "Standing":
        """Return what stands once a candidate was judged against the worn weights."""
        promotion = judged.promotion
        if promotion.promoted:
            return Standing(candidate, candidate)
        compared = promotion.comparison
        worse = compared.p < promotion.alpha and compared.difference < 0
        return Standing(self.worn, self.worn if worse else candidate)
