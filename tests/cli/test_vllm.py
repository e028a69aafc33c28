"""The command line with a model that vLLM runs: each command starts it, and ends it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from installed import needs_vllm

Command = Callable[..., tuple[int, str, str, BaseException | None]]
SEARCH = "tree-of-thoughts?breadth=2&depth=2&width=2&samples=1"


@pytest.fixture
def on_vllm(roomy_llama: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that put a team on vLLM."""
    needs_vllm()
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    return ["--model", f"vllm/{roomy_llama}", "--max-tokens", "6", "--json"]


@pytest.fixture(autouse=True)
def childless() -> Iterator[None]:
    """No process outlives the command that started it."""
    there = set(psutil.Process().children(recursive=True))
    yield
    new = set(psutil.Process().children(recursive=True)) - there
    assert not [process for process in new if "VLLM" in process.name()]


def test_solve(cogitate: Command, on_vllm: list[str]) -> None:
    code, out, err, _ = cogitate("solve", "What is 6 * 7?", *on_vllm, "--strategy", SEARCH)
    assert code == 0, err
    result = json.loads(out)
    assert (result["errors"], result["stopped"]) == ([], None)
    assert result["strategy"].startswith("tree-of-thoughts")
    assert result["usage"]["completion"] >= result["usage"]["calls"] > 1


def test_eval(cogitate: Command, on_vllm: list[str], tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = [{"prompt": f"What is 6 * {i}?", "answer": str(6 * i)} for i in range(3)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    strategies = ["direct", "best-of-n?n=3", SEARCH]
    named = [option for name in strategies for option in ("--strategy", name)]
    code, out, err, _ = cogitate("eval", str(problems), *on_vllm, *named)
    assert code == 0, err
    rows = json.loads(out)["evaluations"]
    assert [row["strategy"].partition("?")[0] for row in rows] == [
        name.partition("?")[0] for name in strategies
    ]
    assert [(row["size"], row["errors"], row["interrupted"]) for row in rows] == [(3, 0, False)] * 3
