"""Reinforcement learning as a stage of a loop: a policy in a team, a strategy, a reward.

Rollouts are what the team thinks by the strategy; the words of one role are trained by GRPO. What
is trained may be an adapter or a whole model, and training goes on from either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cogitate.errors import ConfigError
from cogitate.graphs import Strategy
from cogitate.inference import Engines
from cogitate.tasks import Problem
from cogitate.training.loops.policy_rewards import RewardOf
from cogitate.training.loops.weights import Policy
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.adapters import Adapter, FullWeights, LoRA
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.grpo import GRPOSettings, train_grpo
from cogitate.training.trainers.sampling import CurrentWeights, Paid
from cogitate.training.trainers.strategy_sampler import StrategySampler
from cogitate.training.trainers.weights import Start

__all__ = ["Episodes", "TrainPolicy", "check_worn", "train_policy"]


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """How episodes are played, and what they earn."""

    policy: Policy
    strategy: Strategy
    reward: RewardOf
    role: str = "generator"
    """Whose words are trained."""
    problems: Mapping[str, Problem] = field(default_factory=dict, repr=False)
    """Problems by id, for graders that need more than a reference answer."""
    seed: int = 0


class TrainPolicy(Protocol):
    """Trains a policy on what it writes, as `train_policy` does."""

    def __call__(
        self,
        starts: Sequence[PromptRow],
        episodes: Episodes,
        base: str,
        output: Path,
        settings: GRPOSettings,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`."""
        ...


def train_policy(
    starts: Sequence[PromptRow],
    episodes: Episodes,
    base: str,
    output: Path,
    settings: GRPOSettings,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train a policy by GRPO.

    Args:
        starts: Where episodes begin.
        episodes: How they are played, and what they earn.
        base: A model's name or its folder.
        output: The folder to make: an adapter, or a whole model where all weights are trained.
        settings: How to train.
        start: An adapter of the base to go on with; it is also the reference.
        on_step: For progress.

    Raises:
        ConfigError: Too few starts, or agents that sample at another temperature.
    """
    now = CurrentWeights(f"hf/{Start.at(base).folder}", None, 0)
    heats = {agent.temperature for agent in episodes.policy(now).playing(episodes.role)}
    if heats != {settings.temperature}:
        raise ConfigError(
            f"the {episodes.role}s sample at temperatures {sorted(heats)}, and are trained as if "
            f"at {settings.temperature}: give both the same"
        )
    # Engines of their own: those of a policy all of whose weights are trained close at each batch.
    rating = Engines()
    sampler = StrategySampler(
        team=episodes.policy,
        strategy=episodes.strategy,
        reward=episodes.reward(rating),
        role=episodes.role,
        problems=episodes.problems,
        seed=episodes.seed,
    )
    paid = Paid(sampler, rating)
    return train_grpo(starts, paid, base, output, settings, start=start, on_step=on_step)


def check_worn(adapter: Adapter) -> None:
    """Refuse what engines cannot wear, before it is trained; for settings.

    Raises:
        ValueError: It is neither plain LoRA nor all weights.
    """
    if isinstance(adapter, FullWeights) or (isinstance(adapter, LoRA) and adapter.tokens is None):
        return
    raise ValueError(
        f"engines wear no {type(adapter).__name__} of this form: train LoRA() without tokens, or "
        "FullWeights()"
    )
