"""Trainings that sample as they train: a team thinks with the policy, and is paid for it.

base = "hf/smollm2-135m"              # cogitate train grpo run.toml
start = "runs/sft"                    # an adapter to go on with
problems = "reasoning_gym/chain_sum?size=200&seed=1000"
dev = "reasoning_gym/chain_sum?size=200&seed=500000"
output = "runs/grpo"
strategy = "chain-of-thought"

[team]                                # whoever names no model is the policy
max_tokens = 256

[rewards]                             # by name and weight; without any, the grader alone
grader = 1.0
format = 0.2

[settings]                            # such as cogitate.training.GRPOSettings
group = 8
"""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from cogitate.agents import Team
from cogitate.config import BudgetConfig
from cogitate.graphs import Strategy, strategy_named
from cogitate.inference import Engines
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.rewards.report import NOT_MEASURED
from cogitate.training.trainers import (
    CurrentWeights,
    DistillationSettings,
    GRPOSettings,
    Sampler,
    StrategySampler,
    Trained,
    train_distillation,
    train_grpo,
)
from cogitate.training.trainers.fit import OnStep
from cogitate.training.trainers.sampling import Paid
from cogitate.training.trainers.weights import Start
from cogitate.training.trainers.work import first_process
from cogitate.trainings.dev import Dev
from cogitate.trainings.once import Once
from cogitate.trainings.policy_team import PolicyTeam, Role
from cogitate.trainings.results import of_trained
from cogitate.trainings.rewards import Rewards
from cogitate.trainings.starts import Starts, messages_of, starts_of
from cogitate.trainings.told import Base, Reported, RowFiles, StrategyName, Told, start_of

__all__ = ["GRPO", "Distillation", "Sampling"]


class Sampling(Told):
    """Starts in, weights out, and judged where there are problems to judge on."""

    base: Base
    start: str | None = None
    """An adapter of the base to go on with; it is also the reference."""
    problems: str | None = None
    """Problems to begin at, as for `cogitate eval`."""
    rows: RowFiles | None = None
    """Rows of starts, which `cogitate harvest --kind prompts` wrote: restarts among them."""
    dev: str | None = None
    """Problems to judge on, before and after; None: nothing is judged."""
    judging: Dev = Dev()
    strategy: StrategyName = "chain-of-thought"
    """How the team thinks."""
    team: PolicyTeam = PolicyTeam()
    budget: BudgetConfig = BudgetConfig()
    """What each rollout may cost."""
    seed: int = 0
    """Of rollouts and of judging."""

    @model_validator(mode="after")
    def _begins_somewhere(self) -> Self:
        if self.problems is None and self.rows is None:
            raise ValueError("give problems, or rows of starts, to begin at")
        return self

    @property
    @abstractmethod
    def temperature(self) -> float:
        """At which the policy samples."""

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        """Train once, and judge what came of it."""
        found = starts_of(self.problems, self.rows or (), role=self._role, seed=self.seed)
        dev = None if self.dev is None else self.judging.unseen(self.dev, found.rows)
        done, on_step = Once.of(self), of_steps(progress, self.method)
        if done.kept is None and first_process():
            yield from self.measured(found)
        trained = done.kept or done.keep(self.train(found, Path(self.output), on_step))
        yield of_trained(trained, done.kept is not None, outcome_weight=self.outcome_weight)
        if dev is not None and first_process():
            where = Start.at(self.base, start_of(self.start))
            old = CurrentWeights(f"hf/{where.folder}", self.start, 0)
            yield self.judging.judged(
                (self.start or self.base, self._around(old)),
                (self.output, self._around(_weights(trained, where))),
                strategy_named(self.strategy),
                dev,
                seen=[row.question for row in found.rows],
                output=Path(self.output),
                seed=self.seed,
                progress=progress,
            )

    def measured(self, starts: Starts) -> Iterator[Reported]:
        """Measure first what the training will believe."""
        return iter(())

    @property
    def outcome_weight(self) -> float:
        """What a right answer earns more than a wrong one."""
        return 0.0

    @abstractmethod
    def train(self, starts: Starts, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""

    @property
    def _role(self) -> Role:
        return "generator"

    def _around(self, weights: CurrentWeights) -> Team:
        return self.team.around(weights, self.temperature)


def _weights(trained: Trained, where: Start) -> CurrentWeights:
    """What was trained, as an agent takes it."""
    if (trained.folder / "adapter_config.json").exists():
        return CurrentWeights(f"hf/{where.folder}", str(trained.folder), trained.steps)
    return CurrentWeights(f"hf/{trained.folder}", None, trained.steps)


class PaidSampling(Sampling):
    """A training on what a strategy's rollouts earn."""

    role: Role = "generator"
    """Whose words are trained."""
    source: str = "prm"
    """Whose scores are the rewards of steps."""
    rewards: Rewards = Rewards()

    @model_validator(mode="after")
    def _the_role_is_the_policys(self) -> Self:
        self.team.check(self.role)
        return self

    @property
    def _role(self) -> Role:
        return self.role

    @property
    def outcome_weight(self) -> float:
        """What a right answer earns more than a wrong one."""
        return self.rewards.outcome_weight

    def measured(self, starts: Starts) -> Iterator[Reported]:
        """Audit the judge."""
        if self.rewards.judge is None:
            return
        audit = self.rewards.audit(starts.known())
        if audit is None:
            yield Reported(f"the judge: {NOT_MEASURED}", {"audit": None})
        else:
            yield Reported(f"the judge {audit}", {"audit": audit.model_dump(mode="json")})

    def sampler(self, starts: Starts, *, temperature: float | None = None) -> Sampler:
        """Make who thinks with the policy, and is paid.

        Args:
            starts: Where episodes begin.
            temperature: At which the policy samples, where it is not that of the training.

        Raises:
            ConfigError: No such strategy, model or grader.
        """
        engines = Engines()
        at = self.temperature if temperature is None else temperature
        strategy: Strategy = strategy_named(self.strategy)
        budget = self.budget.budget() if self.budget.model_fields_set else None
        sampler = StrategySampler(
            team=lambda weights: self.team.around(weights, at),
            strategy=strategy,
            reward=self.rewards.weighted(engines, starts.rows),
            role=self.role,
            source=self.source,
            problems=starts.problems,
            budget=budget,
            seed=self.seed,
        )
        return Paid(sampler, engines)


class GRPO(PaidSampling):
    """Replies to one start are compared with each other."""

    method = "grpo"
    settings: GRPOSettings = GRPOSettings()

    @property
    def temperature(self) -> float:
        """At which the policy samples."""
        return self.settings.temperature

    def train(self, starts: Starts, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        return train_grpo(
            starts.rows,
            self.sampler(starts),
            self.base,
            output,
            self.settings,
            start=start_of(self.start),
            on_step=on_step,
        )


class Distillation(Sampling):
    """The student writes, and is pulled to what the teacher would have written."""

    method = "distillation"
    teacher: str = Field(description="A model's name or its folder, with the same tokenizer.")
    teacher_adapter: str | None = None
    settings: DistillationSettings = DistillationSettings()

    @property
    def temperature(self) -> float:
        """At which the policy samples."""
        return self.settings.temperature

    def train(self, starts: Starts, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        return train_distillation(
            messages_of(starts.rows, self.base),
            self.base,
            output,
            self.teacher,
            self.settings,
            start=start_of(self.start),
            teacher_adapter=start_of(self.teacher_adapter),
            on_step=on_step,
        )
