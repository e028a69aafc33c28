"""Group-relative policy optimisation by TRL's `GRPOTrainer`, on rollouts of our own.

GRPO (Shao et al. 2024, arXiv:2402.03300) and its kin: Dr. GRPO (Liu et al. 2025, 2503.20783), DAPO
(Yu et al. 2025, 2503.14476), GSPO (Zheng et al. 2025, 2507.18071), CISPO (MiniMax 2025,
2506.13585). The clipped ratio of policy and sampling policy times the advantage, and beta times the
KL to the reference by the k3 estimator; the reference is the weights that training begins with.

`grpo` averages each reply over its own length, as the paper does; TRL's default averages over all
tokens, which is `dapo` here. Of DAPO the higher clipping and the token average are here, its
resampling of groups in which all are equal is not: they are counted. Advantages are not TRL's but
those of `training/credit`: the standard deviation is the group's own (TRL divides by one less), and
process advantages are the paper's. Before each batch the adapter is written to a folder, which the
team's engines wear; so rollouts come from the policy as it is.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cogitate.errors import ConfigError
from cogitate.training.described import described
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.background import Background
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.hand_over import Batches
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.sampling import Sampler
from cogitate.training.trainers.weights import Start, load, padding_of, tokenizer_of

if TYPE_CHECKING:
    pass

__all__ = ["GRPOSettings", "Variant", "train_grpo"]

Variant = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"]


class _Form(NamedTuple):
    """What a variant is in TRL's words."""

    loss_type: str
    level: Literal["token", "sequence"] = "token"
    scale: Literal["std", "none"] = "std"
    epsilon: float = 0.2
    epsilon_high: float = 0.2


_FORMS: dict[Variant, _Form] = {
    "grpo": _Form("grpo"),
    "dr_grpo": _Form("dr_grpo", scale="none"),
    "dapo": _Form("dapo", epsilon_high=0.28),
    "gspo": _Form("grpo", level="sequence", epsilon=3e-4, epsilon_high=4e-4),
    "cispo": _Form("cispo", epsilon_high=5.0),
}


class GRPOSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=2e-5, epochs=1, batch_size=16)
    """`batch_size` counts replies; batch_size * accumulate is sampled for each step."""
    adapter: Adapter = LoRA()
    variant: Variant = "grpo"
    group: int = Field(default=8, ge=2)
    """Replies to each start."""
    advantages: Literal["outcome", "process"] = "outcome"
    """Of the whole reply, or of each of its steps."""
    beta: float = Field(default=0.0, ge=0)
    """The weight of the KL to the reference; 0 needs no reference."""
    epsilon: float | None = Field(default=None, gt=0)
    epsilon_high: float | None = Field(default=None, gt=0)
    """How far the ratio may move; None: what the variant's paper has."""
    iterations: int = Field(default=1, ge=1)
    """Steps on each batch of rollouts."""
    temperature: float = Field(default=1.0, gt=0)
    """At which the policy's agents sample: log-probabilities are compared at it."""
    max_tokens: int = Field(default=512, ge=1)
    """Dr. GRPO divides by it: the most tokens of a reply."""
    most_faulty: float = Field(default=0.1, ge=0, le=1)
    """The share of a batch's rewards that may be no finite number; more end the training."""
    mask_truncated: bool = False
    """Learn nothing from replies that do not end with an end token."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        how = self.optimisation
        if how.batch_size * how.accumulate % self.group:
            raise ValueError(
                f"batch_size * accumulate = {how.batch_size * how.accumulate} replies make no "
                f"whole groups of {self.group}: give a multiple"
            )
        return self

    @property
    def starts_at_once(self) -> int:
        """The starts of one step, on each process."""
        return self.optimisation.batch_size * self.optimisation.accumulate // self.group

    def steps(self, starts: int, *, processes: int = 1) -> int:
        """The steps that training on so many starts takes."""
        how = self.optimisation
        if how.max_steps is not None:
            return how.max_steps
        batches = starts // (self.starts_at_once * processes)
        return math.ceil(batches * self.iterations * how.epochs)


@described(
    "grpo",
    paper="Shao et al. 2024, arXiv:2402.03300; its kin by `variant`: Dr. GRPO, DAPO, GSPO, CISPO",
    needs=(
        "`PromptRow`s, and a sampler that thinks with the policy as it is and rewards it, in groups"
    ),
    costs=(
        "a group of rollouts to each start, then a pass over each; the reference's too with "
        "`beta` above 0"
    ),
    pays="where the policy is right now and then: groups that are equal teach nothing",
)
def train_grpo(
    starts: Sequence[PromptRow],
    sampler: Sampler,
    base: str,
    output: Path,
    settings: GRPOSettings | None = None,
    *,
    start: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train on what the policy itself writes.

    Args:
        starts: Where episodes begin: problems, or anything said about them before.
        sampler: Thinks with the policy as it is, and rewards what it wrote.
        base: A model's name or its folder.
        output: The folder to make, replaced once training has ended well.
        settings: How to train.
        start: An adapter of the base to go on with; it is also the reference.
        on_step: For progress.

    Returns:
        What it came to; see `group_advantages` for the counts, and `hacking_signs` for what its
        `history` tells.

    Raises:
        ConfigError: Too few starts, or weights that cannot be trained so.
        EngineError: Every reply of a batch failed.
        DataError: The reward is broken.
    """
    settings = settings or GRPOSettings()
    where = Start.at(base, start)
    if len(starts) < settings.starts_at_once:
        raise ConfigError(
            f"{len(starts)} starts are less than the {settings.starts_at_once} of one step: give "
            "more, or make batch_size smaller"
        )
    with (
        begin(
            f"{settings.variant}-{settings.adapter.kind}",
            where,
            settings.adapter,
            settings,
            [row.model_dump(mode="json") for row in starts],
            output,
            keep=settings.optimisation.save_steps is not None,
        ) as run,
        Background() as loop,
    ):
        try:
            return _fit(run, starts, sampler, settings, loop, on_step)
        finally:
            loop.run(sampler.close())


def _fit(
    run: Run,
    starts: Sequence[PromptRow],
    sampler: Sampler,
    settings: GRPOSettings,
    loop: Background,
    on_step: OnStep | None,
) -> Trained:
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    import warnings

    import torch
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig

    with (
        warnings.catch_warnings()
    ):  # TRL's own use of vLLM, which is not ours, wants other versions
        warnings.filterwarnings("ignore", message=".*supports vLLM versions.*")
        from trl.trainer.grpo_trainer import GRPOTrainer

    form, how = _FORMS[settings.variant], settings.optimisation
    tokenizer = tokenizer_of(run.start)
    batches = Batches(
        starts,
        sampler,
        run,
        loop,
        end=padding_of(tokenizer),
        group=settings.group,
        level=settings.advantages,
        scale=form.scale,
        most_faulty=settings.most_faulty,
    )

    class OnOurs(GRPOTrainer):  # Any: what TRL's own methods take
        def _calculate_rewards(self, inputs: Sequence[object], *args: object) -> torch.Tensor:
            # One column of numbers and NaN for none; TRL only logs them.
            gathered = self.accelerator.gather(batches.rewards(self.accelerator.device))
            assert isinstance(gathered, torch.Tensor)
            return gathered

        def _generate_and_score_completions(
            self, inputs: list[dict[str, Any]]
        ) -> dict[str, torch.Tensor]:
            out: dict[str, torch.Tensor] = super()._generate_and_score_completions(inputs)
            out["advantages"] = batches.advantages(out["completion_ids"])
            for name, value in batches.metrics().items():
                self._metrics["train"][name].append(value)
            return out

    loaded = load(run.start, run.adapter, steps=settings.steps(len(starts)), seed=how.seed)
    with warnings.catch_warnings():  # rollout_func is an experiment of TRL's
        warnings.filterwarnings("ignore", message=".*rollout_func.*")
        trainer = OnOurs(
            model=loaded.model,
            reward_funcs=reward,
            args=arguments(
                GRPOConfig,
                run.work.trainer,
                how,
                loss_type=form.loss_type,
                importance_sampling_level=form.level,
                epsilon=settings.epsilon or form.epsilon,
                epsilon_high=settings.epsilon_high or form.epsilon_high,
                beta=settings.beta,
                num_generations=settings.group,
                num_iterations=settings.iterations,
                temperature=settings.temperature,
                max_completion_length=settings.max_tokens,
                mask_truncated_completions=settings.mask_truncated,
                disable_dropout=True,
            ),
            train_dataset=Dataset.from_list([{"prompt": str(i)} for i in range(len(starts))]),
            processing_class=tokenizer,
            rollout_func=batches.rollout,
            peft_config=loaded.new,
        )
    return run.fit(trainer, on_step)


def reward(**_: object) -> list[float | None]:
    """Stand where TRL wants a reward function; rewards come with the rollouts."""
    raise ConfigError("rewards come from the sampler: TRL asks for them no more")
