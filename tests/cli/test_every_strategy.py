"""Every strategy from the command line, on a server that cannot continue a reply."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from searches import LIST, NAMES, small
from servers import FakeServer, in_background, speaking_for
from thinker import Thinker

Command = Callable[..., tuple[int, str, str, BaseException | None]]
each_strategy = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def thinking() -> Iterator[list[str]]:
    """The options that put a team on a server that answers whatever it is asked."""
    with in_background(FakeServer(handler=speaking_for(Thinker(3)))) as server:
        yield ["--model", "openai/m?logprobs=true", "--base-url", server.url, "--json"]


@each_strategy
def test_solve(cogitate: Command, thinking: list[str], name: str) -> None:
    code, out, err, _ = cogitate("solve", LIST.prompt, *thinking, "--strategy", small(name))
    assert code == 0, err
    result = json.loads(out)
    assert (result["errors"], result["stopped"]) == ([], None)
    assert result["strategy"].partition("?")[0] == name
    assert result["usage"]["calls"] >= 1


@each_strategy
def test_eval(cogitate: Command, thinking: list[str], name: str, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = [{"prompt": f"{LIST.prompt} {i}", "answer": LIST.reference} for i in range(2)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    code, out, err, _ = cogitate("eval", str(problems), *thinking, "--strategy", small(name))
    assert code == 0, err
    [row] = json.loads(out)["evaluations"]
    assert (row["size"], row["errors"], row["interrupted"]) == (2, 0, False)
