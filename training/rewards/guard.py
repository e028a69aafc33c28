"""What stands between rewards and a trainer: nothing but finite numbers that tell something pass.

One NaN makes a whole batch NaN, an infinite reward a whole group; TRL guards against neither (its
1.16 lets an infinite reward through). A group in which all rewards are equal has no advantage and
teaches nothing (DAPO, arXiv:2503.14476, leaves such groups out too). All of it is counted. A reward
that is often no number is broken: then the guard stops the run, for the rest is a biased rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from cogitate.errors import ConfigError, DataError

__all__ = ["Guard", "GuardReport", "Guarded"]


class GuardReport(BaseModel):
    """What came to the guard, and what it let through; reports of several batches add up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: int = 0
    rewards: int = 0
    none: int = 0
    """Rewards that there were none of."""
    nan: int = 0
    infinite: int = 0
    empty: int = 0
    """Groups in which nothing is a number."""
    few: int = 0
    """Groups in which fewer than the least are."""
    equal: int = 0
    """Groups in which all that are numbers are equal."""
    kept_groups: int = 0
    kept_rewards: int = 0

    @property
    def faulty(self) -> int:
        """Rewards that are no finite number."""
        return self.none + self.nan + self.infinite

    def __add__(self, other: "GuardReport") -> "GuardReport":
        mine, others = self.model_dump(), other.model_dump()
        return GuardReport(**{name: mine[name] + others[name] for name in mine})

    def __str__(self) -> str:
        return (
            f"{self.kept_rewards} of {self.rewards} rewards in {self.kept_groups} of {self.groups} "
            f"groups kept: {self.none} none, {self.nan} NaN, {self.infinite} infinite; groups left "
            f"out: {self.empty} empty, {self.few} with too few, {self.equal} all equal"
        )


class Guarded(NamedTuple):
    """What a trainer may see."""

    groups: list[dict[int, float]]
    """For each group, in order, the rewards that are kept by their place in it; empty where the
    group is left out."""
    report: GuardReport


@dataclass(frozen=True)
class Guard:
    """Let finite rewards through, in groups of which something can be learned."""

    least: int = 2
    """A group needs as many; 1 for rewards that are not compared within their group."""
    keep_equal: bool = False
    """Keep groups in which all are equal, for estimators whose baseline is not the group's."""
    most_faulty: float = 0.1
    """The share of rewards that may be no finite number."""

    def __post_init__(self) -> None:
        """Refuse limits that can be no limits."""
        if self.least < 1 or not 0 <= self.most_faulty <= 1:
            raise ConfigError(
                f"Guard(least={self.least}, most_faulty={self.most_faulty}): give at least 1 and a "
                "share in [0, 1]"
            )

    def __call__(self, groups: Sequence[Sequence[float | None]]) -> Guarded:
        """Return what is left of each group, and the counts.

        Raises:
            DataError: Too many rewards are no finite number: the reward is broken.

        Example:
            >>> found = Guard(most_faulty=1)([[1.0, 0.0, None], [1.0, 1.0], [float("nan")]])
            >>> found.groups, found.report.equal, found.report.empty
            ([{0: 1.0, 1: 0.0}, {}, {}], 1, 1)
        """
        report = GuardReport()
        kept = []
        for group in groups:
            finite, found = self._one(group)
            report += found
            kept.append(finite)
        if report.faulty > self.most_faulty * report.rewards:
            raise DataError(
                f"{report.faulty} of {report.rewards} rewards are no finite number ({report}): "
                "mend the reward, or raise most_faulty"
            )
        return Guarded(kept, report)

    def _one(self, group: Sequence[float | None]) -> tuple[dict[int, float], GuardReport]:
        there = {i: float(reward) for i, reward in enumerate(group) if reward is not None}
        finite = {i: reward for i, reward in there.items() if math.isfinite(reward)}
        nan = sum(math.isnan(reward) for reward in there.values())
        empty = not finite
        few = not empty and len(finite) < self.least
        equal = not (empty or few) and len(finite) > 1 and len({*finite.values()}) == 1
        if empty or few or (equal and not self.keep_equal):
            kept: dict[int, float] = {}
        else:
            kept = finite
        report = GuardReport(
            groups=1,
            rewards=len(group),
            none=len(group) - len(there),
            nan=nan,
            infinite=len(there) - nan - len(finite),
            empty=empty,
            few=few,
            equal=equal,
            kept_groups=bool(kept),
            kept_rewards=len(kept),
        )
        return kept, report
