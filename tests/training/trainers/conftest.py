"""The models here are tiny: a second thread would only wait for the first."""

from collections.abc import Iterator

import pytest
import torch
from accelerate.state import AcceleratorState, PartialState


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps the first device that it was told, and some tests name the CPU."""
    _forget_the_device()
    yield
    _forget_the_device()


def _forget_the_device() -> None:
    AcceleratorState._reset_state()
    PartialState._reset_state()
