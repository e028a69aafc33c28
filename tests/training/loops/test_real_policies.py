"""R1 and iterative RL with real weights: every stage is real, and as small as can be."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from learner import timeless

import cogitate as cg
from cogitate.inference import Scripted
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import (
    Checkpoint,
    GRPOSettings,
    LoRA,
    Optimisation,
    RewardModelSettings,
    SFTSettings,
    harvest,
    train_sft,
)
from cogitate.training.loops import R1, IterativeRL, IterativeRLSettings, R1Settings
from cogitate.training.rows import SFTRow

pytestmark = pytest.mark.slow

THIN = LoRA(rank=8)
QUICK = Optimisation(learning_rate=1e-4, max_steps=2, batch_size=4, warmup=0)
GRPO = GRPOSettings(optimisation=QUICK, adapter=THIN, group=2, max_tokens=12)


def sft(*, steps: int, rate: float) -> SFTSettings:
    how = Optimisation(learning_rate=rate, max_steps=steps, batch_size=2, warmup=0)
    return SFTSettings(optimisation=how, adapter=THIN, max_tokens=4096)


class Learner(NamedTuple):
    model: str
    one: SFTSettings
    """How it learns one answer by heart."""
    two: SFTSettings
    """How it learns two, as likely as each other."""


@pytest.fixture(params=["tiny", pytest.param("embedded", marks=pytest.mark.model)])
def learner(request: pytest.FixtureRequest, roomy_llama: Path) -> Learner:
    if request.param == "embedded":
        return Learner("hf/smollm2-135m", sft(steps=16, rate=2e-3), sft(steps=24, rate=1e-3))
    return Learner(f"hf/{roomy_llama}", sft(steps=96, rate=1e-2), sft(steps=160, rate=4e-3))


@pytest.fixture
def another(roomy_llama: Path, tmp_path: Path) -> str:
    """A small model that is no copy of the other small one."""
    folder = tmp_path / "another"
    shutil.copytree(roomy_llama, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 4096}))
    return f"hf/{folder}"


def sevens(name: str, many: int) -> ProblemSet:
    """Problems of different texts, to all of which 7 is right."""
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"{name} {i}?", reference="7", kind="numeric")
            for i in range(many)
        ],
    )


def written(problems: ProblemSet) -> list[SFTRow]:
    """Right replies that some other model wrote."""
    teacher = cg.Team(cg.Generator(Scripted(["Answer: 7"]), examples=0))
    return harvest(cg.run(problems, teacher, cg.ChainOfThought())).rows


def team(model: str, adapter: Path | None = None) -> cg.Team:
    worn = None if adapter is None else str(adapter)
    return cg.Team(cg.Generator(model, adapter=worn, temperature=0.3, max_tokens=12, examples=0))


def test_r1_teaches_a_model_and_then_another_one(
    learner: Learner, another: str, tmp_path: Path
) -> None:
    model, how, _ = learner
    train, run = sevens("train", 8), tmp_path / "run"
    loop = R1(
        team(model),
        train=train,
        dev=sevens("dev", 10),
        output=run,
        cold=written(train),
        student=team(another),
        settings=R1Settings(
            samples=2, cold_start=how, reasoning=GRPO, rejection=how, final=GRPO,
            distil=sft(steps=96, rate=1e-2),
        ),
    )  # fmt: skip
    cold, reasoning, rejection, final, distil = reports = list(loop)
    assert cold.learned.losses[-1] < cold.learned.losses[0] / 4
    assert cold.learned.counts["reencoded"] == 8
    for report in (reasoning, final):
        assert report.learned.counts["replies"] == 8
        assert 0 <= report.learned.metrics["reward"] <= 2
    # The policy's rows are its own tokens; the student has others, so it reads their text.
    assert rejection.teacher == "2/reasoning"
    assert rejection.learned.rows > 0 and rejection.learned.counts["reencoded"] == 0
    assert distil.learned.counts["reencoded"] == distil.learned.rows > 0
    assert distil.learned.losses[-1] < distil.learned.losses[0] / 4
    assert Checkpoint.load(run / "2" / "reasoning").parent == str(run / "1" / "cold-start")
    assert Checkpoint.load(run / "4" / "final").parent == str(run / "3" / "rejection")
    assert Checkpoint.load(run / "5" / "distil").base == another
    assert [timeless(one) for one in loop] == [timeless(one) for one in reports]


def test_iterative_rl_makes_a_reward_model_of_what_the_policy_writes(
    learner: Learner, tmp_path: Path
) -> None:
    model, _, how = learner
    train, run = sevens("train", 8), tmp_path / "run"
    # It comes with the habit of saying 7 as often as 8.
    right = written(train)
    wrong = [row.model_copy(update={"completion": "Answer: 8"}) for row in right]
    habit = train_sft([*right, *wrong], model, tmp_path / "habit", how)
    loop = IterativeRL(
        team(model, habit.folder),
        train=train,
        dev=sevens("dev", 4),
        output=run,
        iterations=2,
        settings=IterativeRLSettings(
            samples=8,
            grader=0.5,
            window=2,
            reward_model=RewardModelSettings(optimisation=QUICK, adapter=THIN),
            grpo=GRPO,
        ),
    )
    first, second = reports = list(loop)
    assert first.sampled.pairs > 0
    assert second.began == "1/policy"
    assert second.reward_model.rows == first.sampled.pairs + second.sampled.pairs
    for report in reports:
        rating = report.policy.metrics["rewards/part/model"]
        graded = report.policy.metrics["rewards/part/outcome"]
        assert 0 < rating < 1
        assert report.policy.metrics["reward"] == pytest.approx(rating + 0.5 * graded, abs=1e-4)
    for i in ("1", "2"):
        assert Checkpoint.load(run / i / "reward-model").base == model
    assert Checkpoint.load(run / "1" / "policy").parent == str(habit.folder)
    assert Checkpoint.load(run / "2" / "policy").parent == str(run / "1" / "policy")
    assert [timeless(one) for one in loop] == [timeless(one) for one in reports]
