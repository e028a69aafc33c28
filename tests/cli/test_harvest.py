"""From saved graphs to a folder of rows, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from trees import MALT, malt

import cogitate as cg
from cogitate.inference import Scripted
from cogitate.memory import RunStore
from cogitate.tasks import Problem
from cogitate.training.exports import Trajectory, read_manifest, read_rows

Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.fixture
def graphs(tmp_path: Path) -> str:
    """A folder of two graphs, of which one is MALT's tree."""
    folder = tmp_path / "graphs"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.json").write_text(malt(MALT, name).to_json(), encoding="utf-8")
    return str(folder)


def test_rows_of_a_role_are_written_and_told(
    cogitate: Command, graphs: str, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    code, told, _, _ = cogitate("harvest", graphs, "--role", "critic", "--out", str(out))
    assert code == 0
    assert "6 sft rows of 2 problems" in told
    assert "not positive: 12" in told
    rows = list(read_rows(out, claims="drop"))
    assert {row.role for row in rows} == {"critic"}
    assert (out / "README.md").is_file()


def test_the_whole_result_is_json_where_that_is_asked_for(
    cogitate: Command, graphs: str, tmp_path: Path
) -> None:
    out = tmp_path / "pairs"
    code, told, _, _ = cogitate(
        *("harvest", graphs, "--kind", "preferences", "--out", str(out), "--json"),
        *("--credit", "value-backup?threshold=0.6", "--format", "parquet", "--per-problem", "3"),
    )
    assert code == 0
    result = json.loads(told)
    assert (result["kind"], result["form"], result["folder"]) == (
        "preferences", "parquet", str(out),
    )  # fmt: skip
    assert result["credits"] == [["value-backup", 2, [["threshold", 0.6]], "grader"]]
    assert result["rows"] == len(list(read_rows(out, claims="drop"))) > 0
    assert result["counts"]["capped"] > 0


def test_a_held_out_problem_does_not_pass(cogitate: Command, graphs: str, tmp_path: Path) -> None:
    held_out = tmp_path / "dev.jsonl"
    held_out.write_text(json.dumps({"prompt": "one: 6 * 7?", "answer": "42"}))
    out = tmp_path / "rows"
    code, told, _, _ = cogitate(
        "harvest", graphs, "--out", str(out), "--held-out", f"jsonl:{held_out}"
    )
    assert code == 0
    assert "Compared with 1 held-out texts" in told
    assert {row.problem for row in read_rows(out, claims="drop")} == {"two"}
    report = read_manifest(out).held_out
    assert report is not None and set(report.dropped) == {"exact"}


def test_every_kind_has_a_name(cogitate: Command, graphs: str, tmp_path: Path) -> None:
    for kind, rows in {"ranked": True, "unpaired": True, "prompts": True, "coat": False}.items():
        code, _, err, _ = cogitate("harvest", graphs, "--kind", kind, "--out", str(tmp_path / kind))
        assert code == (0 if rows else 1)
        assert rows or "no rows" in err


def test_trajectories_are_documents_of_the_format(
    cogitate: Command, graphs: str, tmp_path: Path
) -> None:
    file = tmp_path / "paths.jsonl"
    code, told, _, _ = cogitate("harvest", graphs, "--kind", "trajectories", "--out", str(file))
    assert code == 0
    assert "54 trajectories" in told
    for line in file.read_text().splitlines():
        assert Trajectory.model_validate_json(line).steps[0].source == "user"


def test_trajectories_do_not_take_the_place_of_a_store(cogitate: Command, tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    RunStore(file).close()
    before = file.read_bytes()
    code, _, err, _ = cogitate("harvest", str(file), "--kind", "trajectories", "--out", str(file))
    assert code == 2 and "that is a store of runs" in err
    assert file.read_bytes() == before


def test_credits_are_kept_in_the_stores_where_that_is_asked_for_and_each_once(
    cogitate: Command, graphs: str, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.db" for name in "ab"]
    team = cg.Team.of(Scripted(lambda r: f"Answer: {41 + r.sample}"))
    for file in files:
        with RunStore(file) as store:
            sums = [Problem(prompt=f"{file.stem}: 6 * 7?", reference="42")]
            cg.run(sums, team, cg.SelfConsistency(n=2), store=store)

    def harvest(*more: str) -> tuple[str, list[list[float]]]:
        command = ("harvest", *map(str, files), "--out", str(tmp_path / "rows"), *more)
        told = cogitate(*command)[1]
        values = []
        for file in files:
            with RunStore(file) as store:
                [episode] = store.episodes()
                values.append(sorted(credit.value for credit in store.credits(episode.id)))
        return told, values

    assert harvest()[1] == [[], []]
    told, kept = harvest("--keep-credits")
    assert "6 new credits kept" in told and kept == [[0, 0.5, 1]] * 2  # the problem's too
    told, kept = harvest("--keep-credits", "--kind", "unpaired", "--balance", "--json")
    assert json.loads(told)["kept_credits"] == 0 and kept == [[0, 0.5, 1]] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "no such file"),
        (["graphs", "--credit", "value-bakup"], "did you mean 'value-backup'"),
        (["graphs", "--credit", "value-backup?k=1"], "no parameter 'k'"),
        (["graphs", "--credit", "monte-carlo-steps"], "k"),
        (["graphs", "--kind", "prompts", "--role", "critic"], "--role"),
        (["graphs", "--keep-credits"], "is no store of runs"),
        (["graphs", "--keep-credits", "--kind", "prompts"], "need no credits"),
        (["graphs", "--out", "graphs"], "something else is there"),
    ],
)
def test_what_must_be_changed_is_said(
    arguments: list[str],
    message: str,
    cogitate: Command,
    graphs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err, _ = cogitate("harvest", "--out", "rows", *arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    "change",
    [
        lambda text: '{"format": "cogitate-graph"}',
        lambda text: text.replace('"answer": "42"', '"answer": "41", "answer": "42"', 1),
        lambda text: text.replace("[-0.5,", "[NaN,", 1),
        lambda text: text.replace("[-0.5,", "[1e999,", 1),
        lambda text: text.replace('"token_ids": [', f'"token_ids": [{10**40},', 1),
        lambda text: "[" * 100_000,
    ],
)
def test_a_file_that_is_no_sound_graph_is_named(
    change: Callable[[str], str], cogitate: Command, tmp_path: Path
) -> None:
    file = tmp_path / "broken.json"
    whole = malt(MALT).to_json()
    file.write_text(change(whole))
    assert file.read_text() != whole
    code, _, err, _ = cogitate("harvest", str(file), "--out", str(tmp_path / "rows"))
    assert code == 2
    assert "broken.json" in err
    assert not (tmp_path / "rows").exists()
