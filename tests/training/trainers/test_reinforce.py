"""Satori's reinforcement learning with real weights: a tuned policy, an outcome model, restarts."""

from pathlib import Path

import pytest
from small_rows import FAST, preferences, sft

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.graphs.coat_text import parse_coat
from cogitate.training import (
    CurrentWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    PPOSettings,
    RewardModelSettings,
    SFTSettings,
    train_reward_model,
)
from cogitate.training.coat_tokens import add_coat_tokens, tune_format
from cogitate.training.loops.reinforce import Paid, reinforce
from cogitate.training.restarts import read_rates
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.policy import Schedule

RIGHT = "<|continue|>6 * 7 = 42.\n<|reflect|>"
WRONG = "<|continue|>6 * 7 = 41.\n<|reflect|>"
CHAIN = "<|continue|>6 * 7 = 41.\n<|reflect|>No.\n<|explore|>Answer: 42"
THIN = LoRA(rank=4)


def policy(weights: CurrentWeights, temperature: float = 1.0) -> cg.Team:
    return cg.Team.of(
        weights.model, adapter=weights.adapter, temperature=temperature, max_tokens=24
    )


def start(prefix: str, began: str) -> PromptRow:
    return PromptRow.model_validate(
        {
            "problem": "p", "question": "What is 6 * 7?", "role": "generator",
            "agent": "generator", "operation": "coat", "messages": (), "prefix": prefix,
            "thought": "t.0", "reference": "42", "kind": "numeric", "began": began,
        }
    )  # fmt: skip


STARTS = [start("", "problem"), start(RIGHT, "right"), start(WRONG, "wrong")]
GRPO = GRPOSettings(
    optimisation=Optimisation(learning_rate=1e-2, max_steps=2, batch_size=6, warmup=0),
    adapter=THIN,
    group=2,
    max_tokens=24,
)

PPO = PPOSettings(
    schedule=Schedule(steps=2, prompts=3, learning_rate=1e-2), rank=4, replies=2, checkpoint_every=1
)


@pytest.fixture(scope="module")
def tuned(roomy_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("satori")
    base = add_coat_tokens(str(roomy_llama), folder / "base")
    how = FAST.model_copy(update={"epochs": 2})
    tune_format(
        [sft(CHAIN)] * 4, str(base), folder / "tuned", SFTSettings(optimisation=how, adapter=THIN)
    )
    return folder / "tuned"


@pytest.fixture(scope="module")
def orm(tuned: Path) -> Path:
    settings = RewardModelSettings(optimisation=FAST, adapter=THIN, margin=1.0)
    return train_reward_model(preferences(4), str(tuned), tuned.parent / "orm", settings).folder


@pytest.mark.parametrize(
    ("how", "rated"),
    [(GRPO, True), (PPO, True), (GRPO, False)],
    ids=["grpo", "ppo", "without an outcome model"],
)
def test_the_policy_is_paid_for_restarts_and_left_whole(
    how: GRPOSettings | PPOSettings, rated: bool, tuned: Path, orm: Path, tmp_path: Path
) -> None:
    record = tmp_path / "rates.jsonl"
    trained = reinforce(
        STARTS, policy, str(tuned), tmp_path / "policy", how, Paid(orm if rated else None, {}),
        record=record, seed=0,
    )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy", "rates.jsonl"]
    rates = read_rates(record)
    assert [one.step for one in rates] == [0, 1]
    assert [(one.wrong, one.right, one.fresh, one.ungraded) for one in rates] == [(2, 2, 2, 0)] * 2
    assert trained.counts["replies"] == 12
    # A grade of -1 or 0, a sigmoid between 0 and 1, and a bonus of half a point at most.
    assert -1.5 < trained.metrics["reward"] < 1.5
    paid = {name.rpartition("/")[2] for name in trained.metrics if name.startswith("rewards/part/")}
    assert paid == {"outcome", "reflection", *(["orm"] if rated else [])}
    problem = cg.tasks.Problem(id="q", prompt="What is 6 * 7?", reference="42", kind="numeric")
    team = policy(CurrentWeights(f"hf/{trained.folder}", None, 2))
    result = cg.solve(problem, team, cg.ChainOfActionThought(mode="tokens"))
    replies = [t for t in result.graph.in_order() if t.source is not None]
    assert len(replies) == 1 and not replies[0].error
    assert parse_coat(replies[0].text)


def test_a_killed_training_goes_on_at_its_step(tuned: Path, orm: Path, tmp_path: Path) -> None:
    def train(on_step: OnStep | None) -> Trained:
        return reinforce(
            STARTS, policy, str(tuned), tmp_path / "policy", PPO, Paid(orm, {}),
            record=tmp_path / "rates.jsonl", seed=0, on_step=on_step,
        )  # fmt: skip

    def power_cut(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(power_cut)
    first = read_rates(tmp_path / "rates.jsonl")
    asked: list[int] = []
    trained = train(lambda done, total: asked.append(done))
    assert asked == [2]
    assert (trained.steps, trained.counts["replies"]) == (2, 12)
    rates = read_rates(tmp_path / "rates.jsonl")
    assert rates[:1] == first and [one.step for one in rates] == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy", "rates.jsonl"]


def test_agents_must_sample_as_they_are_trained(tuned: Path, orm: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"temperature 0\.5"):
        reinforce(
            STARTS, lambda weights: policy(weights, 0.5), str(tuned), tmp_path / "policy", GRPO,
            Paid(orm, {}), record=tmp_path / "rates.jsonl", seed=0,
        )  # fmt: skip
