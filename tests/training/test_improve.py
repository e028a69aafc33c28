"""The example that closes the loop, in its short form and as it is meant to be run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "improve.py"


def improve(folder: Path, *arguments: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--json", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


@pytest.mark.model
def test_its_short_form_goes_through_the_whole_loop(tmp_path: Path) -> None:
    # One thread: with more, where other processes use the cores, threads mostly wait for another.
    result = improve(tmp_path, "--short", OMP_NUM_THREADS="1")
    assert result["worked_steps_by"] == ["cogitate"]
    evaluations = result["evaluations"]
    assert isinstance(evaluations, list)
    assert [row["strategy"] for row in evaluations] == [
        "before, zero-shot",
        "before, two worked examples",
        "round 1, zero-shot",
        "round 1, two worked examples",
    ]
    assert all(row["problems"] == result["unseen_problems"] for row in evaluations)
    kept = {path.name for path in (tmp_path / "runs" / "improve").iterdir()}
    assert {"rows.jsonl", "adapter-1", "result.json"} <= kept


@pytest.mark.model
@pytest.mark.slow
def test_the_model_gets_better_at_unseen_problems(tmp_path: Path) -> None:
    result = improve(tmp_path)
    evaluations = result["evaluations"]
    assert isinstance(evaluations, list)
    before, after = evaluations[0], evaluations[-2]
    assert before["problems"] >= 150
    assert after["interval"][0] > before["interval"][1]
    assert after["format_rate"] > 0.9
