"""A policy in a team is trained on what a loop pays for, with real weights of two layers."""

import asyncio
from pathlib import Path

import pytest
from small_rows import FAST, preferences

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.inference import Engines
from cogitate.tasks import Problem
from cogitate.training import (
    Checkpoint,
    FullWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    RewardModelSettings,
    train_reward_model,
)
from cogitate.training.loops import Episodes, train_policy
from cogitate.training.loops.policy_rewards import PaidByModel, PaidByRules, RewardOf
from cogitate.training.loops.weights import as_policy, begins, wear
from cogitate.training.rows_from import problem_starts
from cogitate.training.trainers.adapters import Adapter

THIN = LoRA(rank=4)
PROBLEMS = [Problem(id=f"p{i}", prompt=f"6 * {i}?", reference=str(6 * i)) for i in range(2)]


@pytest.fixture(scope="module")
def rater(roomy_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = RewardModelSettings(optimisation=FAST, adapter=THIN)
    folder = tmp_path_factory.mktemp("rater") / "reward-model"
    return train_reward_model(preferences(4), str(roomy_llama), folder, settings).folder


def team(base: Path, temperature: float = 0.7) -> cg.Team:
    return cg.Team.of(f"hf/{base}", temperature=temperature, max_tokens=8, examples=0)


def grpo(adapter: Adapter) -> GRPOSettings:
    how = Optimisation(learning_rate=1e-3, max_steps=2, batch_size=4, warmup=0)
    return GRPOSettings(optimisation=how, adapter=adapter, group=2, max_tokens=8)


def episodes(base: Path, reward: RewardOf) -> Episodes:
    return Episodes(
        policy=as_policy(team(base), "generator", temperature=1.0),
        strategy=cg.ChainOfThought(),
        reward=reward,
        problems={one.id: one for one in PROBLEMS},
    )


@pytest.mark.parametrize("adapter", [THIN, FullWeights()], ids=["lora", "full"])
def test_a_reward_model_pays_the_policy_whatever_is_trained(
    adapter: Adapter, roomy_llama: Path, rater: Path, tmp_path: Path
) -> None:
    trained = train_policy(
        problem_starts(PROBLEMS),
        episodes(roomy_llama, PaidByModel(rater)),
        str(roomy_llama),
        tmp_path / "policy",
        grpo(adapter),
    )
    assert trained.counts["replies"] == 8
    # What is paid is the rating alone; the grade is in the log.
    assert 0 < trained.metrics["rewards/part/model"] < 1
    assert trained.metrics["rewards/part/outcome"] == 0
    assert trained.metrics["reward"] == pytest.approx(
        trained.metrics["rewards/part/model"], abs=1e-6
    )
    assert Checkpoint.load(trained.folder).method == f"grpo-{adapter.kind}"
    worn = wear(team(roomy_llama), {"generator": trained.folder})
    assert cg.solve(PROBLEMS[0], worn, cg.ChainOfThought()).thought is not None


def test_training_goes_on_from_a_policy_that_was_trained(roomy_llama: Path, tmp_path: Path) -> None:
    first = train_policy(
        problem_starts(PROBLEMS), episodes(roomy_llama, PaidByRules()), str(roomy_llama),
        tmp_path / "first", grpo(THIN),
    )  # fmt: skip
    begun = begins(str(roomy_llama), first.folder)
    second = train_policy(
        problem_starts(PROBLEMS), episodes(roomy_llama, PaidByRules()), begun.base,
        tmp_path / "second", grpo(THIN), start=begun.adapter,
    )  # fmt: skip
    assert Checkpoint.load(second.folder).parent == str(first.folder)


def test_agents_must_sample_as_they_are_trained(roomy_llama: Path, tmp_path: Path) -> None:
    cold = Episodes(
        policy=as_policy(team(roomy_llama), "generator", temperature=0.5),
        strategy=cg.ChainOfThought(),
        reward=PaidByRules(),
    )
    with pytest.raises(ConfigError, match=r"temperatures \[0\.5\]"):
        train_policy(
            problem_starts(PROBLEMS), cold, str(roomy_llama), tmp_path / "policy", grpo(THIN)
        )


@pytest.mark.parametrize(
    ("reply", "earned"), [("Answer: 42", 1.5), ("Answer: 41", 0.5), ("It is 41", 0.0)]
)
def test_rules_pay_for_right_answers_and_for_the_format(reply: str, earned: float) -> None:
    problem = Problem(id="p", prompt="6 * 7?", reference="42", kind="numeric")
    thinker = cg.Team(cg.Generator(cg.inference.Scripted([reply])))
    result = cg.solve(problem, thinker, cg.ChainOfThought())
    assert result.thought is not None
    reward = PaidByRules(0.5)(Engines())
    assert asyncio.run(reward(result.graph, result.thought)) == earned
