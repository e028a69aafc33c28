"""Exports: what comes back equals what was written, and nothing in between is half there."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from trees import MALT, add, begun, ended, malt, solution, step

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Relation, ThoughtGraph, ThoughtKind
from cogitate.training import Harvest, MonteCarloSteps, Row, Rows, Verification, harvest
from cogitate.training.exports import (
    Form,
    Kind,
    Trajectory,
    as_dataset,
    export,
    export_trajectories,
    read_manifest,
    read_rows,
)
from cogitate.training.filters import HeldOut, PerProblem, Unique


def stepwise(name: str = "s") -> ThoughtGraph:
    graph = begun(name)
    first = step(graph, "a.0", graph.root)
    for i, answer in enumerate((42, 41)):
        ended(graph, f"f.{i}", answer, first, "finish")
    ended(graph, "e.0", 42, first, "step")
    return graph


def episodes() -> Harvest:
    return harvest([malt(MALT), stepwise()])


def rows_of(kind: Kind) -> Rows[Row]:
    match kind:
        case Kind.SFT:
            return episodes().sft()
        case Kind.PREFERENCES:
            return episodes().preferences()
        case Kind.RANKED:
            return episodes().ranked()
        case Kind.UNPAIRED:
            return episodes().unpaired()
        case Kind.STEPS:
            return harvest([stepwise()], credit=MonteCarloSteps(k=2, label="soft")).steps()
        case Kind.PROMPTS:
            return episodes().prompts(starts=["problem", "restarts", "steps"])


every_kind = pytest.mark.parametrize("kind", list(Kind))


@every_kind
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_rows_come_back_equal_and_are_verified_by_being_harvested_again(
    kind: Kind, form: Form, tmp_path: Path
) -> None:
    rows = rows_of(kind)
    manifest = export(rows, tmp_path / "rows", form=form)
    assert manifest.rows == len(list(rows)) > 0
    back = read_rows(tmp_path / "rows", against=rows)
    assert list(back) == list(rows)
    assert back.verification is Verification.GRADER


@every_kind
def test_rows_of_a_file_alone_are_unverified_and_stay_so(kind: Kind, tmp_path: Path) -> None:
    rows = rows_of(kind)
    export(rows, tmp_path / "rows")
    with pytest.raises(ConfigError, match="give one of refuse, drop"):
        read_rows(tmp_path / "rows", claims="reject")  # type: ignore[arg-type]  # the point
    back = read_rows(tmp_path / "rows", claims="drop")
    assert list(back) == list(rows)
    manifest = export(back, tmp_path / "again")
    assert manifest.verification == {"unverified": manifest.rows}
    # ... and what says of itself that it is not verified can be read without more ado.
    assert list(read_rows(tmp_path / "again")) == list(rows)


@every_kind
def test_every_row_joins_back_to_its_thoughts_by_id(kind: Kind, tmp_path: Path) -> None:
    graphs = {graph.problem.id: graph for graph in (malt(MALT), stepwise())}
    rows = rows_of(kind)
    export(rows, tmp_path / "rows", form="trl")
    from datasets import load_dataset  # what users read it with

    found = load_dataset(str(tmp_path / "rows"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(found) > 0
    for row in found.to_list():
        graph = graphs[row["problem"]]
        assert all(said == graph.thought(thought).text for thought, said in said_by(row, kind))


def said_by(row: dict[str, object], kind: Kind) -> Iterator[tuple[str, str]]:
    """Pairs of a thought's id and its text, as TRL's columns have them."""

    def said(turns: object) -> str:
        assert isinstance(turns, list)
        return str(turns[0]["content"])

    match kind, row:
        case ((Kind.SFT | Kind.UNPAIRED), {"thought": str(thought), "completion": turns}):
            yield thought, said(turns)
        case Kind.PREFERENCES, {"chosen": better, "rejected": worse}:
            yield str(row["chosen_thought"]), said(better)
            yield str(row["rejected_thought"]), said(worse)
        case Kind.RANKED, {"thoughts": list(thoughts), "completions": list(several)}:
            yield from zip(thoughts, map(said, several), strict=True)
        case Kind.STEPS, {"thoughts": list(thoughts), "completions": list(texts)}:
            yield from list(zip(thoughts, texts, strict=True))[:-1]  # the last text is the rest
        case _ if str(row["prefix"]).endswith("<|reflect|>") or not row["prefix"]:
            pass  # a restart, or the problem itself
        case _:
            yield str(row["thought"]), str(row["prefix"])


def test_rows_that_begin_in_the_middle_are_no_conversation_and_are_ids_with_a_mask(
    tmp_path: Path,
) -> None:
    rows = harvest([stepwise()]).sft()
    manifest = export(rows, tmp_path / "rows", form="trl")
    assert manifest.counts["prefixed"] == len(list(rows)) - manifest.rows > 0
    assert sum(manifest.verification.values()) == manifest.rows  # what is left out is not verified
    ids = as_dataset(rows, form="ids")
    assert len(ids) == len(list(rows))
    for row, columns in zip(rows, ids.to_list(), strict=True):
        assert row.prompt_ids is not None and row.completion_ids is not None
        assert columns["input_ids"] == [*row.prompt_ids, *row.completion_ids]
        assert sum(columns["completion_mask"]) == len(row.completion_ids)
        assert [i for i in columns["labels"] if i != -100] == [*row.completion_ids]
    with pytest.raises(ConfigError, match="SFT"):
        as_dataset(episodes().preferences(), form="ids")


def test_the_card_says_where_rows_are_from_and_what_was_left_out(tmp_path: Path) -> None:
    held_out = HeldOut(["s: 6 * 7?"])
    rows = episodes().sft().through(Unique(), held_out, PerProblem(2))
    manifest = export(rows, tmp_path / "My | rows", license="cc0-1.0")
    card = (tmp_path / "My | rows" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["pretty_name"]) == ("cc0-1.0", "My | rows")
    assert "value-backup, version 2 (threshold=0.5), from: grader" in card
    assert "- hf/x r1" in card
    assert f"| capped | {manifest.counts['capped']} |" in card
    assert "`Unique()`, `HeldOut()`, `PerProblem(most=2)`" in card
    assert "compared with 1 held-out texts" in card
    assert manifest.held_out is not None and manifest.held_out.problems == 1
    assert read_manifest(tmp_path / "My | rows") == manifest
    export(rows, tmp_path / "other")
    assert "not chosen yet" in (tmp_path / "other" / "README.md").read_text()


def test_a_dataset_of_ours_is_replaced_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    export(episodes().sft(), tmp_path / "rows")
    export(episodes().ranked(), tmp_path / "rows")
    assert read_manifest(tmp_path / "rows").kind is Kind.RANKED
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("Do not lose me.")
    with pytest.raises(ConfigError, match="something else is there"):
        export(episodes().sft(), tmp_path / "mine")
    assert {p.name for p in tmp_path.iterdir()} == {"rows", "mine"}


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    export(episodes().sft(), tmp_path / "rows")
    before = (tmp_path / "rows" / "rows.jsonl").read_bytes()

    def failing(_: object) -> Iterator[Row]:
        yield from list(episodes().sft())[:3]
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(ConfigError, match="free space"):
        export(Rows(next(iter(episodes().sft())).__class__, failing), tmp_path / "rows")
    assert (tmp_path / "rows" / "rows.jsonl").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"rows"}


def test_damage_is_found(tmp_path: Path) -> None:
    for form in ("jsonl", "parquet"):
        folder = tmp_path / form
        manifest = export(episodes().sft(), folder, form="jsonl" if form == "jsonl" else "parquet")
        file = folder / manifest.file
        whole = file.read_bytes()
        for damaged in (whole[:-7], whole[:40] + bytes([whole[40] ^ 4]) + whole[41:]):
            file.write_bytes(damaged)
            with pytest.raises(DataError, match="export it again"):
                read_rows(folder, claims="drop")


def test_trajectories_hold_all_that_led_to_an_end_and_are_the_format(tmp_path: Path) -> None:
    graph = begun()
    a, b = (solution(graph, f"g.{i}", 41, [graph.root]) for i in range(2))
    merged = solution(graph, "m.0", 42, [a, b], Relation.AGGREGATES, "refiner")
    add(graph, "v.0", ThoughtKind.VERDICT, "Score: 1", [merged], Relation.VERIFIES, "verifier")
    tool = add(
        graph, "t.0", ThoughtKind.TOOL, "12", [a], Relation.CONTINUES, "generator",
        source=None, tokens=None,
    )  # fmt: skip
    solution(graph, "z.0", 41, [tool])
    file = tmp_path / "trajectories.jsonl"
    assert export_trajectories(harvest([graph]).trajectories(), file) == 2
    found = [Trajectory.model_validate_json(line) for line in file.read_text().splitlines()]
    by_end = {one.trajectory_id: one for one in found}
    thoughts = {
        end: [step.extra["thought"] for step in one.steps if step.extra]
        for end, one in by_end.items()
    }
    root = graph.root.id
    assert thoughts == {
        "m.0": [root, "g.0", "g.1", "m.0", "v.0"],
        "z.0": [root, "g.0", "t.0", "z.0"],
    }
    whole = json.loads(next(ln for ln in file.read_text().splitlines() if '"m.0"' in ln[:200]))
    assert whole["schema_version"] == "ATIF-v1.7"
    assert [s["step_id"] for s in whole["steps"]] == [1, 2, 3, 4, 5]
    assert [s["source"] for s in whole["steps"]] == ["user"] + ["agent"] * 4
    assert whole["steps"][3]["extra"]["parents"] == [["g.0", "aggregates"], ["g.1", "aggregates"]]
    assert whole["final_metrics"]["extra"] == {"grade": 1.0}
    for kept in whole["steps"][1:]:
        thought = graph.thought(kept["extra"]["thought"])
        assert thought.tokens is not None
        assert kept["message"] == thought.text
        assert tuple(kept["metrics"]["completion_token_ids"]) == thought.tokens.token_ids
    observed = by_end["z.0"].steps[2]
    assert observed.observation is not None
    assert (observed.source, observed.observation.results[0].content) == ("system", "12")
    # The two share a draft: whoever trains on both must see it once.
    copied = [step.is_copied_context for one in found for step in one.steps[1:2]]
    assert copied == [None, True]


def test_a_trajectory_out_of_order_is_refused() -> None:
    [first, *_] = harvest([malt(MALT)]).trajectories()
    told = json.loads(first.model_dump_json(exclude_none=True))
    told["steps"].reverse()
    with pytest.raises(ValueError, match="in place 1"):
        Trajectory.model_validate(told)
