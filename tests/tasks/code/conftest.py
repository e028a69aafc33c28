"""The sandboxes that programs are tested in, where they work."""

import asyncio

import pytest

from cogitate.errors import ConfigError
from cogitate.tasks.code import Bubblewrap, Case


@pytest.fixture(scope="session")
def bubblewrap() -> Bubblewrap:
    """A sandbox of bubblewrap; without one the test is skipped, and says why."""
    sandbox = Bubblewrap()
    try:
        asyncio.run(sandbox.run("", Case("1", None), limit=5.0))
    except ConfigError as error:
        pytest.skip(f"bubblewrap does not work here: {error}")
    return sandbox
