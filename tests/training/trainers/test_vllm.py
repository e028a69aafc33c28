"""GRPO on rollouts of a model that vLLM runs: one start, and the policy of each step in it."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from installed import needs_vllm
from models_started import ModelsStarted
from small_rows import start

import cogitate as cg
from cogitate.graphs import Thought, ThoughtGraph
from cogitate.training import (
    CurrentWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    Rollout,
    StrategySampler,
    train_grpo,
)
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.perplexity import perplexities
from cogitate.training.trainers.weights import Start, load_policy

STEPS = 25
"""More than the adapters that an engine keeps."""


async def digits(graph: ThoughtGraph, thought: Thought) -> float | None:
    """A reward: how much of it is digits."""
    return sum(c.isdigit() for c in thought.text) / 8


@dataclass
class Watched:
    """A sampler whose policies and replies are kept, step by step."""

    sampler: StrategySampler
    folder: Path
    started: ModelsStarted = field(default_factory=ModelsStarted)
    replies: list[Sequence[Rollout]] = field(default_factory=list)

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Sample, and see how many models have been started."""
        assert weights.adapter is not None and weights.step == len(self.replies)
        shutil.copytree(weights.adapter, self.folder / f"{weights.step}")
        self.replies.append(await self.sampler(starts, weights))
        self.started.look()
        return self.replies[-1]

    async def close(self) -> None:
        """Close the engines."""
        await self.sampler.close()


def test_a_policy_learns_from_what_vllm_samples_with_it_at_each_step(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_vllm()
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    sampler = StrategySampler(
        team=lambda now: cg.Team.of(
            f"vllm/{tiny_llama}", adapter=now.adapter, temperature=1.0, max_tokens=8
        ),
        strategy=cg.Direct(),
        reward=digits,
    )
    watched = Watched(sampler, tmp_path)
    how = Optimisation(learning_rate=1e-2, max_steps=STEPS, batch_size=16)
    settings = GRPOSettings(
        optimisation=how, adapter=LoRA(rank=8), group=8, max_tokens=8, beta=0.01
    )
    out = tmp_path / "out"
    trained = train_grpo([start("a"), start("b")], watched, str(tiny_llama), out, settings)
    assert trained.counts["replies"] == STEPS * 16
    assert trained.metrics["reward"] > 0.5  # it began near 0.05
    assert (watched.started.so_far, watched.started.running) == (1, 0)
    # Each batch was sampled from that step's policy, and not from the one before; the last steps
    # are small.
    assert max(surprise(watched, step, tiny_llama) for step in range(STEPS)) < 0.002
    others = [surprise(watched, step, tiny_llama, worn=step - 1) for step in range(5, 11)]
    assert min(others) > 0.02


def surprise(watched: Watched, step: int, base: Path, *, worn: int | None = None) -> float:
    """How far what vLLM said of its replies is from what transformers says of them.

    Args:
        watched: What was sampled.
        step: When.
        base: The model.
        worn: The step whose policy transformers wears; the same by default.

    Returns:
        The largest difference in a reply's mean log-probability.
    """
    adapter = watched.folder / f"{step if worn is None else worn}"
    replies = watched.replies[step]
    pairs = [(list(one.prompt_ids), list(one.completion_ids)) for one in replies]
    theirs = perplexities(load_policy(Start.at(str(base), adapter)), pairs)
    ours = [sum(one.logprobs or ()) / len(one.completion_ids) for one in replies]
    return max(
        abs(mean + math.log(perplexity)) for mean, perplexity in zip(ours, theirs, strict=True)
    )
