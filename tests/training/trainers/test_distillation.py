"""A student learns from a teacher: from what the teacher wrote, and from its own samples."""

import json
import math
import shutil
from pathlib import Path

import pytest
from small_rows import FAST, sft, start

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.training import (
    Checkpoint,
    DistillationSettings,
    LoRA,
    Optimisation,
    SFTSettings,
    train_distillation,
    train_sft,
)

THIN = LoRA(rank=8)


@pytest.fixture(scope="module")
def teacher(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that says `Answer: 42`."""
    how = FAST.model_copy(update={"epochs": 12})
    folder = tmp_path_factory.mktemp("teacher") / "adapter"
    settings = SFTSettings(optimisation=how, adapter=THIN)
    return train_sft([sft()] * 8, str(tiny_llama), folder, settings).folder


def test_a_student_comes_nearer_to_its_teacher_on_its_own_samples(
    tiny_llama: Path, teacher: Path, tmp_path: Path
) -> None:
    how = Optimisation(learning_rate=1e-2, max_steps=20, batch_size=4)
    trained = train_distillation(
        [start()] * 8,
        str(tiny_llama),
        tmp_path / "student",
        str(tiny_llama),
        DistillationSettings(optimisation=how, adapter=THIN, max_tokens=4),
        teacher_adapter=teacher,
    )
    assert sum(trained.losses[-3:]) / 3 < 0.8 * trained.losses[0]
    assert trained.losses[0] > 0
    assert Checkpoint.load(trained.folder).method == "distillation-lora"


def test_a_teacher_that_is_the_student_has_nothing_to_teach(
    tiny_llama: Path, tmp_path: Path
) -> None:
    how = Optimisation(learning_rate=1e-3, max_steps=1, batch_size=2)
    long = start().model_copy(update={"messages": (Message("user", "x" * 600),)})
    trained = train_distillation(
        [start(), start(prefix="6 * 7", ids=(54,)), long],
        str(tiny_llama),
        tmp_path / "student",
        str(tiny_llama),
        DistillationSettings(optimisation=how, adapter=THIN, max_tokens=4, max_prompt_tokens=500),
    )
    assert trained.losses == [pytest.approx(0.0, abs=1e-6)]
    assert trained.counts == {"too_long": 1}


def test_what_a_teacher_wrote_is_imitated_as_text(tiny_llama: Path, tmp_path: Path) -> None:
    foreign = sft().model_copy(
        update={"completion_ids": (1, 2), "source": Source("openai/teacher", "other weights")}
    )
    settings = SFTSettings(optimisation=FAST, adapter=THIN)
    trained = train_sft([foreign] * 4, str(tiny_llama), tmp_path / "student", settings)
    assert trained.counts["reencoded"] == 4
    assert math.isfinite(trained.losses[0])


def test_a_teacher_of_another_vocabulary_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_llama, tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ConfigError, match="another vocabulary"):
        train_distillation([start()], str(tiny_llama), tmp_path / "student", str(other))
