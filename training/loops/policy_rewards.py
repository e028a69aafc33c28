"""What a loop pays its policy for: rules alone, or a reward model that is trained anew each time.

A reward is made when a training opens, for a model that rates needs an engine, and it is plain data
before: so a loop tells its trainer what is paid for, and a test reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cogitate.agents import Verifier
from cogitate.inference import Engines
from cogitate.training.rewards import FormatReward, ModelReward, OutcomeReward, Part, Weighted

__all__ = ["PaidByModel", "PaidByRules", "RewardOf"]

RewardOf = Callable[[Engines], Weighted]
"""Makes the reward; engines that it opens close with the training."""


@dataclass(frozen=True)
class PaidByRules:
    """1[correct] + a weight times 1[format kept]: R1's rules."""

    format: float = 1.0

    def __call__(self, engines: Engines) -> Weighted:
        """Return the sum; no model is asked."""
        return Weighted(
            (
                Part("outcome", OutcomeReward()),
                Part("format", FormatReward(), weight=self.format),
            )
        )


@dataclass(frozen=True)
class PaidByModel:
    """What a reward model rates, in [0, 1], + a weight times 1[correct]."""

    folder: Path
    """The reward model's."""
    grader: float = 0.0
    """The weight of the grade. At 0 the grade is not paid for, and stands in the log all the same:
    a reward that rises without it is a model that was outwitted."""

    def __call__(self, engines: Engines) -> Weighted:
        """Return the sum."""
        name = f"hf/{self.folder}"
        rated = ModelReward(Verifier(model=name, name="reward-model"), engines.open(name))
        return Weighted(
            (Part("model", rated), Part("outcome", OutcomeReward(), weight=self.grader))
        )
