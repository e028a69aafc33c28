"""From groups of replies to rewards that a trainer may see, and a report of every part of them."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.graphs import gather
from cogitate.training.rewards.guard import Guard, GuardReport
from cogitate.training.rewards.judge_audit import JudgeAudit
from cogitate.training.rewards.reward import Member
from cogitate.training.rewards.weighted import Part, Scored, Weighted

__all__ = ["NOT_MEASURED", "PartReport", "RewardReport", "Rewarded", "reward_groups"]

NOT_MEASURED = "how often it accepts what is wrong was NOT measured"
"""Said of a judge without an audit."""


class PartReport(BaseModel):
    """What one part of a sum gave, in one batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    """`rule`, `model`, `judge` or `own` (a function of the user's): apart, for of all of them only
    rules cannot be fooled by words."""
    weight: FiniteFloat
    mean: FiniteFloat | None
    """Of its finite values, before the weight."""
    deviation: FiniteFloat | None
    least: FiniteFloat | None
    most: FiniteFloat | None
    missing: int
    """Thoughts to which it gave nothing, or no finite number."""
    audits: tuple[JudgeAudit | None, ...] = ()
    """What was measured of each judge in it."""

    def __str__(self) -> str:
        said = "nothing" if self.mean is None else f"{self.mean:+.3f} ± {self.deviation:.3f}"
        if self.least is not None:
            said += f" in [{self.least:g}, {self.most:g}]"
        text = f"{self.name} ({self.kind}, weight {self.weight:g}): {said}, {self.missing} missing"
        for audit in self.audits:
            text += f"\n  judge: {audit or NOT_MEASURED}"
        return text


class RewardReport(BaseModel):
    """What was paid in one batch, and for what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[PartReport, ...]
    guard: GuardReport
    mean: FiniteFloat | None
    """Of the finite sums."""
    errors: dict[str, int]
    """What parts failed with, and how often."""

    def __str__(self) -> str:
        lines = [str(part) for part in self.parts]
        lines.append("sum: nothing" if self.mean is None else f"sum: {self.mean:+.3f}")
        lines.append(str(self.guard))
        return "\n".join([*lines, *(f"{n} times {error}" for error, n in self.errors.items())])


class Rewarded(NamedTuple):
    """Rewards of groups of replies."""

    groups: list[dict[int, float]]
    """What a trainer may see: see `Guarded.groups`."""
    scored: list[list[Scored]]
    """Everything that was given, kept or not, with its parts."""
    report: RewardReport


async def reward_groups(
    reward: Weighted, groups: Sequence[Sequence[Member]], *, guard: Guard | None = None
) -> Rewarded:
    """Reward groups of replies, all at once, and let through what a trainer may see.

    Args:
        reward: The sum.
        groups: Each the replies to one prompt, in one graph or in several.
        guard: What is let through.

    Raises:
        DataError: The reward is broken (see `Guard`).
        ConfigError: Something must be changed first.
    """
    scored = await gather(reward.of_members(group) for group in groups)
    guarded = (guard or Guard())([[one.total for one in group] for group in scored])
    flat = [one for group in scored for one in group]
    totals = _finite([one.total for one in flat])
    report = RewardReport(
        parts=tuple(_part(part, [one.parts[part.name] for one in flat]) for part in reward.parts),
        guard=guarded.report,
        mean=math.fsum(totals) / len(totals) if totals else None,
        errors=dict(Counter(one.error for one in flat if one.error)),
    )
    return Rewarded(guarded.groups, scored, report)


def _part(part: Part, values: Sequence[float | None]) -> PartReport:
    finite = _finite(values)
    mean = math.fsum(finite) / len(finite) if finite else None
    deviation = None
    if mean is not None:
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in finite) / len(finite))
    return PartReport(
        name=part.name,
        kind=part.kind,
        weight=part.weight,
        mean=mean,
        deviation=deviation,
        least=min(finite, default=None),
        most=max(finite, default=None),
        missing=len(values) - len(finite),
        audits=part.audits,
    )


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
