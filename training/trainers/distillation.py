"""On-policy distillation (Agarwal et al. 2023, arXiv:2306.13649) by TRL's `DistillationTrainer`.

The student writes, and is pulled to what the teacher would have written: the divergence between
both at each token of the student's own samples, the reverse KL by default (Gu et al. 2023,
2306.08543). What a teacher wrote itself is learned by `train_sft`.

Prompts are encoded here, beginnings included, and not by TRL. Left out: samples by our engines (the
student samples inside the trainer, one reply to each start), and teachers of another vocabulary.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import ConfigError
from cogitate.inference.request import Prefix
from cogitate.training.described import described
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.adapters import Adapter, LoRA
from cogitate.training.trainers.fit import OnStep, Run, Trained, begin
from cogitate.training.trainers.optimisation import Optimisation, arguments
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Start, load, load_policy, tokenizer_of

__all__ = ["DistillationSettings", "train_distillation"]


class DistillationSettings(BaseModel):
    """How to train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimisation: Optimisation = Optimisation(learning_rate=5e-5, epochs=1)
    adapter: Adapter = LoRA()
    divergence: float = Field(default=1.0, ge=0, le=1)
    """1: reverse KL, 0: forward KL, between them TRL's generalised Jensen-Shannon divergence."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the samples, and of both distributions."""
    max_tokens: int = Field(default=512, ge=1)
    """The most tokens that the student writes."""
    max_prompt_tokens: int = Field(default=1024, ge=1)
    """Starts of more tokens are left out and counted."""


@described(
    "distillation",
    paper="Agarwal et al. 2023, arXiv:2306.13649; reverse KL: Gu et al. 2023, arXiv:2306.08543",
    needs="`PromptRow`s, and a teacher with the same vocabulary",
    costs="samples of the student, and a pass of student and teacher over them; both are in memory",
    pays=(
        "where a better model of the same family is at hand, and what it wrote itself was "
        "learned already"
    ),
)
def train_distillation(
    starts: Sequence[PromptRow],
    base: str,
    output: Path,
    teacher: str,
    settings: DistillationSettings | None = None,
    *,
    start: Path | None = None,
    teacher_adapter: Path | None = None,
    on_step: OnStep | None = None,
) -> Trained:
    """Train a student on its own samples, as a teacher sees them.

    Args:
        starts: Where the student begins to write.
        base: The student: a model's name or its folder.
        output: The folder to make, replaced once training has ended well.
        teacher: A model's name or its folder, with the same tokenizer.
        settings: How to train.
        start: An adapter of the student's to go on with.
        teacher_adapter: What the teacher wears.
        on_step: For progress.

    Returns:
        What it came to; `counts` is `too_long`.

    Raises:
        ConfigError: Too few starts, or a teacher with another vocabulary.
    """
    settings = settings or DistillationSettings()
    where, taught_by = Start.at(base, start), Start.at(teacher, teacher_adapter)
    how = settings.optimisation
    encoder = Coder(where.folder).encoder
    if tokenizer_of(where).get_vocab() != tokenizer_of(taught_by).get_vocab():
        raise ConfigError(
            f"{teacher} has another vocabulary than {base}: sample from it, and use train_sft"
        )
    encoded = [
        list(
            encoder.prompt(
                row.messages, Prefix(row.prefix, row.prefix_ids) if row.prefix else None
            ).ids
        )
        for row in starts
    ]
    prompts = [ids for ids in encoded if len(ids) <= settings.max_prompt_tokens]
    if len(prompts) < how.batch_size * how.accumulate:
        raise ConfigError(
            f"{len(prompts)} starts are less than the {how.batch_size * how.accumulate} of one "
            "step: give more, or make batch_size smaller"
        )
    with begin(
        f"distillation-{settings.adapter.kind}",
        where,
        settings.adapter,
        settings,
        [*prompts, taught_by.revision, taught_by.adapter_revision],
        output,
        counts={"too_long": len(starts) - len(prompts)},
        keep=how.save_steps is not None,
    ) as run:
        return _fit(run._replace(rows=len(prompts)), prompts, taught_by, settings, on_step)


def _fit(
    run: Run,
    prompts: Sequence[list[int]],
    teacher: Start,
    settings: DistillationSettings,
    on_step: OnStep | None,
) -> Trained:
    # Heavy libraries: TRL's configuration alone takes seconds to import.
    from datasets import Dataset
    from trl.trainer.distillation_config import DistillationConfig

    with warnings.catch_warnings():  # of vLLM versions for TRL's own use of it, which is not ours
        warnings.filterwarnings("ignore", message=".*supports vLLM versions.*")
        from trl.trainer.distillation_trainer import DistillationTrainer

    class Encoded(DistillationTrainer):
        def _tokenize_prompts(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, numbers: Sequence[str]
        ) -> tuple[list[list[int]], None, dict[str, object]]:
            return [prompts[int(number)] for number in numbers], None, {}

    how = settings.optimisation
    loaded = load(run.start, run.adapter, steps=how.steps(len(prompts)), seed=how.seed)
    trainer = Encoded(
        model=loaded.model,
        teacher_model=load_policy(teacher),
        args=arguments(
            DistillationConfig,
            run.work.trainer,
            how,
            beta=settings.divergence,
            temperature=settings.temperature,
            max_completion_length=settings.max_tokens,
        ),
        train_dataset=Dataset.from_list([{"prompt": str(i)} for i in range(len(prompts))]),
        processing_class=tokenizer_of(run.start),
        peft_config=loaded.new,
    )
    return run.fit(trainer, on_step)
