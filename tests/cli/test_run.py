"""`run`, `resume` and `show` on a store."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import FakeServer

import cogitate as cg
from cogitate.inference import Scripted
from cogitate.memory import RunStore

Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    """Four problems; 42 is the answer to the first two."""
    file = tmp_path / "sums.jsonl"
    rows = [("6 * 7?", "42"), ("40 + 2?", "42"), ("1 + 1?", "2"), ("2 + 2?", "4")]
    file.write_text("\n".join(json.dumps({"prompt": p, "answer": a}) for p, a in rows))
    return str(file)


def test_a_run_is_kept_and_the_same_command_asks_nothing_again(
    cogitate: Command, server: FakeServer, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    command = ["run", problems, *on_server, "--store", str(tmp_path / "runs.db")]
    command += ["--strategy", "direct", "--strategy", "self-consistency?n=2"]
    code, out, err, _ = cogitate(*command)
    assert code == 0
    assert [line.split(": ", 1)[1].rsplit(", ", 1)[0] for line in out.splitlines()] == [
        "4 of 4 finished, 2 right, 4 calls",
        "4 of 4 finished, 2 right, 8 calls",
    ]
    assert "cogitate: 2/2 " in err and "4/4 · 50.0% right" in err
    asked = len(server.seen)

    code, out, err, _ = cogitate(*command, "--json")
    runs = json.loads(out)["runs"]
    assert (code, len(server.seen)) == (0, asked)
    assert [(run["finished"], run["correct"], run["calls"]) for run in runs] == [
        (4, 2, 4),
        (4, 2, 8),
    ]
    assert "4 problems, 4 of them kept from before" in err


def test_a_store_is_shown_by_runs_by_episodes_and_by_graphs(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "runs.db")
    cogitate("run", problems, *on_server, "--store", store, "--strategy", "best-of-n?n=2")
    _, out, _, _ = cogitate("show", store)
    assert "best-of-n?n=2: 4 of 4 finished" in out
    key = out[:8]
    [run] = json.loads(cogitate("show", store, "--json")[1])["runs"]
    assert run["run"].startswith(key)

    _, out, _, _ = cogitate("show", store, "--run", key)
    assert "answer 42, grade 1, 5 thoughts, 4 calls" in out.splitlines()[0]
    listed = json.loads(cogitate("show", store, "--run", key, "--json")[1])["episodes"]
    assert [(one["id"], one["answer"], one["score"]) for one in listed] == [
        (1, "42", 1.0),
        (2, "42", 1.0),
        (3, "42", 0.0),
        (4, "42", 0.0),
    ]

    _, out, _, _ = cogitate("show", store, "--episode", "1")
    assert out.splitlines()[0].endswith("6 * 7?")
    assert "5 thoughts. Answer: 42\nGrade: 1" in out
    assert cogitate("show", store, "--episode", "1", "--mermaid")[1].startswith("flowchart TD\n")
    shown = json.loads(cogitate("show", store, "--episode", "1", "--json")[1])
    assert cg.ThoughtGraph.from_json(json.dumps(shown["graph"])).problem.reference == "42"


def test_a_store_is_harvested(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store, rows = str(tmp_path / "runs.db"), str(tmp_path / "rows")
    cogitate("run", problems, *on_server, "--store", store, "--strategy", "best-of-n?n=2")
    code, out, err, _ = cogitate("harvest", store, "--out", rows, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["problems"] == 2


def test_what_is_not_in_a_store_is_said(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "runs.db")
    run = ("run", problems, *on_server, "--strategy", "direct")
    cogitate(*run, "--store", store)
    for options, message in [
        (("show", store, "--run", "xyz"), "--run xyz: 0 runs begin so; there are "),
        (("show", store, "--episode", "99"), "there is no finished episode of that number"),
        (("show", problems, "--episode", "1"), "is no store of runs"),
        (("resume", problems), "there is no store: give a file that `cogitate run` wrote"),
        (("resume", str(tmp_path / "no.db")), "there is no store"),
        (("resume", store, "--run", "xyz"), "0 runs begin so"),
        ((*run, "--store", problems), "this is no run store"),
        ((*run, "--store", store, "--durability", "some"), "give full or normal"),
        ((*run, "--store", store, "--concurrency", "0"), "give at least 1"),
    ]:
        code, out, err, _ = cogitate(*options)
        assert (code, out) == (2, ""), options
        assert message in err


def test_a_store_whose_runs_are_finished_has_nothing_to_resume(
    cogitate: Command, server: FakeServer, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "runs.db")
    cogitate("run", problems, *on_server, "--store", store, "--strategy", "direct")
    asked = len(server.seen)
    code, out, _, _ = cogitate("resume", store)
    assert (code, out) == (0, f"{store}: every run is finished\n")
    assert json.loads(cogitate("resume", store, "--json")[1])["runs"] == []
    assert len(server.seen) == asked


def test_a_run_of_code_is_left_alone_and_named(cogitate: Command, tmp_path: Path) -> None:
    async def own(d: cg.Deliberation) -> cg.Thought:
        if d.task.id == "b":
            raise cg.ConfigError("not today")
        return await d.generate()

    store = str(tmp_path / "runs.db")
    problems = [cg.tasks.Problem(id=name, prompt=f"{name}?") for name in "ab"]
    with RunStore(store) as kept, pytest.raises(cg.ConfigError, match="not today"):
        cg.run(problems, cg.Team.of(Scripted(["-"])), own, store=kept, concurrency=1)
    code, out, err, _ = cogitate("resume", store)
    assert (code, out) == (1, "")
    assert "is left alone: the strategy 'own' is code: go on with the run from Python" in err


def test_a_run_whose_weights_have_changed_is_not_gone_on_with(
    cogitate: Command, tmp_path: Path
) -> None:
    adapter, store = tmp_path / "adapter", str(tmp_path / "runs.db")
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")

    async def stopping(d: cg.Deliberation) -> cg.Thought:
        raise cg.ConfigError("not today")

    team = cg.Team.of("openai/m", base_url="http://127.0.0.1:9/v1", adapter=str(adapter))
    problem = cg.tasks.Problem(prompt="6 * 7?")
    with RunStore(store) as kept, pytest.raises(cg.ConfigError):
        cg.run([problem], team, cg.BestOfN(n=2), store=kept, budget=cg.Budget(money=1.0))
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    code, _, err, _ = cogitate("resume", store)
    assert code == 2
    assert "a model, an adapter or a file of it has changed since it began" in err
