"""PPO on rollouts of any strategy: the sampler that `train_grpo` takes, and our own trainer.

Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) with a value head, GAE and a
KL to the reference in each token's reward; `PolicyGradientTrainer` has it, and this module is where
it meets a sampler. Before each batch the adapter is written to a folder,
which the team's engines wear.

Departure: a reply that was cut by the token limit has been judged as it stands, so its end is an
end. The value of its last state is not put in for a rest that nobody will see: the reply would be
paid twice. Left out: all weights, whose engines would need a whole model for each batch.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from cogitate.training.described import described
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.adapters import LoRA
from cogitate.training.trainers.background import Background
from cogitate.training.trainers.earned import refuse_broken
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.policy.settings import (
    Objective,
    PolicyGradientSettings,
    Schedule,
)
from cogitate.training.trainers.reporters import reporting
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler
from cogitate.training.trainers.weights import Start
from cogitate.training.trainers.work import first_process, together

if TYPE_CHECKING:
    from cogitate.training.trainers.policy.metrics import StepMetrics

__all__ = ["PPOSettings", "as_asked", "train_ppo"]


class PPOSettings(PolicyGradientSettings):
    """How to train: the policy-gradient trainer's settings, from PPO on."""

    objective: Objective = Objective.model_validate("ppo")
    """Or the name of another preset; one that compares replies needs several to each start."""
    schedule: Schedule = Schedule(
        prompts=16, minibatches=2, learning_rate=2e-5, value_learning_rate=1e-3
    )
    """`prompts` counts starts. The value head begins with zeros, so it learns faster."""
    replies: int = Field(default=1, ge=1)
    """To each start."""
    most_faulty: float = Field(default=0.1, ge=0, le=1)
    """The share of a batch's rewards that may be no finite number; more end the training."""
    report_to: tuple[str, ...] = ()
    """Where metrics go as they come; see `trainers.reporters`."""

    @model_validator(mode="after")
    def _adapter(self) -> Self:
        if self.rank is None:
            raise ValueError("PPO trains an adapter here, which engines wear: give a rank")
        return self

    @property
    def temperature(self) -> float:
        """At which the policy's agents sample."""
        return self.schedule.temperature

    @property
    def gradient(self) -> PolicyGradientSettings:
        """What the trainer itself is told."""
        return PolicyGradientSettings(
            objective=self.objective,
            schedule=self.schedule,
            rank=self.rank,
            checkpoint_every=self.checkpoint_every,
        )


@described(
    "ppo",
    paper="Schulman et al. 2017, arXiv:1707.06347; every other objective by `objective`",
    needs="`PromptRow`s, and a sampler that thinks with the policy as it is and rewards it",
    costs="rollouts, passes of policy and value head over each, and the reference's",
    pays="where one reply to each start must do, or rewards come in the middle of replies",
)
def train_ppo(
    starts: Sequence[PromptRow],
    sampler: Sampler,
    base: str,
    output: Path,
    settings: PPOSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on what the policy itself writes. The same call goes on where a killed one stood.

    Args:
        starts: Where episodes begin: problems, or anything said about them before.
        sampler: Thinks with the policy as it is, and rewards what it wrote.
        base: A model's name or its folder.
        output: The folder to make, replaced once training has ended well: an adapter, its value
            head and `metrics.jsonl`.
        settings: How to train.
        start: An adapter of the base to go on with; it is also the reference.
        on_step: For progress.

    Returns:
        What it came to. `counts` has `replies`, and those that taught nothing, by reason.

    Raises:
        ConfigError: No starts, or replies that cannot be trained on.
        EngineError: Every reply of a batch failed.
        DataError: The reward is broken.
    """
    settings = settings or PPOSettings()
    assert settings.rank is not None
    where = Start.at(base, start)
    with (
        begin(
            "ppo-lora",
            where,
            LoRA(rank=settings.rank),
            settings,
            [row.model_dump(mode="json") for row in starts],
            output,
            keep=True,
        ) as run,
        Background() as loop,
    ):
        try:
            return _fit(run, starts, sampler, settings, loop, on_step)
        finally:
            loop.run(sampler.close())


def as_asked(one: Rollout, start: PromptRow, *, steps: bool) -> Rollout:
    """A reply in the group of its start, rewarded as a whole or step by step."""
    other = {"reward": None} if steps else {"step_rewards": (), "step_ends": ()}
    return one.model_copy(update={"group": f"{start.problem}\n{start.prefix}", **other})


def _fit(
    run: Run,
    starts: Sequence[PromptRow],
    sampler: Sampler,
    settings: PPOSettings,
    loop: Background,
    on_step: OnStep | None,
) -> Trained:
    # Heavy libraries.
    from cogitate.training.trainers.policy.metrics import StepMetrics
    from cogitate.training.trainers.policy_gradient import PolicyGradientTrainer

    work = run.work.trainer
    trainer = PolicyGradientTrainer[PromptRow](
        run.start.base,
        work,
        settings.gradient,
        adapter=run.start.adapter,
        accelerator=reporting(settings.report_to, run.output),
    )

    def rollouts(prompts: Sequence[PromptRow], step: int) -> list[Rollout]:
        asked = [one for one in prompts for _ in range(settings.replies)]
        together()  # nobody reads the last weights any more
        if first_process():
            trainer.policy.save(work / "worn")
        together()
        weights = CurrentWeights(f"hf/{run.start.folder}", str(work / "worn"), step)
        sampled = loop.run(sampler(asked, weights))
        refuse_broken(sampled, settings.most_faulty)
        steps = settings.objective.estimator == "process"
        return [
            as_asked(one, start, steps=steps) for start, one in zip(asked, sampled, strict=True)
        ]

    def tell(metrics: "StepMetrics") -> None:
        if on_step is not None:
            on_step(metrics.step + 1, settings.schedule.steps)

    trained = trainer.train(starts, rollouts, on_step=tell)
    lines = (work / "metrics.jsonl").read_text().splitlines()
    steps = [StepMetrics.model_validate_json(line) for line in lines]
    if first_process():
        shutil.copytree(trained.folder, run.work.finished, dirs_exist_ok=True)
        shutil.copy(work / "metrics.jsonl", run.work.finished)
    for one in steps:
        run.counts.update({"replies": one.rows + sum(one.refused.values()), **one.refused})
    losses, history = [one.loss for one in steps], [one.means for one in steps if one.means]
    return run.close(losses, trained.steps, trained.seconds, _last(steps[-1]), history)


def _last(metrics: "StepMetrics") -> dict[str, float]:
    """What the last step measured, in one row."""
    numbers = metrics.model_dump(exclude={"step", "loss", "refused", "parts"}, exclude_none=True)
    parts = {f"rewards/part/{name}": value for name, value in metrics.parts.items()}
    return {name: float(value) for name, value in (numbers | parts).items()}
