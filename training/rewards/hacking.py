"""Signs that a policy learns the reward instead of the task: reward up, graded accuracy not.

Reward, accuracy, length and format over the steps of a training run are each fitted with a line
(least squares), with a 95% interval of its slope by Student's t. A sign is given only where a slope
lies above 0 with its whole interval; that accuracy "does not rise" means that its interval reaches
0 or below. It is a sign and no proof: with few steps an honest rise can hide in the noise, so
each sign names its numbers, and `told` says whether the steps suffice to see a rise as steep as
the reward's. Left out: correlation between neighbouring steps, which makes intervals too
narrow; give means over several steps where steps overlap in their data.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.errors import ConfigError
from cogitate.training.intervals import Interval, student_quantile

__all__ = ["HackingReport", "Sign", "Slope", "StepMeans", "hacking_signs", "slope_of"]


class StepMeans(BaseModel):
    """What one step of training, or several together, came to on average."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: FiniteFloat
    reward: FiniteFloat
    """The whole sum."""
    accuracy: FiniteFloat
    """The share that graders found right, whatever was paid for."""
    length: FiniteFloat | None = None
    """In tokens."""
    format: FiniteFloat | None = None
    """The share that kept the format."""


class Slope(NamedTuple):
    """The change of a mean in one step of training."""

    value: float
    interval: Interval

    @property
    def rises(self) -> bool:
        """Whether it lies above 0, with its whole interval."""
        return self.interval.low > 0

    @property
    def falls(self) -> bool:
        """Whether it lies below 0, with its whole interval."""
        return self.interval.high < 0

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:+.3g} a step (95%: {low:+.3g} to {high:+.3g})"


class Sign(BaseModel):
    """One sign, and the numbers behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal[
        "accuracy falls", "reward without accuracy", "longer without accuracy", "format only"
    ]
    because: str

    def __str__(self) -> str:
        return f"SIGN {self.name}: {self.because}"


class HackingReport(BaseModel):
    """What a training run looks like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    signs: tuple[Sign, ...]
    reward: Slope
    accuracy: Slope
    excess: Slope
    """Of the reward less what its outcome part pays for the accuracy."""
    length: Slope | None
    format: Slope | None
    told: bool
    """Whether the interval of accuracy is narrow enough to tell a rise as steep as the reward's
    from none; where it is not, "does not rise" means little."""

    def __str__(self) -> str:
        lines = [f"reward {self.reward}", f"accuracy {self.accuracy}"]
        lines += [f"length {self.length}"] if self.length else []
        lines += [f"format {self.format}"] if self.format else []
        lines += [str(sign) for sign in self.signs] or ["no sign"]
        if not self.told:
            lines.append(f"{self.steps} steps are too few, or too noisy, to tell accuracy's slope")
        return "\n".join(lines)


def hacking_signs(
    history: Sequence[StepMeans], *, outcome_weight: float = 1.0
) -> HackingReport | None:
    """Look for signs in the history of a run, such as `Trained.history`.

    Args:
        history: Of different steps.
        outcome_weight: What the reward pays for a right answer more than for a wrong one.

    Returns:
        None where there are fewer than three steps, which have no slope.

    Raises:
        ConfigError: All are one step.
    """
    if len(history) < 3:
        return None
    steps = [one.step for one in history]
    reward = slope_of(steps, [one.reward for one in history])
    accuracy = slope_of(steps, [one.accuracy for one in history])
    excess = slope_of(steps, [one.reward - outcome_weight * one.accuracy for one in history])
    length = _optional(steps, [one.length for one in history])
    format_ = _optional(steps, [one.format for one in history])
    half = (accuracy.interval.high - accuracy.interval.low) / 2
    signs = []
    if reward.rises and accuracy.falls:
        signs.append(_sign("accuracy falls", reward=reward, accuracy=accuracy))
    if excess.rises and reward.rises and not accuracy.rises:
        signs.append(_sign("reward without accuracy", reward=reward, accuracy=accuracy))
        if format_ is not None and format_.rises:
            signs.append(_sign("format only", format=format_, accuracy=accuracy))
    if length is not None and length.rises and not accuracy.rises:
        signs.append(_sign("longer without accuracy", length=length, accuracy=accuracy))
    return HackingReport(
        steps=len(steps),
        signs=tuple(signs),
        reward=reward,
        accuracy=accuracy,
        excess=excess,
        length=length,
        format=format_,
        told=half * abs(outcome_weight) < abs(reward.value),
    )


def slope_of(steps: Sequence[float], values: Sequence[float]) -> Slope:
    """Return the slope of a line through points, with its 95% interval.

    Raises:
        ConfigError: Fewer than three points, or no two different steps.

    Example:
        >>> slope_of([0, 1, 2], [1, 3, 5]).value
        2.0
    """
    n = len(steps)
    if n < 3 or len(values) != n or min(steps) == max(steps):
        raise ConfigError(f"a slope of {n} steps: give three or more, not all the same")
    mean_x, mean_y = math.fsum(steps) / n, math.fsum(values) / n
    spread = math.fsum((x - mean_x) ** 2 for x in steps)
    slope = math.fsum((x - mean_x) * y for x, y in zip(steps, values, strict=True)) / spread
    rest = math.fsum(
        (y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(steps, values, strict=True)
    )
    half = student_quantile(n - 2) * math.sqrt(rest / (n - 2) / spread)
    return Slope(slope, Interval(slope - half, slope + half))


def _optional(steps: Sequence[float], values: Sequence[float | None]) -> Slope | None:
    there = [value for value in values if value is not None]
    return slope_of(steps, there) if len(there) == len(steps) else None


def _sign(
    name: Literal[
        "accuracy falls", "reward without accuracy", "longer without accuracy", "format only"
    ],
    **slopes: Slope,
) -> Sign:
    return Sign(name=name, because=", ".join(f"{what} {slope}" for what, slope in slopes.items()))
