"""A command line to run in this process, and a server whose model gets 6 * 7 right."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from servers import FakeServer, in_background, speaking_for
from typer.testing import CliRunner

from cogitate.cli.app import app
from cogitate.inference import Scripted


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str
    raised: BaseException | None


@pytest.fixture
def cogitate() -> Callable[..., Ran]:
    """Run a command: `cogitate("solve", "6 * 7?")`."""

    def run(*arguments: str) -> Ran:
        done = CliRunner().invoke(app, list(arguments))
        return Ran(done.exit_code, done.stdout, done.stderr, done.exception)

    return run


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a key: it is not used."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers every question with 42, and accepts every solution."""
    model = Scripted(lambda request: "6 * 7 = 42\nAnswer: 42\nAccept: yes\nScore: 0.9")
    with in_background(FakeServer(handler=speaking_for(model))) as running:
        yield running


@pytest.fixture
def on_server(server: FakeServer) -> list[str]:
    """The options that put a team on that server."""
    return ["--model", "openai/m", "--base-url", server.url]
