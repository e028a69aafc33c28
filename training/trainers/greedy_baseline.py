"""Self-critical rewards (Rennie et al. 2017, arXiv:1612.00563): each reply against the greedy one.

What the greedy decode of the same start earned is the baseline. A start whose greedy reply earned
nothing that is known teaches nothing: its replies lose their reward, and are counted so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.graphs import gather
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler

__all__ = ["WithGreedy"]


@dataclass(frozen=True)
class WithGreedy:
    """A sampler that says of each reply what the greedy one earned."""

    sampler: Sampler
    greedy: Sampler
    """The same at temperature 0: it is asked once for each distinct start."""

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Sample both."""
        distinct = {_key(start): start for start in starts}
        sampled, greedy = await gather(
            sampler(asked, weights)
            for sampler, asked in (
                (self.sampler, starts),
                (self.greedy, list(distinct.values())),
            )
        )
        earned = dict(zip(distinct, (one.reward for one in greedy), strict=True))
        return [
            _against(one, earned[_key(start)]) for start, one in zip(starts, sampled, strict=True)
        ]

    async def close(self) -> None:
        """Close both."""
        try:
            await self.sampler.close()
        finally:
            await self.greedy.close()


def _key(start: PromptRow) -> tuple[str, str]:
    return start.problem, start.prefix


def _against(one: Rollout, baseline: float | None) -> Rollout:
    if baseline is None:
        nothing = {"reward": None, "step_rewards": (), "step_ends": (), "baseline": 0.0}
        return one.model_copy(update=nothing)
    return one.model_copy(update={"baseline": baseline})
