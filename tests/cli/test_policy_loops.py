"""Loops with reinforcement learning from a file: what it says is what the loop is told."""

import json
import tomllib
from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.training.exports import export
from cogitate.training.loops import R1, IterativeRL, R1Step
from cogitate.training.rows import KTORow, Reply, Row, SFTRow
from cogitate.training.stream import Rows
from cogitate.trainings.policy_loops import IterativeRLLoop, R1Loop

PROBLEMS = """
train = "reasoning_gym/chain_sum?size=10&seed=1"
dev = "reasoning_gym/chain_sum?size=20&seed=500"
"""


def kept(folder: Path, row: Row) -> str:
    export(Rows.of(type(row), [row]), folder)
    return str(folder)


def chain() -> SFTRow:
    return SFTRow(
        problem="p", question="6 * 7?", role="generator", agent="generator", operation="generate",
        messages=(Message("user", "6 * 7?"),), thought="t.0", completion="Answer: 42",
        source=Source("some/teacher"), grade=1.0,
    )  # fmt: skip


def test_r1_is_told_its_cold_start_and_its_student(roomy_llama: Path, tmp_path: Path) -> None:
    told = tomllib.loads(
        f"""
        output = "{tmp_path / "run"}"
        cold = "{kept(tmp_path / "rows", chain())}"
        {PROBLEMS}
        [team]
        model = "hf/{roomy_llama}"
        [student]
        model = "hf/{roomy_llama}"
        [settings]
        samples = 3
        reasoning = {{variant = "dr_grpo"}}
        """
    )
    loop = R1Loop.model_validate(told).begin(None)
    assert isinstance(loop, R1)
    assert loop.cold == [chain()]
    assert loop.steps == tuple(R1Step)
    kept_as = json.loads((tmp_path / "run" / "loop.json").read_text())
    assert kept_as["loop"] == "r1"
    assert kept_as["settings"]["reasoning"]["variant"] == "dr_grpo"
    assert kept_as["student base"] == f"hf/{roomy_llama}"


def test_iterative_rl_is_told_its_patience(roomy_llama: Path, tmp_path: Path) -> None:
    told = tomllib.loads(
        f"""
        output = "{tmp_path / "run"}"
        iterations = 3
        {PROBLEMS}
        [team]
        model = "hf/{roomy_llama}"
        [settings]
        patience = 1
        grader = 0.5
        """
    )
    loop = IterativeRLLoop.model_validate(told).begin(None)
    assert isinstance(loop, IterativeRL)
    assert (loop.settings.patience, loop.settings.grader, loop.course.iterations) == (1, 0.5, 3)


def test_a_cold_start_of_other_rows_says_what_to_harvest(roomy_llama: Path, tmp_path: Path) -> None:
    reply = Reply(thought="t.0", completion="41", source=Source("some/teacher"), value=0.0)
    wrong = {name: getattr(chain(), name) for name in Row.model_fields}
    folder = kept(
        tmp_path / "rows", KTORow.model_validate({**wrong, "reply": reply, "wanted": False})
    )
    told = tomllib.loads(f'output = "{tmp_path / "run"}"\ncold = ["{folder}"]{PROBLEMS}')
    with pytest.raises(ConfigError, match="--kind sft"):
        R1Loop.model_validate(told).begin(None)
