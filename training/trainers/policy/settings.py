"""What a policy-gradient trainer optimises, and how: estimator, loss, distance and value compose.

A preset is a name for one combination; anything in it may be changed:
`Objective.model_validate({"preset": "grpo", "clip_high": 0.28})`, or from a file the same.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cogitate.training.trainers.presets import PRESETS

__all__ = ["PRESETS", "Objective", "PolicyGradientSettings", "Schedule", "TrustRegion"]

Estimator = Literal[
    "reward", "batch_mean", "moving_average", "leave_one_out", "greedy", "group", "process",
    "gae", "minimum_risk",
]  # fmt: skip


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrustRegion(_Settings):
    """How far one step of TRPO goes, and how it is looked for."""

    delta: float = Field(default=0.01, gt=0)
    """The most that E KL(pi_old || pi) may be, in nats per token."""
    iterations: int = Field(default=10, ge=1)
    """Of conjugate gradient."""
    damping: float = Field(default=0.01, ge=0)
    """Added to the Fisher matrix's diagonal."""
    halvings: int = Field(default=10, ge=1)
    """How often the line search halves its step."""


class Objective(_Settings):
    """What is optimised."""

    estimator: Estimator = "group"
    """Where advantages come from. `reward`: no baseline. `greedy`: less the greedy decode's reward
    (`Rollout.baseline`). `process`: step rewards within the group. `gae`: a value head."""
    loss: Literal["plain", "clipped", "sequence", "cispo", "ratio"] = "clipped"
    """See `cogitate.training.objectives`; `ratio` is the unclipped surrogate of TRPO."""
    normalisation: Literal["response", "token", "constant", "sum"] = "response"
    """See `token_weights`; `constant` divides by the schedule's `max_tokens`."""
    clip_low: float = Field(default=0.2, ge=0, le=1)
    clip_high: float = Field(default=0.2, ge=0)
    scale: Literal["std", "none"] = "std"
    """Whether `group` divides by the deviation of the group."""
    whiten: bool = False
    """Normalise advantages over all tokens of the batch."""
    gamma: float = Field(default=1.0, ge=0, le=1)
    lam: float = Field(default=0.95, ge=0, le=1)
    """GAE's lambda: 1 is Monte Carlo, 0 the TD error."""
    value_weight: float = Field(default=0.5, gt=0)
    """Of the value loss, per token, beside the policy's."""
    value_clip: float | None = Field(default=None, gt=0)
    kl_in: Literal["none", "reward", "loss"] = "none"
    """Where the distance to the reference counts: in each token's reward (k1, from the policy that
    sampled, without gradient), which needs `gae`; or in the loss (k3)."""
    kl_weight: float = Field(default=0.04, ge=0)
    entropy_weight: float = Field(default=0.0, ge=0)
    decay: float = Field(default=0.9, ge=0, lt=1)
    """Of the moving average."""
    alpha: float = Field(default=5e-3, gt=0)
    """Sharpness of minimum risk training."""
    forced: bool = False
    """MIXER: the tokens that a rollout says were given (`Rollout.forced`) are imitated."""
    trust_region: TrustRegion | None = None
    """Steps of TRPO instead of AdamW; the value head still learns by AdamW."""

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: object) -> object:
        if isinstance(given, str):
            given = {"preset": given}
        if not isinstance(given, dict) or "preset" not in given:
            return given
        changes = {name: value for name, value in given.items() if name != "preset"}
        if given["preset"] not in PRESETS:
            raise ValueError(f"no preset {given['preset']!r}: give one of {', '.join(PRESETS)}")
        return {**PRESETS[given["preset"]], **changes}

    @model_validator(mode="after")
    def _check(self) -> "Objective":
        if self.kl_in == "reward" and self.estimator != "gae":
            raise ValueError('kl_in="reward" is a reward of each token: it needs estimator="gae"')
        if self.trust_region is not None and self.loss != "ratio":
            raise ValueError('a trust region replaces clipping: give loss="ratio"')
        if self.trust_region is not None and (self.kl_in == "loss" or self.entropy_weight):
            raise ValueError("a trust region bounds the surrogate alone: leave KL and entropy out")
        return self

    @property
    def has_values(self) -> bool:
        """Whether there is a value head."""
        return self.estimator == "gae"


class Schedule(_Settings):
    """How much is sampled, and how it is learned from."""

    steps: int = Field(default=100, ge=1)
    """Batches of rollouts."""
    prompts: int = Field(default=8, ge=1)
    """Of one batch, over all processes."""
    epochs: int = Field(default=1, ge=1)
    """How often each batch is gone through."""
    minibatches: int = Field(default=1, ge=1)
    """Optimiser steps of one epoch."""
    micro_batch: int = Field(default=8, ge=1)
    """Rows of one forward pass, in each process; it changes memory and not the result."""
    max_tokens: int = Field(default=1024, ge=1)
    """Rollouts with a longer completion are left out and counted."""
    temperature: float = Field(default=1.0, gt=0)
    """That at which rollouts are sampled, and at which log-probabilities are taken."""
    old: Literal["sampled", "recomputed"] = "sampled"
    """Whose log-probabilities are pi_old's: the engine's, or this model's own before it learns."""
    learning_rate: float = Field(default=1e-5, gt=0)
    value_learning_rate: float | None = Field(default=None, gt=0)
    """Of the value head; None: the same."""
    warm_up: int = Field(default=0, ge=0)
    """Batches over which the learning rate rises from nearly 0."""
    decay: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate then falls."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_gradient_norm: float = Field(default=1.0, gt=0)
    seed: int = 0


class PolicyGradientSettings(_Settings):
    """All that a policy-gradient run is told."""

    objective: Objective = Objective()
    """Or the name of a preset."""
    schedule: Schedule = Schedule()
    rank: int | None = Field(default=32, ge=1)
    """Of a LoRA adapter on every linear layer, its scale twice that; None: all weights learn."""
    checkpoint_every: int = Field(default=10, ge=1)
    """Batches after which all that is needed to go on exactly is written."""

    @model_validator(mode="after")
    def _check(self) -> "PolicyGradientSettings":
        updates = self.schedule.epochs * self.schedule.minibatches
        if self.objective.estimator == "minimum_risk" and updates > 1:
            raise ValueError(
                "minimum risk weighs a set by the policy as it is: give epochs=1, minibatches=1"
            )
        if self.objective.trust_region is not None and updates > 1:
            raise ValueError("a trust region is one step of a batch: give epochs=1, minibatches=1")
        if self.objective.loss == "plain" and updates > 1:
            raise ValueError(
                'loss="plain" has no ratio for a policy that moved on: give epochs=1 and '
                'minibatches=1, or loss="clipped"'
            )
        return self
