"""What iterative RL is told, and what an iteration comes to."""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from cogitate.training.loops.course import AS_GIVEN, LoopSettings
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.learn import Learned
from cogitate.training.loops.policy_training import check_worn
from cogitate.training.trainers.grpo import GRPOSettings
from cogitate.training.trainers.reward_model import RewardModelSettings

__all__ = ["GradedSamples", "IterativeRLReport", "IterativeRLSettings"]


class IterativeRLSettings(LoopSettings):
    """How to go on."""

    samples: int = Field(default=8, ge=2)
    """Replies of the newest policy to each problem; a right and a wrong one make a pair."""
    window: int = Field(default=1, ge=1)
    """The reward model is trained on the pairs of so many iterations, the newest ones."""
    patience: int = Field(default=2, ge=1)
    """The dev set has reached a plateau after so many iterations in a row without a significant
    gain, and the loop ends."""
    grader: float = Field(default=0.0, ge=0)
    """What a right answer earns besides the reward model's rating, which is in [0, 1]. At 0 the
    policy is paid by the model alone."""
    reward_model: RewardModelSettings = RewardModelSettings()
    grpo: GRPOSettings = GRPOSettings()

    @field_validator("grpo")
    @classmethod
    def _worn(cls, grpo: GRPOSettings) -> GRPOSettings:
        check_worn(grpo.adapter)
        return grpo


class GradedSamples(BaseModel):
    """What the newest policy's own replies gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: int
    replies: int
    """That a grader could tell of."""
    right: int
    """Of these."""
    pairs: int
    dropped: dict[str, int]
    """What gave no pair (see `Harvest.preferences`)."""

    def __str__(self) -> str:
        return (
            f"{self.right} of {self.replies} replies to {self.problems} problems right, "
            f"{self.pairs} pairs"
        )


class IterativeRLReport(BaseModel):
    """What one iteration came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    began: str
    """The newest policy, which sampled and was trained on: a folder in the run directory, or
    `as given`."""
    sampled: GradedSamples
    reward_model: Learned
    """Trained anew, from the base."""
    policy: Learned
    judged: Judged
    weights: dict[str, str]
    """Worn from here on: by role, a folder in the run directory; empty for those as given."""
    newest: str
    """Where the next iteration begins: the candidate, unless it is significantly worse."""
    without_gain: int
    """Iterations in a row, this one included, that brought no significant gain."""
    plateau: bool
    """These are as many as `patience`: the loop ends here."""
    sampled_tokens: int
    """For pairs; those of RL and of judging apart."""
    seconds: FiniteFloat
    """Of all stages, those of judging included."""

    def __str__(self) -> str:
        rated, learned = self.reward_model, self.policy
        losses = rated.losses
        loss = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
        parts = [
            f"{said} {learned.metrics[name]:.3f}"
            for name, said in _PARTS.items()
            if name in learned.metrics
        ]
        earned = f" ({', '.join(parts)} at the last step)" if parts else ""
        worn = ", ".join(self.weights.values()) or AS_GIVEN
        goes = (
            f"plateau: {self.without_gain} iterations in a row without a significant gain"
            if self.plateau
            else f"the next iteration begins with {self.newest}"
        )
        return (
            f"iteration {self.iteration}, from {self.began}: {self.sampled}\n"
            f"reward model on {rated.rows} pairs{loss}; RL from {learned.rows} starts{earned}"
            f"{learned.warning}\n"
            f"{self.judged}\nweights: {worn}; {goes}; {self.sampled_tokens:,} tokens sampled to "
            f"train on; {self.seconds:.0f} s"
        )


_PARTS = {"rewards/part/model": "model", "rewards/part/outcome": "right"}
"""What the log says of rewards, and what the report calls it."""
