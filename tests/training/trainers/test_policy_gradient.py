"""The trainer on a real, tiny language model: it learns, goes on exactly, and refuses what it must.

A token earns where its id is even: half of the vocabulary does, and the optimum is 1.
"""

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import AutoModelForCausalLM

from cogitate.errors import ConfigError
from cogitate.inference import HF, Completion, Message, Request, Sampling
from cogitate.training import Checkpoint
from cogitate.training.trainers.policy import (
    Objective,
    PolicyGradientSettings,
    Schedule,
    StepMetrics,
)
from cogitate.training.trainers.policy.batch import Inputs
from cogitate.training.trainers.policy.sample import sample_rollouts
from cogitate.training.trainers.policy_gradient import PolicyGradientTrainer
from cogitate.training.trainers.rollout import Rollout

PROMPTS = [(70, 71, 72), (80, 81)]
T = 4


def settings(
    objective: dict[str, object] | str, *, rank: int | None = 4, **schedule: object
) -> PolicyGradientSettings:
    told = {"steps": 4, "prompts": 2, "max_tokens": T, "learning_rate": 1e-2, "micro_batch": 16}
    return PolicyGradientSettings(
        objective=Objective.model_validate(objective),
        schedule=Schedule.model_validate(told | schedule),
        rank=rank,
        checkpoint_every=1,
    )


def earned(ids: Sequence[int]) -> float:
    return sum(one % 2 == 0 for one in ids) / len(ids)


class Direct:
    """Samples from the trainer's own policy; stops like a power cut at a given batch."""

    def __init__(self, n: int = 16, dies_at: int | None = None) -> None:
        self.n, self.dies_at = n, dies_at
        self.trainer: PolicyGradientTrainer[tuple[int, ...]] | None = None

    def __call__(self, prompts: Sequence[tuple[int, ...]], step: int) -> list[Rollout]:
        assert self.trainer is not None
        if step == self.dies_at:
            raise KeyboardInterrupt
        found = []
        for number, prompt in enumerate(prompts):
            found += sample_rollouts(
                self.trainer.policy,
                prompt,
                earned,
                n=self.n,
                max_tokens=T,
                generator=torch.default_generator,
                group=str(number),
            )
        return found


def begin(
    base: Path, output: Path, told: PolicyGradientSettings, direct: Direct | None = None
) -> tuple[PolicyGradientTrainer[tuple[int, ...]], Direct]:
    trainer: PolicyGradientTrainer[tuple[int, ...]] = PolicyGradientTrainer(
        str(base), output, told, accelerator=Accelerator(cpu=True)
    )
    direct = direct or Direct()
    direct.trainer = trainer
    return trainer, direct


def weights(trainer: PolicyGradientTrainer[tuple[int, ...]]) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in trainer.policy.named_parameters() if p.requires_grad}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("preset", ["grpo", "ppo"])
def test_a_language_model_reaches_the_optimum(
    preset: str, tiny_llama: Path, tmp_path: Path
) -> None:
    objective = {"preset": preset, "kl_weight": 1e-3}
    trainer, direct = begin(tiny_llama, tmp_path, settings(objective, steps=30))
    run = trainer.train(PROMPTS, direct)
    assert run.metrics[0].reward < 0.7
    assert sum(one.reward for one in run.metrics[-3:]) / 3 >= 0.95
    assert run.metrics[0].kl == pytest.approx(0, abs=1e-6) and run.metrics[-1].kl > 0.1
    files = {path.name for path in run.folder.iterdir()}
    assert {"adapter_model.safetensors", "cogitate.json"} <= files
    assert ("value_head.safetensors" in files) == (preset == "ppo")
    said = Checkpoint.load(run.folder)
    assert (said.method, said.parent) == ("policy-gradient", str(tiny_llama))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [StepMetrics.model_validate_json(line) for line in lines] == run.metrics


@pytest.mark.parametrize("preset", ["reinforce", "ppo"])
def test_a_run_that_was_cut_ends_as_if_it_had_not_been(
    preset: str, tiny_llama: Path, tmp_path: Path
) -> None:
    whole, direct = begin(tiny_llama, tmp_path / "whole", settings(preset))
    expected = whole.train(PROMPTS, direct)

    cut, direct = begin(tiny_llama, tmp_path / "cut", settings(preset), Direct(dies_at=2))
    with pytest.raises(KeyboardInterrupt):
        cut.train(PROMPTS, direct)
    torch.manual_seed(999)
    resumed, direct = begin(tiny_llama, tmp_path / "cut", settings(preset))
    assert resumed.done == 2
    rest = resumed.train(PROMPTS, direct)

    assert rest.metrics == expected.metrics[2:]
    assert equal(weights(resumed), weights(whole))
    both = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert both[0] == both[1]
    hashes = [Checkpoint.load(tmp_path / n / "policy").data_hash for n in ("whole", "cut")]
    assert hashes[0] == hashes[1]


def test_a_state_of_other_settings_is_not_taken_up(tiny_llama: Path, tmp_path: Path) -> None:
    trainer, direct = begin(tiny_llama, tmp_path, settings("grpo", steps=1))
    trainer.train(PROMPTS, direct)
    with pytest.raises(ConfigError, match="other settings"):
        begin(tiny_llama, tmp_path, settings("grpo", steps=2))


INPUTS = Inputs(torch.tensor([[70, 71, 72, 73]]), torch.ones(1, 4, dtype=torch.long), 2)


def test_the_reference_is_the_policy_as_training_began(tiny_llama: Path, tmp_path: Path) -> None:
    first, direct = begin(tiny_llama, tmp_path / "first", settings("grpo", steps=2))
    base = first.policy.reference(INPUTS)
    folder = first.train(PROMPTS, direct).folder
    assert torch.equal(first.policy.reference(INPUTS), base), "the adapter is off"
    with torch.no_grad():
        trained = first.policy(INPUTS).logits_BTV
    assert not torch.allclose(trained, base)

    second: PolicyGradientTrainer[tuple[int, ...]] = PolicyGradientTrainer(
        str(tiny_llama),
        tmp_path / "second",
        settings("grpo", steps=2),
        adapter=folder,
        accelerator=Accelerator(cpu=True),
    )
    assert torch.allclose(second.policy.reference(INPUTS), trained), "the adapter that was given"
    direct.trainer = second
    second.train(PROMPTS, direct)
    assert torch.allclose(second.policy.reference(INPUTS), trained), "and it does not learn"
    with torch.no_grad():
        assert not torch.allclose(second.policy(INPUTS).logits_BTV, trained)


def test_all_weights_may_learn_and_the_reference_is_loaded_from_disk(
    tiny_llama: Path, tmp_path: Path
) -> None:
    trainer, direct = begin(
        tiny_llama, tmp_path, settings("grpo", rank=None, steps=2, learning_rate=1e-3)
    )
    before = trainer.policy.reference(INPUTS)
    run = trainer.train(PROMPTS, direct)
    assert torch.equal(trainer.policy.reference(INPUTS), before)
    saved = AutoModelForCausalLM.from_pretrained(run.folder).eval()
    with torch.no_grad():
        logits = saved(INPUTS.ids_BL).logits[:, -3:-1]
        assert torch.allclose(logits, trainer.policy(INPUTS).logits_BTV, atol=1e-5)
    assert not torch.allclose(logits, before)


def test_padding_and_the_size_of_a_pass_change_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    def rows(prompts: Sequence[tuple[int, ...]], step: int) -> list[Rollout]:
        return [
            Rollout(
                prompt_ids=(70,) * (1 + number),
                completion_ids=(60, 61, 62)[: 1 + number % 3],
                reward=float(number),
            )
            for number in range(5)
        ]

    found = []
    for size in (1, 2, 5):
        told = settings("ppo", steps=2, micro_batch=size, old="recomputed")
        trainer, _ = begin(tiny_llama, tmp_path / str(size), told)
        found.append(trainer.train(PROMPTS, rows).metrics[-1])
    for other in found[1:]:
        assert other.loss == pytest.approx(found[0].loss, abs=1e-5)
        assert other.kl == pytest.approx(found[0].kl, abs=1e-5)
        assert other.gradient_norm == pytest.approx(found[0].gradient_norm, rel=1e-3)


def test_an_engine_samples_with_the_log_probabilities_that_are_trained(
    tiny_llama: Path, tmp_path: Path
) -> None:
    """At the sampling temperature, for prompts and replies of different lengths in one batch."""

    async def ask() -> list[Completion]:
        engine = HF(tiny_llama)
        sampling = Sampling(temperature=0.7, max_tokens=T)
        requests = [
            Request(messages=(Message("user", text),), sampling=sampling, n=4)
            for text in ("6*7?", "What is 6 * 7, and why?")
        ]
        try:
            return [one for request in requests for one in await engine.complete(request)]
        finally:
            await engine.close()

    rows = [Rollout.of(one, earned(one.token_ids or ())) for one in asyncio.run(ask())]
    assert {row.truncated for row in rows} == {True}
    told = settings("grpo", temperature=0.7, steps=1)
    trainer, _ = begin(tiny_llama, tmp_path, told)
    [metrics] = trainer.train(PROMPTS, lambda prompts, step: rows).metrics
    assert metrics.kl_old == pytest.approx(0, abs=1e-6)
    wrong, _ = begin(tiny_llama, tmp_path / "wrong", settings("grpo", temperature=1.0, steps=1))
    [metrics] = wrong.train(PROMPTS, lambda prompts, step: rows).metrics
    assert metrics.kl_old > 1e-3


def rollout(**more: object) -> Rollout:
    told = {"prompt_ids": (70,), "completion_ids": (60, 61), "logprobs": (-1.0, -1.0)}
    return Rollout.model_validate(told | {"reward": 1.0} | more)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (rollout(prompt_ids=()), "no prompt"),
        (rollout(advantages=(1.0,) * 3), "train_grpo"),
        (rollout(logprobs=None), "no logprobs"),
        (rollout(completion_ids=(60, 9999)), "outside"),
        (rollout(forced=1), "mixer"),
    ],
)
def test_what_cannot_be_trained_on_at_all_is_refused(
    bad: Rollout, message: str, tiny_llama: Path, tmp_path: Path
) -> None:
    trainer, _ = begin(tiny_llama, tmp_path, settings("grpo"))
    with pytest.raises(ConfigError, match=message):
        trainer.train(PROMPTS, lambda prompts, step: [bad])


def test_an_engine_that_tells_no_tokens_makes_no_rollouts() -> None:
    with pytest.raises(ConfigError, match="silent does not tell token ids"):
        Rollout.of(Completion(text="42", prompt_ids=(1,), model="silent"), 1.0)


def test_rewards_that_are_no_numbers_are_counted_and_move_nothing(
    tiny_llama: Path, tmp_path: Path
) -> None:
    trainer, _ = begin(tiny_llama, tmp_path, settings("dapo", steps=1))
    before = weights(trainer)
    bad = [
        rollout(reward=math.nan),
        rollout(reward=math.inf),
        rollout(reward=None),
        rollout(completion_ids=(), logprobs=()),
        rollout(completion_ids=(60,) * 5, logprobs=(-1.0,) * 5),
    ]
    equal_ones = [rollout(group="g"), rollout(group="g")]
    run = trainer.train(PROMPTS, lambda prompts, step: bad + equal_ones)
    [metrics] = run.metrics
    assert metrics.refused == {"not finite": 2, "no reward": 1, "empty": 1, "too long": 1}
    assert (metrics.rows, metrics.equal_groups, metrics.updates) == (2, 1, 0)
    assert equal(weights(trainer), before)


def test_weights_are_published_after_each_batch(tiny_llama: Path, tmp_path: Path) -> None:
    trainer, direct = begin(tiny_llama, tmp_path, settings("rloo", steps=3))
    published: list[tuple[int, int]] = []

    def publish(folder: Path, done: int) -> None:
        said = json.loads((folder / "cogitate.json").read_text())
        published.append((done, said["metrics"]["step"]))

    trainer.train(PROMPTS, direct, publish=publish)
    assert published == [(1, 0), (2, 1), (3, 2)]


def launched(processes: int, base: Path, output: Path, preset: str) -> list[StepMetrics]:
    job = Path(__file__).with_name("job_policy_gradient.py")
    # With --cpu accelerate starts a single process, whatever it is told, unless it is given MPI.
    several = "--multi_gpu" if processes > 1 else "--cpu"
    launcher = [sys.executable, "-m", "accelerate.commands.launch", several]
    many = ["--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    many += ["--num_cpu_threads_per_process", "1", "--dynamo_backend", "no"]
    many += ["--main_process_port", "0"] if processes > 1 else []
    subprocess.run(
        [*launcher, *many, str(job), str(base), str(output), preset],
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        check=True,
    )
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [StepMetrics.model_validate_json(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["ppo", "grpo", "trpo"])
def test_two_processes_have_the_losses_of_one(
    preset: str, tiny_llama: Path, tmp_path: Path
) -> None:
    one, two = (launched(n, tiny_llama, tmp_path / str(n), preset) for n in (1, 2))
    assert len(one) == len(two) == 3
    for a, b in zip(one, two, strict=True):
        assert (a.rows, a.tokens, a.updates) == (b.rows, b.tokens, b.updates) == (7, 13, a.updates)
        for name in ("loss", "policy_loss", "value_loss", "kl", "entropy", "fraction"):
            assert getattr(b, name) == pytest.approx(getattr(a, name), abs=1e-4), name
        assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=1e-3)
