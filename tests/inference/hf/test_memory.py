"""How much an in-process model may hold."""

from dataclasses import replace

import pytest

from cogitate.errors import ConfigError
from cogitate.inference.hf.memory import Memory

BOUNDS = Memory(max_rows=None, max_tokens_in_memory=512, prefix_tokens=0, prefill_tokens=64)


def test_a_gpu_computes_more_rows_at_once_where_nobody_says_how_many() -> None:
    assert BOUNDS.rows_on("cpu") == 64
    assert BOUNDS.rows_on("cuda") == 256
    assert replace(BOUNDS, max_rows=5).rows_on("cuda") == 5


def test_a_bound_under_which_nothing_runs_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_rows=0: give at least 1"):
        replace(BOUNDS, max_rows=0)
