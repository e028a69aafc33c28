"""What reinforcement learning learns from: replies as they were sampled, and what they earned.

A sampler is anything that thinks from start states with the policy as it is now. Ours runs a
strategy (see `strategy_sampler`); another may replay what was kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cogitate.inference import Engines
from cogitate.training.rows import PromptRow

__all__ = ["CurrentWeights", "Paid", "Sampled", "Sampler"]


class CurrentWeights(NamedTuple):
    """The policy as it is now, as an agent takes it: `Generator(model, adapter=adapter)`."""

    model: str
    """`hf/FOLDER`: of the base, or of the whole policy where all weights are trained."""
    adapter: str | None
    """A PEFT folder that is written again before each batch; None where all weights are trained."""
    step: int
    """Steps done so far: what is sampled may depend on it, and a resumed run has it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One reply of the policy. A failed one has no tokens and no reward."""

    prompt_ids: tuple[int, ...] = ()
    """As the model saw them; the beginning that a restart was given is part of the prompt."""
    completion_ids: tuple[int, ...] = ()
    """Exactly as sampled, end token included; several steps make one stream."""
    logprobs: tuple[float, ...] | None = None
    """One for each of `completion_ids`, at the sampling temperature."""
    reward: float | None = None
    """Of the whole; None where there is none, which is not 0."""
    step_rewards: tuple[float | None, ...] = ()
    """One for each step."""
    step_ends: tuple[int, ...] = ()
    """The place in `completion_ids` of each step's last token, rising."""
    advantages: tuple[float, ...] | None = None
    """One for each token, where the sampler knows better than the group: they are taken as is."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the reward is made of, by name, for the log."""
    baseline: float | None = None
    """What the greedy reply to the same start earned, where a trainer compares with it."""
    forced: int = 0
    """How many tokens at the beginning were given rather than sampled: they are imitated."""
    right: bool | None = None
    """Whether the team's answer is right, whatever was paid for; None where no grader can tell."""
    formed: bool | None = None
    """Whether the reply kept its format; None where it has none."""
    error: str = ""
    """Why a failed one failed, or why there is no reward."""


class Sampler(Protocol):
    """Thinks with the policy as it is now."""

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Sampled]:
        """Return one reply for each start, in order.

        Args:
            starts: The members of a group are equal and follow each other.
            weights: The policy.
        """
        ...

    async def close(self) -> None:
        """Release engines and connections."""
        ...


@dataclass(frozen=True)
class Paid:
    """A sampler with the engines of its rewards, which are closed together."""

    sampler: Sampler
    engines: Engines

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Sampled]:
        """Sample."""
        return await self.sampler(starts, weights)

    async def close(self) -> None:
        """Close all engines."""
        try:
            await self.sampler.close()
        finally:
            await self.engines.close()
