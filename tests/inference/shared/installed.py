"""Tests that need what not every environment has."""

from importlib.util import find_spec

import pytest


def needs_vllm() -> None:
    """Skip where vLLM is not installed; a folder of that name does not count."""
    found = find_spec("vllm")
    if found is None or found.origin is None:
        pytest.skip("vLLM is not installed: make test-vllm")
