"""Every example runs as it stands, on the embedded model; `improve.py` has tests of its own."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from cogitate import ThoughtGraph

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.model


def run(
    name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    path = EXAMPLES / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    runpy.run_path(str(path), run_name="__main__")
    return capsys.readouterr().out


def test_a_team_on_two_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("compose_team", monkeypatch=monkeypatch, capsys=capsys)
    assert "critique · by critic" in printed
    assert "calls, stopped: None" in printed


def test_a_self_refine_loop_keeps_every_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("self_refine", str(tmp_path), monkeypatch=monkeypatch, capsys=capsys)
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == len(printed.splitlines()) - 1 > 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert ThoughtGraph.from_json(text).to_json() == text
        assert any(thought["tokens"] for thought in json.loads(text)["thoughts"][1:])


def test_a_strategy_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("own_strategy", monkeypatch=monkeypatch, capsys=capsys)
    assert printed.count("solution · by generator") == 3
    assert printed.count("critique · by critic") == 3


def test_a_tree_and_a_graph_of_thoughts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("search", monkeypatch=monkeypatch, capsys=capsys)
    tree, graph = printed.split("problem: ")[1:]
    assert "explores → step" in tree
    assert "aggregates → solution · by refiner" in graph


def test_an_evaluation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    printed = run("evaluate", monkeypatch=monkeypatch, capsys=capsys)
    assert [line.split("|")[1].strip() for line in printed.splitlines()[2:]] == [
        "direct",
        "chain-of-thought",
        "self-consistency?n=4",
    ]


def test_the_demo_shows_each_graph_graded_with_its_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("demo", monkeypatch=monkeypatch, capsys=capsys)
    assert printed.count("generates → solution · by generator") == 4
    assert printed.count("(reference ") == 4
    assert "new tokens" in printed.splitlines()[-1]


@pytest.mark.slow
def test_star_goes_through_its_loop_and_tells_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, again = (
        run("star", "--short", "--json", monkeypatch=monkeypatch, capsys=capsys) for _ in range(2)
    )
    assert json.loads(first)["rows"] > 0
    assert again == first
