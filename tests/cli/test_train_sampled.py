"""Trainings that sample, from one file: a team thinks with the policy and is paid for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.trainings.policy_gradient import PRESETS
from cogitate.trainings.starts import starts_of

Command = Callable[..., tuple[int, str, str, BaseException | None]]
GRADIENT = """
[settings]
rank = 4
replies = 2
schedule = {steps = 2, prompts = 2}
"""
GROUPS = """
[settings]
group = 2
adapter = {kind = "lora", rank = 4}
optimisation = {max_steps = 3, batch_size = 4}
"""
PAID = """
[team]
max_tokens = 12

[rewards]
overlong = {limit = 12, cache = 8}
format = 0.5
"""


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Four problems to train on, and three others to judge on."""
    for name, many in (("train", 4), ("dev", 3)):
        lines = [json.dumps({"prompt": f"{name} {i}: 6 * 7?", "answer": "42"}) for i in range(many)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def train(cogitate: Command, problems: Path, roomy_llama: Path) -> Callable[..., dict[str, object]]:
    """Train by a file that says this besides, and return what was reported."""

    def run(method: str, text: str, *, output: str = "weights") -> dict[str, object]:
        folder, file = problems / output, problems / "run.toml"
        file.write_text(
            f'base = "{roomy_llama}"\noutput = "{folder}"\n'
            f'problems = "{problems}/train.jsonl"\n{text}'
        )
        code, out, err, _ = cogitate("train", method, str(file), "--json", "--report-to", "none")
        assert code == 0, err
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    return run


@pytest.mark.parametrize(
    "method",
    [
        told.method
        if told.method in ("scst", "ppo")
        else pytest.param(told.method, marks=pytest.mark.slow)
        for told in PRESETS
    ],
)
def test_every_preset_trains_from_a_file(
    train: Callable[..., dict[str, object]], problems: Path, method: str
) -> None:
    train(method, PAID + GRADIENT)
    record = json.loads((problems / "weights" / "cogitate.json").read_text())
    assert record["settings"]["schedule"]["steps"] == 2
    lines = (problems / "weights" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["parts"].keys() for line in lines] == [{"overlong", "format"}] * 2


def test_grpo_trains_and_is_judged(train: Callable[..., dict[str, object]], problems: Path) -> None:
    result = train("grpo", f'dev = "{problems}/dev.jsonl"\n{PAID}{GROUPS}')
    assert isinstance(result["reports"], list)
    trained, judged = result["reports"]
    assert trained["steps"] == trained["signs"]["steps"] == 3
    assert trained["signs"]["accuracy"] == [0.0, [0.0, 0.0]]
    assert judged["judged"]["promotion"]["promoted"] is False
    assert judged["judged"]["after"]["problems"] == 3
    verdict = problems / "weights" / "judged.json"
    assert json.loads(verdict.read_text()) == judged["judged"]
    verdict.unlink()  # as if it had been stopped there
    again = train("grpo", f'dev = "{problems}/dev.jsonl"\n{PAID}{GROUPS}')
    assert isinstance(again["reports"], list)
    assert again["reports"][0] == {**trained, "kept": True} != trained
    assert again["reports"][1]["judged"]["promotion"] == judged["judged"]["promotion"]
    assert verdict.exists()


def test_a_judge_is_measured_before_anything_is_paid_by_it(
    train: Callable[..., dict[str, object]], problems: Path, roomy_llama: Path
) -> None:
    lines = [json.dumps({"prompt": f"{i} + {i}?", "answer": str(2 * i)}) for i in range(4)]
    (problems / "train.jsonl").write_text("\n".join(lines))
    judge = f'[rewards.judge]\nmodel = "hf/{roomy_llama}"\nmax_tokens = 8\naudit = 2\n'
    result = train("ppo", f"{PAID}{judge}{GRADIENT}")
    assert isinstance(result["reports"], list)
    measured, trained = result["reports"]
    audit = measured["audit"]
    assert [audit[of]["total"] for of in ("false_positives", "true_positives")] == [2, 2]
    assert audit["master_keys"]["total"] == 20
    assert audit["master_keys"]["right"] == 0  # it is behind a gate
    assert trained["steps"] == 2
    again = train("ppo", f"{PAID}{judge}{GRADIENT}")
    assert again["reports"] == [
        {**trained, "kept": True}
    ]  # nothing is paid, so nothing is measured


def test_dev_problems_that_are_trained_on_are_left_out_before_anything_runs(
    cogitate: Command, problems: Path, roomy_llama: Path
) -> None:
    file = problems / "run.toml"
    file.write_text(
        f'base = "{roomy_llama}"\noutput = "{problems}/weights"\n'
        f'problems = "{problems}/train.jsonl"\ndev = "{problems}/train.jsonl"'
    )
    code, _, err, _ = cogitate("train", "ppo", str(file), "--report-to", "none")
    assert code == 2
    assert "every problem was seen before" in err
    assert not (problems / "weights").exists()


def test_a_student_learns_from_its_teacher(
    train: Callable[..., dict[str, object]], problems: Path, roomy_llama: Path
) -> None:
    result = train(
        "distillation",
        f'teacher = "{roomy_llama}"\n[settings]\nmax_tokens = 4\n'
        'adapter = {kind = "lora", rank = 4}\n'
        "optimisation = {max_steps = 1, batch_size = 2}",
    )
    assert isinstance(result["reports"], list)
    [report] = result["reports"]
    assert (report["steps"], report["rows"]) == (1, 4)


@pytest.mark.parametrize(
    ("method", "text", "says"),
    [
        ("ppo", "", "give problems, or rows of starts"),
        (
            "ppo",
            'problems = "p"\n[team]\nmodel = "hf/m"',
            "team: Value error, model is the policy's",
        ),
        (
            "grpo",
            'problems = "p"\n[team.generator]\ntemperature = 0.1',
            "take temperature out of team.generator",
        ),
        (
            "grpo",
            'problems = "p"\n[rewards]\nformta = 1.0',
            "there is no key rewards.formta: did you mean 'format'",
        ),
        ("grpo", 'problems = "p"\n[rewards]\noverlong = {limit = 3}', "overlong.cache: Field"),
        ("grpo", 'problems = "p"\nrewards = {grader = {kind = "maths"}}', "did you mean 'math'"),
        ("ppo", 'problems = "p"\n[settings]\nobjective = "pppo"', "no preset 'pppo'"),
        ("mixer", 'problems = "p"', "demonstrations: Field required"),
        ("distillation", 'problems = "p"', "teacher: Field required"),
    ],
)
def test_a_wrong_word_is_named_before_anything_runs(
    cogitate: Command, tmp_path: Path, method: str, text: str, says: str
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'base = "b"\noutput = "{tmp_path}/o"\n{text}')
    code, _, err, _ = cogitate("train", method, str(file), "--quiet")
    assert code == 2
    assert says in err


def test_problems_that_are_kept_for_measuring_are_not_trained_on() -> None:
    with pytest.raises(ConfigError, match="evaluation set 'gsm8k': train on other problems"):
        starts_of("gsm8k", (), role="generator", seed=0)
