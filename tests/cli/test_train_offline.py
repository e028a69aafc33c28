"""Trainings by our own losses from one file, and MIXER, which is shown replies."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cogitate.graphs import Source
from cogitate.inference import HF, Message
from cogitate.training import Rows
from cogitate.training.exports import export
from cogitate.training.rows import PreferenceRow, RankedRow, Reply, Row, SFTRow, Step, StepRow

Command = Callable[..., tuple[int, str, str, BaseException | None]]
Ran = tuple[int, str, str, BaseException | None]
QUICK = "[settings]\nrank = 4\nepochs = 1\nbatch_size = 4\n"
GOOD, BAD = (60, 61, 62), (70, 71)


@pytest.fixture
def source(roomy_llama: Path) -> Source:
    return Source(f"hf/{roomy_llama}", HF(roomy_llama).info.revision)


@pytest.fixture
def train(cogitate: Command, roomy_llama: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Train by a file that says this besides."""

    def run(method: str, text: str) -> Ran:
        file = tmp_path / "run.toml"
        file.write_text(f'base = "{roomy_llama}"\noutput = "{tmp_path}/weights"\n{text}')
        return cogitate("train", method, str(file), "--json", "--report-to", "none", "--seed", "3")

    return run


def asked(question: str) -> dict[str, object]:
    return {
        "problem": question,
        "question": question,
        "role": "generator",
        "agent": "generator",
        "operation": "generate",
        "messages": (Message("user", question),),
    }


def reply(name: str, ids: tuple[int, ...], source: Source, value: float) -> Reply:
    return Reply(thought=name, completion=name, completion_ids=ids, source=source, value=value)


def pair(question: str, source: Source) -> PreferenceRow:
    good, bad = reply("a", GOOD, source, 1.0), reply("b", BAD, source, 0.0)
    return PreferenceRow.model_validate(
        asked(question) | {"parents": ("p",), "chosen": good, "rejected": bad}
    )


def write(folder: Path, *rows: Row) -> Path:
    export(Rows.of(type(rows[0]), rows), folder)
    return folder


def test_bfpo_learns_from_the_pairs_that_have_labels(
    train: Callable[..., Ran], source: Source, tmp_path: Path
) -> None:
    rows = write(tmp_path / "rows", *(pair(f"{i}?", source) for i in range(3)))
    labels = tmp_path / "safety.jsonl"
    lines = [
        {"problem": f"{i}?", "thought": thought, "safe": thought == "a"}
        for i in range(2)
        for thought in "ab"
    ]
    labels.write_text("\n".join(map(json.dumps, lines)))
    code, out, err, _ = train("bfpo", f'rows = "{rows}"\nsafety = "{labels}"\n{QUICK}')
    assert code == 0, err
    [report] = json.loads(out)["reports"]
    assert (report["rows"], report["counts"]["no label"], report["steps"]) == (2, 1, 1)
    record = json.loads((tmp_path / "weights" / "cogitate.json").read_text())
    assert record["settings"]["seed"] == 3


def test_a_label_that_is_none_is_named(
    train: Callable[..., Ran], source: Source, tmp_path: Path
) -> None:
    rows, labels = write(tmp_path / "rows", pair("1?", source)), tmp_path / "safety.jsonl"
    labels.write_text('{"problem": "p", "thought": "t", "safe": "perhaps"}')
    code, _, err, _ = train("bfpo", f'rows = "{rows}"\nsafety = "{labels}"')
    assert code == 2
    assert "safety.jsonl, line 1: " in err and '"safe": true' in err


def test_groups_and_steps_train_from_a_file(
    train: Callable[..., Ran], source: Source, tmp_path: Path
) -> None:
    replies = (reply("a", GOOD, source, 1.0), reply("b", BAD, source, 0.0))
    ranked = RankedRow.model_validate(
        asked("1?") | {"parents": ("p",), "replies": replies, "ranks": (1, 2)}
    )
    steps = (
        Step(thought="a", text="a", ids=GOOD, label=1.0),
        Step(thought="b", text="b", ids=BAD, label=None),
    )
    solution = StepRow.model_validate(asked("1?") | {"steps": steps, "grade": 1.0})
    for method, row in (("preference-groups", ranked), ("oreo", solution)):
        rows = write(tmp_path / method, row)
        code, out, err, _ = train(method, f'rows = "{rows}"\n{QUICK}')
        assert code == 0, err
        [report] = json.loads(out)["reports"]
        assert (Path(report["folder"]) / "adapter_model.safetensors").exists()


def test_mixer_imitates_what_it_is_given_and_then_samples(
    train: Callable[..., Ran], source: Source, tmp_path: Path
) -> None:
    given = SFTRow.model_validate(
        asked("6 * 7?")
        | {"thought": "a", "completion": "a", "completion_ids": GOOD, "prompt_ids": (5, 6)}
        | {"source": source, "grade": 1.0}
    )
    problems = [
        {"id": id_, "prompt": prompt, "answer": "42"}
        for id_, prompt in (("6 * 7?", "6 * 7?"), ("other", "7 * 6?"))
    ]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, problems)))
    rows = write(tmp_path / "rows", given)
    code, out, err, _ = train(
        "mixer",
        f'problems = "{tmp_path}/problems.jsonl"\ndemonstrations = "{rows}"\n'
        "tail = {warm_up = 1, every = 1, by = 2}\n[team]\nmax_tokens = 4\n"
        "[rewards]\noverlong = {limit = 4, cache = 3}\n"
        "[settings]\nrank = 4\nschedule = {steps = 2, prompts = 1}\n",
    )
    assert code == 0, err
    [report] = json.loads(out)["reports"]
    assert report["counts"]["not_demonstrated"] == 1
    lines = (tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert (first["tokens"], first["loss"] > 0) == (0, True)  # all of it was given
    assert 1 <= second["tokens"] <= 4
