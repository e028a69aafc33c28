"""R1 and iterative RL on the embedded model: every stage is real, and as small as can be."""

from pathlib import Path

import pytest
from learner import timeless

import cogitate as cg
from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import (
    Checkpoint,
    GRPOSettings,
    LoRA,
    Optimisation,
    RewardModelSettings,
    SFTSettings,
)
from cogitate.training.loops import R1, IterativeRL, IterativeRLSettings, R1Settings
from cogitate.training.rows import SFTRow

pytestmark = [pytest.mark.model, pytest.mark.slow]

MODEL = "hf/smollm2-135m"
THIN = LoRA(rank=8)
SFT = SFTSettings(
    optimisation=Optimisation(learning_rate=2e-3, max_steps=12, batch_size=4, warmup=0),
    adapter=THIN,
)
GRPO = GRPOSettings(
    optimisation=Optimisation(learning_rate=1e-4, max_steps=2, batch_size=4, warmup=0),
    adapter=THIN,
    group=2,
    max_tokens=16,
)


def sums(name: str, first: int, many: int) -> ProblemSet:
    """Small sums, each of its own text."""
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"What is {i % 5} + {i // 5 % 5}? ({i})",
                    reference=str(i % 5 + i // 5 % 5), kind="numeric")
            for i in range(first, first + many)
        ],
    )  # fmt: skip


def written(problem: Problem) -> SFTRow:
    """A right reply that some other model might have written."""
    return SFTRow(
        problem=problem.id, question=problem.prompt, role="generator", agent="generator",
        operation="generate", messages=(Message("user", problem.prompt),), thought="t.0",
        completion=f"Answer: {problem.reference}", source=Source("some/teacher"), grade=1.0,
    )  # fmt: skip


def team(model: str) -> cg.Team:
    return cg.Team(cg.Generator(model, temperature=1.0, max_tokens=16, examples=0))


def test_r1_teaches_the_embedded_model_and_then_a_smaller_one(
    roomy_llama: Path, tmp_path: Path
) -> None:
    train = sums("train", 0, 8)
    loop = R1(
        team(MODEL),
        train=train,
        dev=sums("dev", 100, 10),
        output=tmp_path,
        cold=[written(problem) for problem in train],
        student=team(f"hf/{roomy_llama}"),
        settings=R1Settings(
            samples=2, cold_start=SFT, reasoning=GRPO, rejection=SFT, final=GRPO, distil=SFT
        ),
    )
    cold, reasoning, rejection, final, distil = reports = list(loop)
    assert cold.learned.losses[-1] < cold.learned.losses[0] / 4
    assert cold.learned.counts["reencoded"] == 8
    for report in (reasoning, final):
        assert report.learned.counts["replies"] == 8
        assert 0 <= report.learned.metrics["reward"] <= 2
    # The policy's rows are its own tokens; the student has others, so it reads their text.
    assert rejection.learned.rows > 0 and rejection.learned.counts["reencoded"] == 0
    assert distil.learned.counts["reencoded"] == distil.learned.rows > 0
    assert distil.learned.losses[-1] < distil.learned.losses[0]
    assert Checkpoint.load(tmp_path / "2" / "reasoning").parent == str(tmp_path / "1/cold-start")
    assert Checkpoint.load(tmp_path / "5" / "distil").base == f"hf/{roomy_llama}"
    assert [timeless(one) for one in loop] == [timeless(one) for one in reports]


def test_iterative_rl_makes_a_reward_model_of_what_the_policy_writes(tmp_path: Path) -> None:
    loop = IterativeRL(
        team(MODEL),
        train=sums("train", 0, 16),
        dev=sums("dev", 100, 4),
        output=tmp_path,
        iterations=2,
        settings=IterativeRLSettings(
            samples=8,
            grader=0.5,
            window=2,
            reward_model=RewardModelSettings(
                optimisation=Optimisation(learning_rate=1e-3, max_steps=4, batch_size=4),
                adapter=THIN,
            ),
            grpo=GRPO,
        ),
    )
    first, second = reports = list(loop)
    assert first.sampled.pairs > 0
    assert second.began == "1/policy"
    for report in reports:
        rating = report.policy.metrics["rewards/part/model"]
        graded = report.policy.metrics["rewards/part/outcome"]
        assert 0 < rating < 1
        assert report.policy.metrics["reward"] == pytest.approx(rating + 0.5 * graded, abs=1e-4)
    for i in ("1", "2"):
        assert Checkpoint.load(tmp_path / i / "reward-model").base == MODEL
    assert Checkpoint.load(tmp_path / "2" / "policy").parent == str(tmp_path / "1" / "policy")
    assert [timeless(one) for one in loop] == [timeless(one) for one in reports]
