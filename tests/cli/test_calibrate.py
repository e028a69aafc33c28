"""A plan from the command line, and what follows it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cogitate.graphs import Plan

Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    """Four problems; 42 is the answer to the first two."""
    file = tmp_path / "sums.jsonl"
    rows = [("6 * 7?", "42"), ("40 + 2?", "42"), ("1 + 1?", "2"), ("2 + 2?", "4")]
    lines = [json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in rows]
    file.write_text("\n".join(lines))
    return str(file)


def test_a_plan_is_written_shown_and_followed(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    file = tmp_path / "Plan.json"
    code, out, err, _ = cogitate(
        *("calibrate", problems, *on_server, "--output", str(file)),
        *("--strategy", "best-of-n?n=4", "--strategy", "self-consistency?n=2", "--probes", "2"),
        *("--signal", "agreement"),
    )
    assert code == 0
    plan = Plan.read(file)
    assert [one.strategy for one in plan.bins] == ["self-consistency?n=2"]
    assert (plan.probes, plan.signal, plan.problems) == (2, "agreement", problems)
    assert "generator=openai/m" in plan.team and not plan.oracle
    # the server always says 42: two of four are right, whatever the candidate
    assert "| 0 to 1 | 4 | best-of-n?n=4 | 50.0% | 0.0% ± 0.0% |" in out
    assert f"compute-optimal?plan={file}" in out
    assert "8/8" in err

    follow = f"compute-optimal?plan={file}"
    code, out, _, _ = cogitate("eval", problems, *on_server, "--strategy", follow, "--json")
    assert code == 0
    [row] = json.loads(out)["evaluations"]
    assert (row["strategy"], row["correct"], row["calls"]) == (follow, 2, 8)


def test_results_of_another_plan_in_the_same_file_are_not_used_again(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    file, results = tmp_path / "plan.json", tmp_path / "results.jsonl"
    options = (*on_server, "--output", str(results), "--json")
    for n in (2, 3):
        plan = {"probes": 2, "edges": [], "bins": [{"strategy": f"best-of-n?n={n}"}]}
        file.write_text(json.dumps(plan | {"signal": "agreement"}))
        follow = f"compute-optimal?plan={file}"
        _, out, _, _ = cogitate("eval", problems, *options, "--strategy", follow)
        [row] = json.loads(out)["evaluations"]
        assert row["calls"] == 4 * 2 * n  # each solution is verified


def test_what_cannot_be_written_is_refused_before_anything_is_asked(
    cogitate: Command, problems: str, tmp_path: Path
) -> None:
    lost = str(tmp_path / "no" / "plan.json")
    code, _, err, _ = cogitate("calibrate", problems, "--strategy", "direct", "--output", lost)
    assert code == 2
    assert "there is no such folder" in err
