"""What an agent said, as typed values instead of text."""

from dataclasses import dataclass

__all__ = ["Critique", "Reply", "Solution", "Verdict"]


@dataclass(frozen=True, slots=True)
class Solution:
    """A draft or a refinement."""

    answer: str | None
    """The answer as it was marked; None where none was found."""


@dataclass(frozen=True, slots=True)
class Critique:
    """A judgement in words."""

    accepts: bool | None
    """None where the critic did not say, which counts as no acceptance."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement as a number."""

    score: float | None
    """In [0, 1]; None where none was found."""


Reply = Solution | Critique | Verdict
