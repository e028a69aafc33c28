"""Rollouts: what was sampled and what it earned, as any strategy or engine may supply them.

Trained tokens are those that were judged: a rollout carries ids exactly as they were sampled, with
their log-probabilities at the sampling temperature. Rewards that are no finite numbers are counted
and left out here, before anything learns from them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from cogitate.errors import ConfigError
from cogitate.inference import Completion
from cogitate.training.trainers.policy.settings import Objective, Schedule

__all__ = ["Admitted", "Rollout", "Rollouts", "admit"]

P_contra = TypeVar("P_contra", contravariant=True)


class Rollout(BaseModel):
    """One response, and what it earned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_ids: tuple[int, ...] = Field(min_length=1)
    """As the model saw them; a restart's beginning is part of the prompt."""
    completion_ids: tuple[int, ...] | None
    """Exactly as sampled, end token included; None where the engine does not tell tokens: such a
    rollout is refused."""
    logprobs: tuple[FiniteFloat, ...] | None = None
    """One for each of `completion_ids`, at the sampling temperature."""
    reward: float | None = None
    """Of the whole response, given after its last token. What is no finite number is left out."""
    step_rewards: tuple[float | None, ...] = ()
    """Of steps, or of tokens: a token is a step that ends with itself."""
    step_ends: tuple[int, ...] = ()
    """The place in `completion_ids` of each step's last token, rising."""
    group: str = ""
    """Rollouts of one group answer one prompt and are compared with each other."""
    truncated: bool = False
    """It was cut by a limit rather than ended: the value of its last state stands for the rest."""
    baseline: float | None = None
    """What the greedy decode of the same prompt earned: for the `greedy` estimator."""
    forced: int = Field(default=0, ge=0)
    """How many tokens at the beginning are those of a given response: for MIXER."""
    parts: dict[str, FiniteFloat] = {}
    """What the reward is made of, by name, for the log."""
    right: bool | None = None
    """Whether graders find the answer right, whatever was paid for."""
    formed: bool | None = None
    """Whether it kept its format."""

    @model_validator(mode="after")
    def _check(self) -> "Rollout":
        tokens = len(self.completion_ids or ())
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
    def of(cls, completion: Completion, reward: float | None, *, group: str = "") -> "Rollout":
        """Return the rollout that a completion of an engine is.

        Raises:
            ConfigError: The engine does not tell the prompt's tokens.
        """
        if completion.prompt_ids is None:
            raise ConfigError(
                f"{completion.model or 'the engine'} does not tell the prompt's token ids: sample "
                "with one that does (hf/ or vllm/)"
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
        """All that it earned; of an admitted rollout a finite number."""
        return (self.reward or 0.0) + sum(reward or 0.0 for reward in self.step_rewards)


class Rollouts(Protocol[P_contra]):
    """Produces a batch of rollouts from the policy as it is now."""

    def __call__(self, prompts: Sequence[P_contra], step: int) -> Sequence[Rollout]:
        """Return rollouts of each prompt.

        Args:
            prompts: This process's share of the batch.
            step: The number of the batch, from 0: what is sampled may depend on it and on nothing
                that a resumed run would not have.
        """
        ...


class Admitted(NamedTuple):
    """What may be learned from."""

    rows: list[Rollout]
    refused: dict[str, int]
    """Why others may not: `no reward`, `not finite`, `empty`, `too long`, `alone`."""
    equal_groups: int
    """Groups of two or more whose rewards are all equal: they teach nothing by comparison."""


def admit(rollouts: Sequence[Rollout], objective: Objective, schedule: Schedule) -> Admitted:
    """Leave out what cannot be learned from, and count it.

    Raises:
        ConfigError: A rollout lacks what every rollout must have here: token ids,
            log-probabilities, a greedy baseline, or step rewards.
    """
    refused: Counter[str] = Counter()
    rows = []
    for rollout in rollouts:
        _require(rollout, objective, schedule)
        why = _refusal(rollout, objective, schedule)
        if why is None:
            rows.append(rollout)
        else:
            refused[why] += 1
    sizes = Counter(row.group for row in rows)
    if objective.estimator == "leave_one_out":
        alone = [row for row in rows if sizes[row.group] < 2]
        refused["alone"] += len(alone)
        rows = [row for row in rows if sizes[row.group] > 1]
    totals: dict[str, set[float]] = {}
    for row in rows:
        totals.setdefault(row.group, set()).add(row.total)
    equal = sum(sizes[group] > 1 and len(found) == 1 for group, found in totals.items())
    return Admitted(rows, {why: n for why, n in refused.items() if n}, equal)


def _require(rollout: Rollout, objective: Objective, schedule: Schedule) -> None:
    if rollout.completion_ids is None:
        raise ConfigError(
            "a rollout has no token ids, and its text encoded again need not be what was sampled: "
            "sample with an engine that tells tokens (hf/ or vllm/)"
        )
    if not rollout.completion_ids:
        return  # a reply that failed lacks the rest too, and is refused as empty
    if rollout.logprobs is None and schedule.old == "sampled":
        raise ConfigError('a rollout has no logprobs: sample with them, or give old="recomputed"')
    if rollout.baseline is None and objective.estimator == "greedy":
        raise ConfigError("the greedy estimator needs Rollout.baseline: decode greedily as well")
    if not rollout.step_rewards and objective.estimator == "process":
        raise ConfigError("the process estimator needs Rollout.step_rewards: score the steps")
    if rollout.forced and not objective.forced:
        raise ConfigError('a rollout was begun with given tokens: that is for the "mixer" preset')


def _refusal(rollout: Rollout, objective: Objective, schedule: Schedule) -> str | None:
    tokens = len(rollout.completion_ids or ())
    if not tokens:
        return "empty"
    if tokens > schedule.max_tokens:
        return "too long"
    if rollout.reward is None and not rollout.step_rewards:
        return "no reward"
    if None in rollout.step_rewards:
        return "no reward"
    numbers = [rollout.reward, rollout.baseline, *rollout.step_rewards]
    if not all(math.isfinite(number) for number in numbers if number is not None):
        return "not finite"
    return None
