"""Satori's reinforcement learning: GRPO or PPO from restarts, paid by grader, model and bonus."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from cogitate.agents import Team, Verifier
from cogitate.errors import ConfigError
from cogitate.graphs import ChainOfActionThought
from cogitate.inference import Engines
from cogitate.tasks import Problem
from cogitate.training.restarts import Starts, Watched
from cogitate.training.rewards import ModelReward, satori_sum
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.grpo import GRPOSettings, train_grpo
from cogitate.training.trainers.merge import merge
from cogitate.training.trainers.ppo import PPOSettings, train_ppo
from cogitate.training.trainers.sampling import CurrentWeights
from cogitate.training.trainers.strategy_sampler import StrategySampler
from cogitate.training.trainers.weights import Start

__all__ = ["Paid", "Reinforce", "reinforce"]


class Paid(NamedTuple):
    """What a reply earns: (1[correct] - 1) + sigmoid of the outcome model + bonus."""

    orm: Path | None
    """The folder of the outcome model; None pays the grade and the bonus alone."""
    problems: Mapping[str, Problem]
    """By id, for graders that need more than a reference answer: without it a problem of
    `reasoning_gym` has no grade, and no reward."""
    beta: float = 0.5
    """What mending a wrong beginning earns, and spoiling a right one costs."""


class Reinforce(Protocol):
    """Trains the policy, as `reinforce` does."""

    def __call__(
        self,
        starts: Sequence[PromptRow],
        policy: Callable[[CurrentWeights], Team],
        base: str,
        output: Path,
        settings: GRPOSettings | PPOSettings,
        paid: Paid,
        *,
        record: Path,
        seed: int,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder `output`, a whole model, and write the record."""
        ...


def reinforce(
    starts: Sequence[PromptRow],
    policy: Callable[[CurrentWeights], Team],
    base: str,
    output: Path,
    settings: GRPOSettings | PPOSettings,
    paid: Paid,
    *,
    record: Path,
    seed: int,
    on_step: OnStep | None = None,
) -> Trained:
    """Train a policy from where episodes begin, by what replies earn, and merge its adapter.

    Args:
        starts: Where episodes begin (see `choose_starts`).
        policy: Makes the team around the policy as it is now.
        base: A model that writes chains with tokens: its folder.
        output: The folder to make: a whole model.
        settings: How to train, and by which method.
        paid: What a reply earns.
        record: Where it is written, step by step, how reflections turn out.
        seed: Of the rollouts.
        on_step: For progress.

    Raises:
        ConfigError: Too few starts, or agents that sample at another temperature.
    """
    now = policy(CurrentWeights(f"hf/{Start.at(base).folder}", None, 0)).generator.temperature
    if now != settings.temperature:
        raise ConfigError(
            f"the policy samples at temperature {now}, and is trained as if at "
            f"{settings.temperature}: give both the same"
        )
    engines = Engines()  # closed by the sampler
    rated = None
    if paid.orm is not None:
        verifier = Verifier(model=f"hf/{paid.orm}", name="orm")
        rated = ModelReward(verifier, engines.open(f"hf/{paid.orm}"))
    sampler = StrategySampler(
        team=policy,
        strategy=ChainOfActionThought(mode="tokens"),
        reward=satori_sum(rated, Starts(list(starts), {}).bonus(beta=paid.beta)),
        problems=paid.problems,
        seed=seed,
        engines=engines,
    )
    watched, worn = Watched(sampler, record), output.with_name(f"{output.name}-adapter")
    match settings:
        case PPOSettings():
            trained = train_ppo(starts, watched, base, worn, settings, on_step=on_step)
        case GRPOSettings():
            trained = train_grpo(starts, watched, base, worn, settings, on_step=on_step)
    merge(base, worn, output)
    shutil.rmtree(worn)
    return trained._replace(folder=output)
