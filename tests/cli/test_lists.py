"""The commands that tell what there is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cogitate.graphs import methods
from cogitate.training.methods import Kind, learnings

Command = Callable[..., tuple[int, str, str, BaseException | None]]


def test_every_strategy_is_listed_with_what_it_costs_and_when_it_pays(cogitate: Command) -> None:
    _, out, _, _ = cogitate("methods", "strategies")
    listed = json.loads(cogitate("methods", "strategies", "--json")[1])["methods"]

    assert [method["name"] for method in listed] == list(methods())
    for method in listed:
        assert f"{method['name']}" in out
        assert method["calls"] in out
        assert method["pays"] in out


@pytest.mark.parametrize("kind", Kind)
def test_every_method_of_learning_is_told_by_its_group(cogitate: Command, kind: Kind) -> None:
    _, out, _, _ = cogitate("methods", kind)
    listed = json.loads(cogitate("methods", kind, "--json")[1])["methods"]

    assert [(one["group"], one["name"]) for one in listed] == [
        (kind, one.name) for one in learnings(kind)
    ]
    for one in learnings(kind):
        told = (one.code, one.summary, one.paper, one.needs, one.costs, one.pays)
        assert [text for text in told if text not in out] == []


def test_without_a_group_there_is_a_line_for_every_method(cogitate: Command) -> None:
    _, out, _, _ = cogitate("methods")
    listed = json.loads(cogitate("methods", "--json")[1])["methods"]

    assert len(listed) == len(methods()) + len(learnings())
    lines = [" ".join(line.split()) for line in out.splitlines()]
    told = [f"{one['name']} {one['summary']}" for one in listed]
    assert [line for line in lines if line in told] == told


def test_a_group_that_is_none_is_refused_with_those_that_are(cogitate: Command) -> None:
    code, _, err, _ = cogitate("methods", "rewrads")
    assert code == 2
    assert "rewards" in err and "loops" in err


def test_the_page_of_methods_is_the_one_that_the_code_makes(cogitate: Command) -> None:
    _, out, _, _ = cogitate("methods", "--markdown")
    page = Path(__file__).parents[2] / "docs" / "methods.md"
    assert page.read_text(encoding="utf-8") == out, (
        "run: cogitate methods --markdown > docs/methods.md"
    )


@pytest.mark.parametrize("name", list(methods()))
def test_every_parameter_says_what_it_means(name: str) -> None:
    told = methods()[name].described
    assert [parameter.name for parameter in told if not parameter.meaning] == []
    assert methods()[name].summary.endswith(".")


def test_models_say_whether_the_embedded_one_is_ready(
    cogitate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COGITATE_CACHE", str(tmp_path))
    _, out, _, _ = cogitate("models")
    [embedded] = json.loads(cogitate("models", "--json")[1])["embedded"]

    assert "hf/smollm2-135m (Apache-2.0): fetched at its first use" in out
    assert (embedded["name"], embedded["ready"]) == ("hf/smollm2-135m", False)
    assert "openai/" in out


def test_models_of_a_folder_without_records_says_so(cogitate: Command, tmp_path: Path) -> None:
    code, out, err, _ = cogitate("models", str(tmp_path))
    assert (code, out) == (0, "")
    assert "no weights in" in err
    code, _, err, _ = cogitate("models", str(tmp_path / "none"))
    assert code == 2 and "there is no such folder" in err


def test_the_doctor_names_what_is_missing_and_never_shows_a_key(
    cogitate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COGITATE_CACHE", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    code, out, err, _ = cogitate("doctor")

    assert (code, err) == (0, "")
    assert "missing  hf/smollm2-135m  not in the cache yet" in out
    assert "→ the first use fetches about 100 MB" in out
    assert "a key is set in OPENAI_API_KEY" in out
    assert "not-to-be-seen" not in out


def test_the_doctor_fails_where_something_essential_is_broken(
    cogitate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COGITATE_CACHE", str(tmp_path / "file" / "cache"))
    code, out, err, _ = cogitate("doctor", "--json")
    states = {finding["what"]: finding["state"] for finding in json.loads(out)["findings"]}

    assert code == 1
    assert json.loads(out)["ok"] is False
    assert states["cache"] == "broken"
    assert err == "cogitate: broken: cache. The lines with → say what to do\n"


def test_the_doctor_says_that_no_program_is_run_without_a_sandbox(
    cogitate: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, _, _ = cogitate("doctor", "--json")
    [found] = [f for f in json.loads(out)["findings"] if f["what"] == "programs"]

    assert code == 0
    assert (found["state"], found["found"]) == ("missing", "none of kind='code' is run")
    assert "use kind='snippet'" in found["todo"]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_the_doctor_starts_a_sandbox_and_says_what_came_of_it(cogitate: Command) -> None:
    [found] = [
        finding
        for finding in json.loads(cogitate("doctor", "--json")[1])["findings"]
        if finding["what"] == "programs"
    ]
    if found["state"] == "ok":
        assert found["found"].startswith("run in a sandbox of bubblewrap (/")
    else:
        assert "bwrap is installed and does not work here" in found["todo"]
