"""MIXER's rollouts (Ranzato et al. 2016, arXiv:1511.06732): a given beginning, a sampled end.

The schedule is `objectives.sampled_tail`: at first the whole given response is imitated, then an
end that grows step by step is sampled instead. Departure: the end is as long as the policy makes
it, where the paper samples as many tokens as were given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from cogitate.training.rows import PromptRow
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler

__all__ = ["Given", "MixedSampler", "TailSchedule"]


class TailSchedule(BaseModel):
    """How the sampled end grows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warm_up: int = Field(default=10, ge=0)
    """Steps of imitation alone."""
    every: int = Field(default=10, ge=1)
    """Steps after which the end grows again."""
    by: int = Field(default=16, ge=1)
    """By how many tokens it grows."""


@dataclass(frozen=True, slots=True)
class Given:
    """A response to imitate."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]


@dataclass(frozen=True)
class MixedSampler:
    """Begins each reply with that of a given response, as the schedule says."""

    sampler: Sampler
    given: Mapping[str, Given]
    """By the id of the problem."""
    text: Callable[[Sequence[int]], str]
    """What tokens say."""
    schedule: TailSchedule = field(default_factory=TailSchedule)

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Sample the ends."""
        given = [self.given[start.problem] for start in starts]
        forced = [self._forced(one, weights.step) for one in given]
        begun = [
            start.model_copy(update={"prefix": self.text(ids), "prefix_ids": ids}) if ids else start
            for start, ids in zip(starts, forced, strict=True)
        ]
        at = [i for i, ids in enumerate(forced) if len(ids) < len(given[i].completion_ids)]
        sampled = dict(
            zip(at, await self.sampler([begun[i] for i in at], weights), strict=True) if at else ()
        )
        return [
            _joined(sampled[i], ids) if i in sampled else _imitated(given[i])
            for i, ids in enumerate(forced)
        ]

    async def close(self) -> None:
        """Close the sampler."""
        await self.sampler.close()

    def _forced(self, one: Given, step: int) -> tuple[int, ...]:
        from cogitate.training.objectives.mixer import sampled_tail  # imports torch

        how, length = self.schedule, len(one.completion_ids)
        tail = sampled_tail(step, length, warm_up=how.warm_up, every=how.every, by=how.by)
        return one.completion_ids[: length - tail]


def _imitated(one: Given) -> Rollout:
    """A response that is given whole: its reward says nothing, for it is imitated."""
    n = len(one.completion_ids)
    return Rollout(
        prompt_ids=one.prompt_ids,
        completion_ids=one.completion_ids,
        logprobs=(0.0,) * n,
        reward=0.0,
        forced=n,
    )


def _joined(one: Rollout, forced: tuple[int, ...]) -> Rollout:
    """Take the given beginning out of the prompt: it is trained."""
    n = len(forced)
    if not n or not one.completion_ids:
        return one
    begins = one.prompt_ids[-n:] == forced
    assert begins, "a restart ends its prompt with the tokens that it was given"
    return one.model_copy(
        update={
            "prompt_ids": one.prompt_ids[:-n],
            "completion_ids": (*forced, *one.completion_ids),
            "logprobs": None if one.logprobs is None else (*((0.0,) * n), *one.logprobs),
            "step_rewards": (),
            "step_ends": (),
            "forced": n,
        }
    )
