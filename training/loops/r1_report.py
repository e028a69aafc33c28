"""What R1 is told, the steps that it takes, and what each of them comes to."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from cogitate.training.loops.course import AS_GIVEN, LoopSettings
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.learn import Learned
from cogitate.training.loops.policy_training import check_worn
from cogitate.training.trainers.grpo import GRPOSettings
from cogitate.training.trainers.sft import SFTSettings

__all__ = ["R1Report", "R1Rows", "R1Settings", "R1Step"]


class R1Step(StrEnum):
    """The steps, in their order."""

    COLD_START = "cold-start"
    """SFT on chains that were given, or that another team sampled."""
    REASONING = "reasoning"
    """RL with rules."""
    REJECTION = "rejection"
    """SFT of the base anew, on what the policy wrote and a grader verified."""
    FINAL = "final"
    """RL with rules again."""
    DISTIL = "distil"
    """SFT of a smaller model on what the last policy wrote and a grader verified."""

    @property
    def imitates(self) -> bool:
        """Whether it is supervised."""
        return self not in (R1Step.REASONING, R1Step.FINAL)


class R1Settings(LoopSettings):
    """How to go on; a step is trained as the settings of its name say."""

    reuse: bool = True
    """Every step learns from all problems, instead of a part of them in each."""
    samples: int = Field(default=8, ge=1)
    """Replies to each problem, where rows are sampled."""
    per_problem: int | None = Field(default=4, ge=1)
    """The most right ones of them that are trained on: for the cold start the longest, else the
    first."""
    format: float = Field(default=1.0, ge=0)
    """What keeping the format earns in RL; a right answer earns 1."""
    cold_start: SFTSettings = SFTSettings()
    reasoning: GRPOSettings = GRPOSettings()
    rejection: SFTSettings = SFTSettings()
    final: GRPOSettings = GRPOSettings()
    distil: SFTSettings = SFTSettings()

    def imitating(self, step: R1Step) -> SFTSettings:
        """How a supervised step is trained."""
        if step is R1Step.COLD_START:
            return self.cold_start
        return self.rejection if step is R1Step.REJECTION else self.distil

    def reinforcing(self, step: R1Step) -> GRPOSettings:
        """How a step of RL is trained."""
        return self.reasoning if step is R1Step.REASONING else self.final

    @model_validator(mode="after")
    def _go_on(self) -> Self:
        chain = (self.cold_start, self.reasoning, self.rejection, self.final)
        trained = [one.adapter for one in chain]
        kinds = {one.kind for one in trained}
        if len(kinds) > 1:
            raise ValueError(
                f"each step goes on with the weights of another one, and these are of kinds "
                f"{sorted(kinds)}: train LoRA() in all of them, or FullWeights()"
            )
        for one in (*trained, self.distil.adapter):
            check_worn(one)
        return self


class R1Rows(BaseModel):
    """The rows of a supervised step."""

    problems: int
    counts: dict[str, int]
    rows: int


class R1Report(BaseModel):
    """What one step came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    """The number of the step, from 1."""
    step: R1Step
    began: str
    """The weights that training began with: a folder in the run directory, or `as given`."""
    teacher: str | None
    """Who wrote the rows: a folder, `as given`, `first` or `rows`; None in RL."""
    problems: int
    counts: dict[str, int]
    """What became of the sampled replies or of the rows that were given (see `Verified`)."""
    learned: Learned
    judged: Judged
    weights: dict[str, str]
    """Worn from here on, or by the student: by role, a folder; empty for those as given."""
    newest: str
    """The weights that go on to the next step: these, unless they are significantly worse."""
    sampled_tokens: int
    """For rows; those of RL and of judging apart."""
    seconds: FiniteFloat
    """Of all its stages, those of judging included."""

    def __str__(self) -> str:
        losses = self.learned.losses
        loss = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
        if self.teacher is None:
            found = self.learned.metrics.get("reward")
            earned = "" if found is None else f", reward {found:.3f} at the last step"
            done = f"RL from {self.problems} problems{earned}"
        else:
            given = self.counts.get("solutions", 0)
            done = (
                f"{self.counts['kept']} of {given} replies to {self.problems} problems kept, "
                f"written by {self.teacher}; {self.learned.rows} rows{loss}"
            )
        worn = ", ".join(self.weights.values()) or AS_GIVEN
        return (
            f"step {self.iteration}, {self.step}: from {self.began}; {done}"
            f"{self.learned.warning}\n{self.judged}\n"
            f"weights: {worn}; the next step goes on from {self.newest}; "
            f"{self.sampled_tokens:,} tokens sampled to train on; {self.seconds:.0f} s"
        )
