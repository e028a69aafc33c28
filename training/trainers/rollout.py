"""What reinforcement learning learns from: a reply exactly as it was sampled, and what it earned.

Samplers make rollouts, and every trainer that samples takes them: trained tokens are those that
were judged. A reward may be anything here; nothing learns from one that is no finite number.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from cogitate.errors import ConfigError
from cogitate.inference import Completion

__all__ = ["Rollout"]


class Rollout(BaseModel):
    """One reply of the policy. A failed one has no tokens and no reward."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_ids: tuple[int, ...] = ()
    """As the model saw them; the beginning that a restart was given is part of the prompt."""
    completion_ids: tuple[int, ...] = ()
    """Exactly as sampled, end token included; several steps make one stream."""
    logprobs: tuple[FiniteFloat, ...] | None = None
    """One for each of `completion_ids`, at the sampling temperature."""
    reward: float | None = None
    """Of the whole, given after its last token; None where there is none, which is not 0."""
    step_rewards: tuple[float | None, ...] = ()
    """Of steps, or of tokens: a token is a step that ends with itself."""
    step_ends: tuple[int, ...] = ()
    """The place in `completion_ids` of each step's last token, rising."""
    advantages: tuple[float, ...] | None = None
    """One for each token, where the sampler knows better than the group: `train_grpo` takes them as
    they are."""
    group: str = ""
    """Of policy gradients: rollouts of one group answer one prompt and are compared with each
    other. In `train_grpo` groups follow from the order."""
    truncated: bool = False
    """It was cut by a limit rather than ended: the value of its last state stands for the rest."""
    baseline: float | None = None
    """What the greedy reply to the same prompt earned, where a trainer compares with it."""
    forced: int = Field(default=0, ge=0)
    """How many tokens at the beginning were given rather than sampled: they are imitated."""
    parts: Mapping[str, float] = {}
    """What the reward is made of, by name, for the log."""
    right: bool | None = None
    """Whether the team's answer is right, whatever was paid for; None where no grader can tell."""
    formed: bool | None = None
    """Whether the reply kept its format; None where it has none."""
    error: str = ""
    """Why a failed one failed, or why there is no reward."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        tokens = len(self.completion_ids)
        if self.logprobs is not None and len(self.logprobs) != tokens:
            raise ValueError(
                f"{len(self.logprobs)} logprobs for {tokens} tokens: give one for each"
            )
        if len(self.step_rewards) != len(self.step_ends):
            raise ValueError("give one step end for each step reward")
        rising = all(a < b for a, b in zip((-1, *self.step_ends), self.step_ends, strict=False))
        if not rising or (self.step_ends and self.step_ends[-1] >= tokens):
            raise ValueError("step_ends rise, from 0 on, and are places in completion_ids")
        if self.forced > tokens:
            raise ValueError(f"{self.forced} forced tokens of {tokens}: they are a beginning")
        return self

    @classmethod
    def of(cls, completion: Completion, reward: float | None, *, group: str = "") -> Self:
        """Return the rollout that a completion of an engine is.

        Raises:
            ConfigError: The engine does not tell tokens, and text that is encoded again need not be
                what was sampled.
        """
        if completion.prompt_ids is None or completion.token_ids is None:
            raise ConfigError(
                f"{completion.model or 'the engine'} does not tell token ids: sample with one that "
                "does (hf/ or vllm/)"
            )
        return cls(
            prompt_ids=completion.prompt_ids,
            completion_ids=completion.token_ids,
            logprobs=completion.logprobs,
            reward=reward,
            group=group,
            truncated=completion.finish == "length",
        )

    @property
    def total(self) -> float:
        """All that it earned."""
        return (self.reward or 0.0) + sum(reward or 0.0 for reward in self.step_rewards)
