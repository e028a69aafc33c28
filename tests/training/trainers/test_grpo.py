"""GRPO on rollouts of our own: what is learned from them, and which weights it is compared with."""

import math
from pathlib import Path

import pytest
from pydantic import ValidationError
from replay import Replay
from small_rows import FAST, sft, start

from cogitate.errors import ConfigError, DataError, EngineError
from cogitate.training import (
    Checkpoint,
    FullWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    Rollout,
    SFTSettings,
    train_grpo,
    train_sft,
)
from cogitate.training.rewards import StepMeans
from cogitate.training.trainers.adapters import Adapter
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.grpo import Variant
from cogitate.training.trainers.perplexity import perplexities
from cogitate.training.trainers.weights import Start, load_policy

THIN = LoRA(rank=4)
PROMPT = (5, 6, 7)
GOOD, BAD = (70, 71), (80, 81, 82, 83)


def reply(ids: tuple[int, ...], reward: float | None = None, **more: object) -> Rollout:
    return Rollout(prompt_ids=PROMPT, completion_ids=ids, reward=reward, **more)  # type: ignore[arg-type]


def settings(
    *,
    steps: int = 1,
    batch_size: int = 2,
    save_steps: int | None = None,
    adapter: Adapter = THIN,
    **more: object,
) -> GRPOSettings:
    how = Optimisation(
        learning_rate=5e-3,
        max_steps=steps,
        batch_size=batch_size,
        save_steps=save_steps,
        warmup=0,
        precision="float32",
    )
    return GRPOSettings.model_validate(
        {"optimisation": how, "adapter": adapter, "group": 2, **more}
    )


def probability(base: Path, adapter: Path | None, ids: tuple[int, ...]) -> float:
    model = load_policy(Start.at(str(base), adapter))
    [perplexity] = perplexities(model, [(list(PROMPT), list(ids))])
    return 1 / perplexity


def test_what_is_rewarded_becomes_likelier(tiny_llama: Path, tmp_path: Path) -> None:
    sampler = Replay([reply(GOOD, 1.0, right=True), reply(BAD, 0.0, right=True, formed=False)])
    trained = train_grpo(
        [start("a"), start("b")], sampler, str(tiny_llama), tmp_path / "out", settings(steps=6)
    )
    told = {"reward": 0.5, "accuracy": 1.0, "length": 3.0, "format": 0.0}
    assert trained.history == tuple(StepMeans(step=i, **told) for i in range(1, 7))
    for ids, more in ((GOOD, True), (BAD, False)):
        before, after = (probability(tiny_llama, w, ids) for w in (None, trained.folder))
        assert (after > before) is more
    assert trained.counts == {"groups": 6, "replies": 12}
    assert trained.metrics["reward"] == 0.5
    assert sampler.closed
    assert Checkpoint.load(trained.folder).method == "grpo-lora"


def test_each_batch_comes_from_the_policy_as_it_is(tiny_llama: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    sampler = Replay(
        [reply(GOOD, 1.0), reply(BAD, 0.0)],
        seen=lambda w: seen.append(
            probability(tiny_llama, None if w.adapter is None else Path(w.adapter), GOOD)
        ),
    )
    trained = train_grpo([start()], sampler, str(tiny_llama), tmp_path / "out", settings(steps=3))
    assert [weights.step for _, weights in sampler.asked] == [0, 1, 2]
    assert seen[0] == pytest.approx(probability(tiny_llama, None, GOOD))
    assert seen[0] < seen[1] < seen[2] < probability(tiny_llama, trained.folder, GOOD)
    assert all(asked == [start(), start()] for asked, _ in sampler.asked)


def test_whole_models_are_handed_over_where_all_weights_are_trained(
    tiny_llama: Path, tmp_path: Path
) -> None:
    kinds: list[bool] = []
    sampler = Replay(
        [reply(GOOD, 1.0), reply(BAD, 0.0)],
        seen=lambda w: kinds.append((Path(w.model.removeprefix("hf/")) / "config.json").is_file()),
    )
    chosen = settings(adapter=FullWeights(), beta=0.1)
    trained = train_grpo([start()], sampler, str(tiny_llama), tmp_path / "out", chosen)
    assert kinds == [True]
    assert sampler.asked[0][1].adapter is None
    assert trained.metrics["kl"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("variant", "worked"),
    [
        # Advantages +1 on one token and -1 on each of three, at a ratio of 1.
        ("grpo", -(1 - 1) / 2),  # each reply averaged over its own length
        ("dapo", -(1 - 3) / 4),  # all tokens averaged together
        ("dr_grpo", -(1 - 3) / (2 * 8)),  # over the most tokens of a reply
        ("gspo", -(1 - 1) / 2),
    ],
)
def test_variants_weigh_tokens_as_their_papers_do(
    variant: Variant, worked: float, tiny_llama: Path, tmp_path: Path
) -> None:
    replies = [reply((70,), advantages=(1.0,)), reply((80, 81, 82), advantages=(-1.0,) * 3)]
    chosen = settings(variant=variant, max_tokens=8)
    trained = train_grpo([start()], Replay(replies), str(tiny_llama), tmp_path / "out", chosen)
    assert trained.losses == [pytest.approx(worked, abs=1e-6)]


def test_cispo_is_a_weighted_log_likelihood(tiny_llama: Path, tmp_path: Path) -> None:
    replies = [reply((70,), advantages=(1.0,)), reply((80,), advantages=(-2.0,))]
    chosen = settings(variant="cispo")
    trained = train_grpo([start()], Replay(replies), str(tiny_llama), tmp_path / "out", chosen)
    good, bad = (math.log(probability(tiny_llama, None, ids)) for ids in ((70,), (80,)))
    assert trained.losses[0] == pytest.approx(-(good - 2 * bad) / 2, rel=1e-4)


def test_steps_are_rewarded_one_by_one(tiny_llama: Path, tmp_path: Path) -> None:
    # The first token of both is the same step's; only the second ones are told apart.
    replies = [
        reply((70, 71), 1.0, step_rewards=(0.0, 1.0), step_ends=(0, 1)),
        reply((80, 81), 0.0, step_rewards=(1.0, 0.0), step_ends=(0, 1)),
    ]
    chosen = settings(steps=4, advantages="process")
    trained = train_grpo([start()], Replay(replies), str(tiny_llama), tmp_path / "out", chosen)
    # Advantages (0, +s) and (0, -s): the last tokens move, each after its own first.
    model, tuned = (
        load_policy(Start.at(str(tiny_llama))),
        load_policy(Start.at(str(tiny_llama), trained.folder)),
    )
    for ids, more in (((70, 71), True), ((80, 81), False)):
        last = ([*PROMPT, ids[0]], [ids[1]])
        assert (perplexities(tuned, [last])[0] < perplexities(model, [last])[0]) is more


def test_the_reference_is_what_training_began_with(tiny_llama: Path, tmp_path: Path) -> None:
    tuned = train_sft(
        [sft()] * 4,
        str(tiny_llama),
        tmp_path / "tuned",
        SFTSettings(optimisation=FAST.model_copy(update={"epochs": 4}), adapter=THIN),
    )
    trained = train_grpo(
        [start()],
        Replay([reply(GOOD, 1.0), reply(BAD, 0.0)]),
        str(tiny_llama),
        tmp_path / "out",
        settings(beta=0.5),
        start=tuned.folder,
    )
    assert trained.metrics["kl"] == pytest.approx(0.0, abs=1e-6)
    assert Checkpoint.load(trained.folder).parent == str(tuned.folder)
    assert not (trained.folder / "ref").exists()


def test_failed_replies_and_rewards_that_are_no_numbers_teach_nothing(
    tiny_llama: Path, tmp_path: Path
) -> None:
    sampler = Replay([Rollout(), reply(GOOD, math.inf)])
    with pytest.raises(DataError, match="1 infinite"):
        train_grpo([start()], sampler, str(tiny_llama), tmp_path / "out", settings())
    patient = settings(most_faulty=1.0)
    trained = train_grpo([start()], sampler, str(tiny_llama), tmp_path / "out", patient)
    assert trained.losses == [0.0]
    assert trained.counts == {"groups": 1, "replies": 2, "failed": 1, "infinite": 1, "empty": 1}
    assert probability(tiny_llama, trained.folder, GOOD) == pytest.approx(
        probability(tiny_llama, None, GOOD), rel=1e-5
    )


def test_a_batch_of_which_nothing_came_ends_the_training(tiny_llama: Path, tmp_path: Path) -> None:
    sampler = Replay([Rollout(error="the server is down")])
    with pytest.raises(EngineError, match="every reply of a batch failed: the server is down"):
        train_grpo([start()], sampler, str(tiny_llama), tmp_path / "out", settings())
    assert sampler.closed
    assert list(tmp_path.iterdir()) == []


def test_a_killed_training_goes_on_counting(tiny_llama: Path, tmp_path: Path) -> None:
    sampler = Replay([reply(GOOD, 1.0), reply(BAD, 0.0), reply(GOOD, 1.0), reply(GOOD, 1.0)])
    chosen = settings(steps=3, batch_size=4, save_steps=1)

    def power_cut(done: int, total: int) -> None:
        if done == 2:  # the second step is not kept any more
            raise KeyboardInterrupt

    def train(folder: str, on_step: OnStep | None = None) -> Trained:
        output = tmp_path / folder
        starts = [start("a"), start("b")]
        return train_grpo(starts, sampler, str(tiny_llama), output, chosen, on_step=on_step)

    whole = train("whole")
    assert whole.counts == {"groups": 6, "replies": 12, "equal": 3}
    with pytest.raises(KeyboardInterrupt):
        train("cut", power_cut)
    resumed = train("cut")
    assert (resumed.counts, resumed.losses) == (whole.counts, whole.losses)
    assert Checkpoint.load(resumed.folder).counts == whole.counts


def test_groups_must_be_whole(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="whole groups of 3"):
        GRPOSettings(group=3, optimisation=Optimisation(batch_size=4))
    sampler = Replay([])
    with pytest.raises(ConfigError, match="1 starts are less than the 2"):
        train_grpo(
            [start()],
            sampler,
            str(tiny_llama),
            tmp_path / "out",
            GRPOSettings(group=2, optimisation=Optimisation(batch_size=4)),
        )


def test_steps_count_whole_batches_of_starts() -> None:
    how = Optimisation(batch_size=4, accumulate=2, epochs=3)
    chosen = GRPOSettings(optimisation=how, group=4, iterations=2)
    assert chosen.starts_at_once == 2
    assert chosen.steps(5) == 2 * 2 * 3
