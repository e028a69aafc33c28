"""TRL asks whether vLLM is installed by looking for the name."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def trl() -> None:
    """Import TRL's GRPO while the tests' own folder `vllm` cannot be taken for the package."""
    inference = str(Path(__file__).parents[2] / "inference")
    kept, sys.path[:] = list(sys.path), [path for path in sys.path if path != inference]
    try:
        import trl.trainer.grpo_trainer  # noqa: F401
    finally:
        sys.path[:] = kept
