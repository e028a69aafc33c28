"""Tiny reward models, and the models that vLLM runs for all tests of a session.

Each start takes half a minute.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import pytest
from installed import needs_vllm

from cogitate.inference import VLLM

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core

T = TypeVar("T")
Rates = Literal["outcome", "process"]

SMALL = {"cache_gib": 0.25, "max_rows": 16, "adapter_rank": 8}
"""What a test's own engine needs."""


class _Lent:
    """A running core that survives the engine it is lent to."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self.started = core.started
        self.library = core.library
        self.submit = core.submit
        self.padding = core.padding
        self.sample = core.sample
        self.classify = core.classify
        self.reload = core.reload
        self.dead = False

    def stop(self) -> None:
        self.dead = True


@pytest.fixture(scope="session")
def running_vllm(tiny_llama: Path) -> "Iterator[Core]":
    """A started core on the tiny Llama."""
    needs_vllm()
    engine = VLLM(tiny_llama, cache_gib=0.25, max_rows=16, adapter_rank=8)
    core = asyncio.run(engine._running())
    yield core
    asyncio.run(engine.close())


@pytest.fixture
def lent_vllm(tiny_llama: Path, running_vllm: "Core") -> Callable[..., VLLM]:
    """Makes fresh engines on the core that is running already."""

    def make(adapters: Mapping[str, str] | None = None) -> VLLM:
        engine = VLLM(tiny_llama, adapters=adapters)
        engine._core = _Lent(running_vllm)  # type: ignore[assignment]  # as much as is used of it
        return engine

    return make


@pytest.fixture(scope="session")
def reward_model(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes the folder of a tiny Llama whose random head has opinions."""
    import torch
    from transformers import (
        LlamaConfig,
        LlamaForSequenceClassification,
        LlamaForTokenClassification,
    )

    def made(rates: Rates, labels: int, *, pad: bool = True) -> Path:
        folder = tmp_path_factory.mktemp("rewards")
        config = LlamaConfig.from_pretrained(tiny_llama, num_labels=labels)
        if not pad:
            config.pad_token_id = None
        torch.manual_seed(labels)
        model = (
            LlamaForSequenceClassification(config)
            if rates == "outcome"
            else LlamaForTokenClassification(config)
        )
        for name, parameter in model.named_parameters():
            if name.startswith("score."):
                parameter.data.normal_(0.0, 0.3)
        model.save_pretrained(folder)
        for file in tiny_llama.iterdir():
            if file.suffix in (".json", ".jinja") and not (folder / file.name).exists():
                shutil.copy(file, folder)
        return folder

    return made


@pytest.fixture(scope="session")
def rating_models(reward_model: Callable[..., Path]) -> dict[Rates, Path]:
    """An outcome model of one label and a process model of two."""
    return {"outcome": reward_model("outcome", 1), "process": reward_model("process", 2)}


@pytest.fixture(scope="session")
def rating_cores(rating_models: dict[Rates, Path]) -> "Iterator[Callable[[Rates], Core]]":
    """Starts a core on either of them when it is first asked for."""
    engines: dict[Rates, VLLM] = {}

    def core(rates: Rates) -> "Core":
        needs_vllm()
        if rates not in engines:
            engines[rates] = VLLM(rating_models[rates], cache_gib=0.25, max_rows=16)
        core = engines[rates]._begun()
        core.started.result()
        return core

    yield core
    for engine in engines.values():
        asyncio.run(engine.close())


@pytest.fixture
def lent_rater(
    rating_models: dict[Rates, Path], rating_cores: "Callable[[Rates], Core]"
) -> Callable[[Rates], VLLM]:
    """Makes fresh engines on the cores of reward models that are running already."""

    def make(rates: Rates) -> VLLM:
        core = rating_cores(rates)
        engine = VLLM(rating_models[rates])
        engine._core = _Lent(core)  # type: ignore[assignment]  # as much as is used of it
        return engine

    return make
