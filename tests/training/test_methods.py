"""No method of learning is forgotten: each says beside its code what it needs and when it pays."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate import training
from cogitate.cli.methods_page import page
from cogitate.training.credit.named import CREDIT_METHODS
from cogitate.training.methods import Kind, Learning, learnings
from cogitate.training.trainers import Objective
from cogitate.training.trainers.presets import PRESETS
from cogitate.trainings import METHODS

FOLDERS = {
    "trainers": (Kind.TRAINERS, Kind.ADAPTERS),
    "rewards": (Kind.REWARDS,),
    "credit": (Kind.CREDIT,),
    "loops": (Kind.LOOPS,),
}
NO_METHODS = {
    # What a method is told, and what it comes to; names that end in Settings or Report are too.
    "trainers": {
        "CurrentWeights", "DPOLoss", "Fitted", "OREOTrained", "Objective", "Optimisation",
        "PolicyTrained", "Rollout", "Rollouts", "SafetyPair", "Sampler", "Schedule",
        "StepMetrics", "StrategySampler", "Trained",
    },
    # What stands between rewards and a trainer, or measures them; a reward's own question.
    "rewards": {
        "GroupReward", "Guard", "Guarded", "JudgeAudit", "KnownReply", "MASTER_KEYS", "Member",
        "Part", "Reward", "Rewarded", "Scored", "Sign", "Slope", "StepMeans", "ajudge_audit",
        "grade_of", "hacking_signs", "judge_audit", "keeps_format", "known_answers",
        "known_replies",
        "reward_groups", "slope_of",
    },
    # Records, and the formulas of what is described as a credit method or a reward.
    "credit": {
        "Credit", "CreditLog", "CreditMethod", "Credited", "Origin", "PreferencePair",
        "RestartState", "credit_named", "group_relative", "leave_one_out", "length_reward",
        "outcomes", "overlong_penalty", "process_group_relative", "reflection_bonus",
        "restart_state", "roll_out", "satori_reward",
    },
    "loops": {
        "Episodes", "Judged", "Progress", "R1Step", "SatoriTrainers", "Stage", "StageLog",
        "StageRecord", "TrainPolicy", "judge", "train_policy",
    },
}  # fmt: skip

each = pytest.mark.parametrize("one", learnings(), ids=lambda one: f"{one.kind}-{one.name}")


def described(folder: str) -> set[str]:
    """The public names of a folder that say what they are."""
    return {
        one.code.removeprefix(f"{folder}.") for kind in FOLDERS[folder] for one in learnings(kind)
    }


def names_of(kind: Kind) -> list[str]:
    return [one.name for one in learnings(kind)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_public_name_is_described_or_known_to_be_no_method(folder: str) -> None:
    public = set(importlib.import_module(f"cogitate.training.{folder}").__all__)
    methods = {name for name in public if not name.endswith(("Settings", "Report"))}
    assert methods - described(folder) == NO_METHODS[folder], (
        "decorate it with @described, or say here that it is no method"
    )
    assert described(folder) - public == set(), "give it a place in __all__ of its folder"


def test_a_trainer_that_its_folder_does_not_give_out_is_described_too() -> None:
    folder = Path(training.__file__).parent / "trainers"
    trainers = {
        node.name
        for file in folder.glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("train_")
    }
    assert trainers - described("trainers") == set()


@each
def test_each_says_what_it_needs_costs_and_when_it_pays(one: Learning) -> None:
    assert one.summary.endswith(".")
    assert all((one.needs, one.costs, one.pays))


@each
def test_each_is_found_in_python_where_the_list_says(one: Learning) -> None:
    folder, _, name = one.code.partition(".")
    if one.kind is Kind.OBJECTIVES:
        assert Objective.model_validate(one.name)
    else:
        assert callable(getattr(importlib.import_module(f"cogitate.training.{folder}"), name))


def test_every_preset_is_an_objective_of_the_list() -> None:
    assert names_of(Kind.OBJECTIVES) == sorted(PRESETS)


def test_names_are_those_of_the_command_line() -> None:
    assert set(CREDIT_METHODS) <= set(names_of(Kind.CREDIT))
    trained = {*names_of(Kind.TRAINERS), *names_of(Kind.OBJECTIVES), *names_of(Kind.LOOPS)}
    assert set(METHODS) - trained == set(), "cogitate train has it, and no list does"


@pytest.mark.parametrize("kind", Kind)
def test_no_two_of_a_kind_share_a_name(kind: Kind) -> None:
    assert len(names_of(kind)) == len(set(names_of(kind))) > 0


def test_every_link_in_the_page_leads_to_one_heading() -> None:
    text = page()
    headings = [
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    ]
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert [link for link in links if headings.count(link) != 1] == []


def test_a_list_of_methods_loads_no_torch() -> None:
    script = (
        "import sys; from cogitate.training.methods import learnings; assert learnings(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
