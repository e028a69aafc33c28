"""A model that vLLM runs for all tests of a session: each start takes half a minute."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from installed import needs_vllm

from cogitate.inference import VLLM

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core

T = TypeVar("T")

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
