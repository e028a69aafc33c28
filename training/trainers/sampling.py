"""Who samples for reinforcement learning.

A sampler is anything that thinks from start states with the policy as it is now. Ours runs a
strategy (see `strategy_sampler`); another may replay what was kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cogitate.inference import Engines
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.rollout import Rollout

__all__ = ["CurrentWeights", "Paid", "Sampler"]


class CurrentWeights(NamedTuple):
    """The policy as it is now, as an agent takes it: `Generator(model, adapter=adapter)`."""

    model: str
    """`hf/FOLDER`: of the base, or of the whole policy where all weights are trained."""
    adapter: str | None
    """A PEFT folder that is written again before each batch; None where all weights are trained."""
    step: int
    """Steps done so far: what is sampled may depend on it, and a resumed run has it too."""


class Sampler(Protocol):
    """Thinks with the policy as it is now."""

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
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
    ) -> Sequence[Rollout]:
        """Sample."""
        return await self.sampler(starts, weights)

    async def close(self) -> None:
        """Close all engines."""
        try:
            await self.sampler.close()
        finally:
            await self.engines.close()
