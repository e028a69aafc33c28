"""What Satori is told, what its stages say, and what an iteration comes to."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from cogitate.training.coat_chains import ChainChoice
from cogitate.training.curriculum import PassRate
from cogitate.training.loops.course import LoopSettings
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.learn import Learned
from cogitate.training.loops.token_chains import ChainForms
from cogitate.training.restarts import ReflectRates, sum_of_rates
from cogitate.training.trainers.grpo import GRPOSettings
from cogitate.training.trainers.ppo import PPOSettings
from cogitate.training.trainers.reward_model import RewardModelSettings
from cogitate.training.trainers.sft import SFTSettings

__all__ = ["Chosen", "Made", "SampledChains", "SatoriReport", "SatoriSettings"]


class SatoriSettings(LoopSettings):
    """How to go on."""

    agents: int = Field(default=4, ge=1)
    """Chains that agents make of each problem, to tune the format on."""
    samples: int = Field(default=8, ge=2)
    """Chains that the policy samples of each problem, to learn from and to restart in."""
    choice: ChainChoice = ChainChoice()
    """Which chains the format is tuned on."""
    mistakes: bool = True
    """Learn what a chain says up to its last wrong answer too, as the paper does; False learns only
    how it goes on from there."""
    back: int = Field(default=2, ge=0)
    """The most actions that a restart leaves out."""
    rated: bool = True
    """Train an outcome model and pay its rating too, as the paper does; False pays the grade and
    the bonus alone, where a small one is easier to please than the grader."""
    restarts: bool = True
    """Begin after right and wrong trajectories too; False is the training to compare with."""
    beta: float = Field(default=0.5, ge=0)
    """What mending a wrong beginning earns, and spoiling a right one costs."""
    hard: float = Field(default=0.5, ge=0, le=1)
    """Problems that the policy solved at most so often are distilled."""
    sft: SFTSettings = SFTSettings()
    orm: RewardModelSettings = RewardModelSettings(margin=1.0)
    grpo: GRPOSettings = GRPOSettings()
    ppo: PPOSettings | None = None
    """Given: the policy learns by PPO, as the paper's does, instead of by GRPO."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.ppo is not None and self.grpo != GRPOSettings():
            raise ValueError("the policy learns by one method: give grpo or ppo")
        return self

    @property
    def policy(self) -> GRPOSettings | PPOSettings:
        """How the policy learns."""
        return self.ppo or self.grpo


class Made(BaseModel):
    """The base with its tokens."""


class Chosen(BaseModel):
    """Chains to tune the format on."""

    counts: dict[str, int]
    """See `Chains`."""


class SampledChains(BaseModel):
    """What the policy's own chains gave."""

    problems: int
    forms: ChainForms
    pairs: int
    starts: dict[str, int]
    """See `Starts`."""
    rates: dict[str, PassRate]
    """Of each problem."""
    dropped: dict[str, int]
    """What gave no pair."""


class SatoriReport(BaseModel):
    """What one iteration came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    problems: int
    """That were sampled on."""
    chains: dict[str, int]
    """What became of the chains that the starting policy was tuned on (see `Chains`)."""
    form: Learned
    """The training that made the starting policy."""
    forms: ChainForms
    """What that policy writes."""
    pairs: int
    starts: dict[str, int]
    """See `Starts`."""
    orm: Learned | None
    """None where nothing is rated."""
    policy: Learned
    steps: tuple[ReflectRates, ...]
    """How reflections turned out, step by step."""
    judged: Judged
    weights: str
    """Worn from here on: a folder in the run directory, or `as given`."""
    sampled_tokens: int
    """In stages of sampling; those of reinforcement learning and judging apart."""
    seconds: FiniteFloat

    @property
    def first(self) -> ReflectRates:
        """The first half of all steps together."""
        return sum_of_rates(self.steps[: (len(self.steps) + 1) // 2])

    @property
    def last(self) -> ReflectRates:
        """The last half of all steps together."""
        return sum_of_rates(self.steps[len(self.steps) // 2 :])

    def __str__(self) -> str:
        pairs = f"{self.pairs} pairs for the outcome model; " if self.orm else ""
        return (
            f"iteration {self.iteration}: tuned on {self.form.rows} chains; of {self.problems} "
            f"problems {self.forms}\n{pairs}episodes begin at "
            f"{self.starts.get('problem', 0)} problems, {self.starts.get('right', 0)} right and "
            f"{self.starts.get('wrong', 0)} wrong trajectories\nfirst half, from {self.first}\n"
            f"last half, from {self.last}{self.policy.warning}\n{self.judged}\n"
            f"weights: {self.weights}; "
            f"{self.sampled_tokens:,} tokens sampled to train on; {self.seconds:.0f} s"
        )
