"""A loop's engines: one for all its stages, and none when it is over."""

import asyncio
import gc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from sevens import pupil, sevens

from cogitate.agents import Generator, Team
from cogitate.errors import EngineRefused
from cogitate.inference import Engine, Message, Request, Scripted
from cogitate.training import LoRA, SFTSettings, Trained
from cogitate.training.loops import STaR, STaRSettings
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.fit import OnStep
from cogitate.training.trainers.weights import Start, load

THIN = LoRA(rank=2)


class Weights:
    """What trainers are: they refer to themselves."""

    def __init__(self) -> None:
        self.trainer = self


@dataclass
class Barely:
    """A trainer that saves its adapter as it begins, and leaves its weights behind."""

    left: list[weakref.ref[Weights]] = field(default_factory=list)

    def __call__(
        self,
        rows: Sequence[SFTRow],
        base: str,
        output: Path,
        settings: SFTSettings | None = None,
        *,
        start: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Trained:
        """Make the folder."""
        load(Start.at(base), THIN, steps=1, seed=0).together().save_pretrained(str(output))
        self.left.append(weakref.ref(Weights()))
        return Trained(output, [], 0, 0.0, len(rows), {}, {})


@pytest.fixture
def no_chance() -> Iterator[None]:
    """Garbage is collected when it is asked for, and not when it happens to be."""
    gc.disable()
    yield
    gc.enable()


def test_a_model_stays_open_from_stage_to_stage_and_is_closed_with_the_loop(
    roomy_llama: Path, tmp_path: Path
) -> None:
    seen: dict[str, Engine] = {}

    def look(stage: str, _done: int, _total: int) -> None:
        seen[stage] = loop.course.engines.open(f"hf/{roomy_llama}")

    loop = STaR(
        pupil(roomy_llama),
        train=sevens("train", 4),
        dev=sevens("dev", 4),
        output=tmp_path,
        first=Team(Generator(Scripted(["Answer: 7"]))),
        settings=STaRSettings(samples=1),
        trainer=Barely(),
        progress=look,
    )
    reports = list(loop)
    assert [report.weights for report in reports] == [{}, {}]
    assert list(seen) == ["1: sample", "1: judge", "2: sample", "2: judge"]
    engines = set(map(id, seen.values()))
    assert len(engines) == (3 if torch.cuda.is_available() else 1)  # a GPU is left to each training
    with pytest.raises(EngineRefused, match="closed"):
        asyncio.run(seen["2: judge"].complete(Request(messages=(Message("user", "7?"),))))


def test_what_a_training_leaves_is_gone_before_anything_is_sampled(
    roomy_llama: Path, tmp_path: Path, no_chance: None
) -> None:
    trainer, there = Barely(), dict[str, int]()

    def look(stage: str, _done: int, _total: int) -> None:
        there[stage] = sum(weights() is not None for weights in trainer.left)

    loop = STaR(
        pupil(roomy_llama),
        train=sevens("train", 2),
        dev=sevens("dev", 2),
        output=tmp_path,
        iterations=1,
        first=Team(Generator(Scripted(["Answer: 7"]))),
        settings=STaRSettings(samples=1),
        trainer=trainer,
        progress=look,
    )
    assert len(list(loop)) == len(trainer.left) == 1
    assert there == {"1: sample": 0, "1: judge": 0}


def test_a_model_is_closed_where_a_loop_fails(roomy_llama: Path, tmp_path: Path) -> None:
    seen: list[Engine] = []

    def fail(stage: str, _done: int, _total: int) -> None:
        seen.append(loop.course.engines.open(f"hf/{roomy_llama}"))
        raise ValueError("no room to draw in")

    loop = STaR(
        pupil(roomy_llama),
        train=sevens("train", 4),
        dev=sevens("dev", 4),
        output=tmp_path,
        progress=fail,
    )
    with pytest.raises(ValueError, match="no room"):
        list(loop)
    with pytest.raises(EngineRefused, match="closed"):
        asyncio.run(seen[0].complete(Request(messages=(Message("user", "7?"),))))
