"""PPO on a sampler's replies: what is learned from them, what is paid, and what a kill changes."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from replay import Replay
from safetensors.torch import load_file
from small_rows import start

from cogitate.errors import DataError, EngineError
from cogitate.training import Checkpoint, PPOSettings, Rollout, train_ppo
from cogitate.training.rewards import StepMeans
from cogitate.training.trainers.perplexity import perplexities
from cogitate.training.trainers.policy import Schedule
from cogitate.training.trainers.ppo import as_asked
from cogitate.training.trainers.weights import Start, load_policy

PROMPT = (5, 6, 7)
GOOD, BAD = (70, 71), (80, 81, 82, 83)


def reply(ids: tuple[int, ...], reward: float | None, prompt: tuple[int, ...] = PROMPT) -> Rollout:
    return Rollout(
        prompt_ids=prompt, completion_ids=ids, logprobs=(-2.0,) * len(ids), reward=reward,
        step_rewards=(reward,), step_ends=(len(ids) - 1,), parts={"outcome": reward or 0.0},
        right=reward == 1,
    )  # fmt: skip


def settings(steps: int = 1, *, replies: int = 2, objective: object = "ppo") -> PPOSettings:
    told = {"steps": steps, "prompts": 1, "learning_rate": 2e-3, "old": "recomputed"}
    return PPOSettings.model_validate(
        {"objective": objective, "schedule": told, "rank": 4, "replies": replies}
        | {"checkpoint_every": 1}
    )


def probability(base: Path, adapter: str | Path | None, ids: tuple[int, ...]) -> float:
    model = load_policy(Start.at(str(base), None if adapter is None else Path(adapter)))
    [perplexity] = perplexities(model, [(list(PROMPT), list(ids))])
    return 1 / perplexity


def test_what_is_rewarded_becomes_likelier_and_each_batch_wears_it(
    tiny_llama: Path, tmp_path: Path
) -> None:
    seen: list[float] = []
    sampler = Replay(
        [reply(GOOD, 1.0), reply(BAD, 0.0)],
        seen=lambda weights: seen.append(probability(tiny_llama, weights.adapter, GOOD)),
    )
    trained = train_ppo([start("a")], sampler, str(tiny_llama), tmp_path / "out", settings(4))
    assert [weights.step for _, weights in sampler.asked] == [0, 1, 2, 3]
    assert all(asked == [start("a"), start("a")] for asked, _ in sampler.asked)
    assert seen[0] == pytest.approx(probability(tiny_llama, None, GOOD))
    assert seen[0] < seen[-1] < probability(tiny_llama, trained.folder, GOOD)
    bad = (probability(tiny_llama, weights, BAD) for weights in (None, trained.folder))
    assert next(bad) > next(bad)
    assert trained.counts == {"replies": 8}
    assert trained.steps == len(trained.losses) == 4
    assert trained.metrics["reward"] == trained.metrics["rewards/part/outcome"] == 0.5
    assert trained.history[-1] == StepMeans(step=3, reward=0.5, accuracy=0.5, length=3)
    assert sampler.closed
    assert Checkpoint.load(trained.folder).method == "ppo-lora"
    assert {path.name for path in trained.folder.iterdir()} >= {
        "adapter_model.safetensors", "value_head.safetensors", "metrics.jsonl"
    }  # fmt: skip


def test_a_restarts_beginning_is_prompt_and_its_reply_is_paid_once(
    tiny_llama: Path, tmp_path: Path
) -> None:
    # Values are 0 at first. With gamma 1 and lambda 0.95 a reward of 2 after the second of two
    # tokens gives returns of 1.9 and 2: half their mean square is (3.61 + 4) / 4, unclipped.
    objective = {"preset": "ppo", "value_clip": None}
    restarted = reply(GOOD, 2.0, prompt=(*PROMPT, 90, 91))
    trained = train_ppo(
        [start(prefix="So far")], Replay([restarted]), str(tiny_llama), tmp_path / "out",
        settings(replies=1, objective=objective),
    )  # fmt: skip
    assert trained.metrics["value_loss"] == pytest.approx((1.9**2 + 2**2) / 4)
    assert trained.metrics["tokens"] == 2
    assert trained.metrics["reward"] == 2


def test_steps_are_rewarded_apart_where_the_objective_asks_for_it() -> None:
    two = Rollout(
        prompt_ids=PROMPT, completion_ids=BAD, logprobs=(-1.0,) * 4, reward=1.0,
        step_rewards=(0.25, 1.0), step_ends=(1, 3),
    )  # fmt: skip
    whole, apart = (as_asked(two, start("a", "So far"), steps=steps) for steps in (False, True))
    assert (whole.total, whole.step_rewards) == (1.0, ())
    assert (apart.total, apart.reward, apart.step_ends) == (1.25, None, (1, 3))
    assert whole.group == apart.group == "a\nSo far"


def test_a_cut_training_ends_as_if_it_had_not_been(tiny_llama: Path, tmp_path: Path) -> None:
    def train(name: str, dies_at: int | None = None) -> tuple[list[float], list[int]]:
        sampler = Replay([reply(GOOD, 1.0), reply(BAD, 0.0)])

        def step(done: int, total: int) -> None:
            assert total == 4
            if done == dies_at:
                raise KeyboardInterrupt

        out = train_ppo(
            [start("a"), start("b")], sampler, str(tiny_llama), tmp_path / name, settings(4),
            on_step=step,
        )  # fmt: skip
        assert out.counts == {"replies": 8}
        return out.losses, [weights.step for _, weights in sampler.asked]

    losses, _ = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("cut", dies_at=2)
    assert train("cut") == (losses, [2, 3])
    whole, cut = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "cut")
    )
    assert all(whole[name].equal(cut[name]) for name in whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


def test_replies_that_failed_or_earned_nothing_are_counted(
    tiny_llama: Path, tmp_path: Path
) -> None:
    replies = [reply(GOOD, 1.0), Rollout(error="no answer"), reply(BAD, float("nan"))]
    sampler = Replay([*replies, reply(BAD, None)])
    how = settings(replies=4)
    with pytest.raises(DataError, match="2 of 3 rewards are no finite number"):
        train_ppo([start()], sampler, str(tiny_llama), tmp_path / "out", how)
    patient = how.model_copy(update={"most_faulty": 1.0})
    trained = train_ppo([start()], sampler, str(tiny_llama), tmp_path / "out", patient)
    assert trained.counts == {"replies": 4, "empty": 1, "not finite": 1, "no reward": 1}


def test_a_batch_without_any_reply_ends_the_training(tiny_llama: Path, tmp_path: Path) -> None:
    sampler = Replay([Rollout(error="it is down")])
    with pytest.raises(EngineError, match="it is down"):
        train_ppo([start()], sampler, str(tiny_llama), tmp_path / "out", settings())
    assert sampler.closed


def test_what_cannot_be_trained_so_is_refused() -> None:
    with pytest.raises(ValidationError, match="give a rank"):
        PPOSettings(rank=None)
    assert PPOSettings(schedule=Schedule(temperature=0.5)).temperature == 0.5
