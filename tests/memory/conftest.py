"""A memory without a file."""

from collections.abc import Iterator

import pytest

from cogitate.memory import Experience


@pytest.fixture
def memory() -> Iterator[Experience]:
    with Experience() as made:
        yield made
