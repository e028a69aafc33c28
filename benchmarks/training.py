"""What training through us costs beside bare TRL: the same SFT, DPO and GRPO steps on both sides.

    python benchmarks/training.py [--model NAME] [--steps 8] [--runs 5] [--methods sft dpo grpo ppo]

Both sides train the same LoRA adapter with the same TRL trainer on the same tokens, in turns within
one process, so that what else the machine does falls on both. What is timed is each step from the
end of the one before (the first does not count), on a CPU in processor time, which others on the
machine do not lengthen; the number is the ratio of the medians of tokens per second, ours to bare.
GRPO replays identical rollouts on both sides, so what is measured is our hand-over: the adapter
written to disk for the engines, the guard, and the advantages.

`ppo` is our PPO step beside the GRPO step of the same trainer on the same rollouts, and not beside
TRL, which has no PPO. What PPO has besides is a value model: one more pass over the batch before it
learns, and its head. The pass is timed by itself, and told.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

from cogitate.graphs import Source
from cogitate.inference import HF, Message
from cogitate.inference.hf.locate import fetch
from cogitate.training import (
    CurrentWeights,
    DPOSettings,
    GRPOSettings,
    LoRA,
    Optimisation,
    PPOSettings,
    Rollout,
    SFTSettings,
    train_dpo,
    train_grpo,
    train_ppo,
    train_sft,
)
from cogitate.training.rows import PreferenceRow, PromptRow, Reply, SFTRow
from cogitate.training.trainers import Objective, Schedule
from cogitate.training.trainers.fit import watcher
from cogitate.training.trainers.optimisation import arguments

ADAPTER = LoRA(rank=16)
PROMPT, REPLY, GROUP = 32, 32, 4


class Clock:
    """Takes the time of each step but the first."""

    def __init__(self) -> None:
        import torch

        self.now = time.perf_counter if torch.cuda.is_available() else time.process_time
        self.ends: list[float] = []

    def __call__(self, _done: int, _total: int) -> None:
        """End a step."""
        self.ends.append(self.now())

    @property
    def seconds(self) -> list[float]:
        """Of each step."""
        return [after - before for before, after in pairwise(self.ends)]


class Data(NamedTuple):
    """Random tokens of one length: no side saves on padding."""

    prompts: list[tuple[int, ...]]
    replies: list[tuple[int, ...]]


def made(rows: int, vocabulary: int) -> Data:
    chance = random.Random(0)

    def ids(n: int) -> tuple[int, ...]:
        return tuple(chance.randrange(1, vocabulary) for _ in range(n))

    return Data([ids(PROMPT) for _ in range(rows)], [ids(REPLY) for _ in range(2 * rows)])


class Replay:
    """Says the same on both sides."""

    def __init__(self, data: Data) -> None:
        self.data = data

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Return the same replies each time."""
        return [
            Rollout(
                prompt_ids=self.data.prompts[int(row.problem)],
                completion_ids=self.data.replies[i % len(self.data.replies)],
                logprobs=(-1.0,) * REPLY,
                reward=float(i % 2),
            )
            for i, row in enumerate(starts)
        ]

    async def close(self) -> None:
        """Hold nothing."""


def asked(i: int, prompt: tuple[int, ...]) -> dict[str, object]:
    return {
        "problem": str(i),
        "question": str(i),
        "role": "generator",
        "agent": "generator",
        "operation": "generate",
        "messages": (Message("user", "?"),),
        "prompt_ids": prompt,
    }


def ours(method: str, base: Path, data: Data, how: Optimisation, folder: Path) -> list[float]:
    clock = Clock()
    source = Source("hf/base", HF(base).info.revision)
    rows = list(enumerate(data.prompts))
    if method == "sft":
        given = [
            SFTRow.model_validate(
                asked(i, prompt)
                | {"thought": "t", "completion": "", "completion_ids": data.replies[i]}
                | {"source": source, "grade": 1.0}
            )
            for i, prompt in rows
        ]
        settings = SFTSettings(optimisation=how, adapter=ADAPTER)
        train_sft(given, str(base), folder, settings, on_step=clock)
        return clock.seconds
    if method == "dpo":
        pairs = [
            PreferenceRow.model_validate(
                asked(i, prompt)
                | {"parents": ("p",)}
                | {
                    side: Reply(
                        thought="t",
                        completion="",
                        completion_ids=data.replies[2 * i + k],
                        source=source,
                        value=1.0 - k,
                    )
                    for k, side in enumerate(("chosen", "rejected"))
                }
            )
            for i, prompt in rows
        ]
        chosen = DPOSettings(optimisation=how, adapter=ADAPTER)
        train_dpo(pairs, str(base), folder, chosen, on_step=clock)
        return clock.seconds
    starts = [
        PromptRow.model_validate(
            asked(i, prompt) | {"thought": "t", "reference": None, "kind": "auto"}
        )
        for i, prompt in rows
    ]
    wanted = GRPOSettings(optimisation=how, adapter=ADAPTER, group=GROUP, max_tokens=REPLY)
    train_grpo(starts, Replay(data), str(base), folder, wanted, on_step=clock)
    return clock.seconds


def bare(method: str, base: Path, data: Data, how: Optimisation, folder: Path) -> list[float]:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, PrinterCallback

    rows = list(enumerate(data.prompts))
    lora = LoraConfig(
        r=ADAPTER.rank,
        lora_alpha=2 * ADAPTER.rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    shared: dict[str, Any] = {  # whatever a trainer takes
        "model": str(base),
        "processing_class": AutoTokenizer.from_pretrained(base),
        "peft_config": lora,
    }
    kind: dict[str, Any] = {"model_init_kwargs": {"dtype": "float32"}}
    make: Callable[..., Any]
    if method == "sft":
        from trl.trainer.sft_config import SFTConfig as Config
        from trl.trainer.sft_trainer import SFTTrainer as Trainer

        kind |= {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None}
        table = [
            {
                "input_ids": [*prompt, *data.replies[i]],
                "labels": [-100] * PROMPT + list(data.replies[i]),
            }
            for i, prompt in rows
        ]
        make = Trainer
    elif method == "dpo":
        from trl.trainer.dpo_config import DPOConfig as Config
        from trl.trainer.dpo_trainer import DPOTrainer

        class Given(DPOTrainer):  # bare TRL cannot be given ids otherwise
            def _prepare_dataset(  # pyright: ignore[reportIncompatibleMethodOverride]
                self, dataset: Any, *args: Any
            ) -> Any:
                return dataset

        kind |= {"beta": 0.2, "max_length": None}
        table = [
            {
                "prompt_ids": list(prompt),
                "chosen_ids": list(data.replies[2 * i]),
                "rejected_ids": list(data.replies[2 * i + 1]),
            }
            for i, prompt in rows
        ]
        make = Given
    else:
        from trl.trainer.grpo_config import GRPOConfig as Config
        from trl.trainer.grpo_trainer import GRPOTrainer

        kind |= {
            "num_generations": GROUP,
            "max_completion_length": REPLY,
            "loss_type": "grpo",
            "beta": 0.0,
            "disable_dropout": True,
        }

        def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
            n = len(prompts)
            return {
                "prompt_ids": [list(data.prompts[int(p)]) for p in prompts],
                "completion_ids": [list(data.replies[i % len(data.replies)]) for i in range(n)],
                "logprobs": [[-1.0] * REPLY for _ in range(n)],
                "r": [float(i % 2) for i in range(n)],
            }

        shared |= {"rollout_func": rollout, "reward_funcs": lambda r, **_: r}
        table = [{"prompt": str(i)} for i, _ in rows]
        make = GRPOTrainer
    trainer = cast("Callable[..., Any]", make)(
        args=arguments(Config, folder / "trainer", how, **kind),
        train_dataset=Dataset.from_list(table),
        **shared,
    )
    trainer.remove_callback(PrinterCallback)
    clock = Clock()
    trainer.add_callback(watcher(clock))
    trainer.train()
    return clock.seconds


def policy_gradient(
    preset: str, base: Path, data: Data, how: Optimisation, folder: Path
) -> list[float]:
    clock = Clock()
    schedule = Schedule(
        steps=how.max_steps or 1, prompts=how.batch_size // GROUP, learning_rate=how.learning_rate
    )
    settings = PPOSettings(
        objective=Objective.model_validate({"preset": preset, "value_clip": None}),
        schedule=schedule,
        replies=GROUP,
        rank=ADAPTER.rank,
        checkpoint_every=10**6,
    )
    starts = [
        PromptRow.model_validate(
            asked(i, prompt) | {"thought": "t", "reference": None, "kind": "auto"}
        )
        for i, prompt in enumerate(data.prompts)
    ]
    train_ppo(starts, Replay(data), str(base), folder, settings, on_step=clock)
    return clock.seconds


def value_pass(base: Path, data: Data, rows: int) -> float:
    """The time of one pass over a batch, without a gradient."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.tensor([[*data.prompts[i], *data.replies[i]] for i in range(rows)])
    clock = Clock()
    with torch.no_grad():
        for i in range(8):
            model(ids, logits_to_keep=1)
            clock(i, 8)
    return statistics.median(clock.seconds)


def measure_ppo(base: Path, steps: int, runs: int, vocabulary: int) -> dict[str, object]:
    how = Optimisation(max_steps=steps, batch_size=8, learning_rate=1e-4)
    data = made(8 * steps, vocabulary)
    seconds: dict[str, list[float]] = {"grpo": [], "ppo": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(runs + 1):
            for preset in ("grpo", "ppo")[:: 1 if i % 2 else -1]:
                taken = policy_gradient(preset, base, data, how, Path(folder) / f"{preset}-{i}")
                seconds[preset] += taken if i else []
    grpo, ppo = (statistics.median(seconds[preset]) for preset in ("grpo", "ppo"))
    value = value_pass(base, data, 8)
    return {
        "method": "ppo",
        "steps": steps,
        "runs": runs,
        "grpo_seconds": grpo,
        "ppo_seconds": ppo,
        "value_seconds": value,
        "ratio": ppo / (grpo + value),
        "seconds": seconds,
    }


def measure(method: str, base: Path, steps: int, runs: int, vocabulary: int) -> dict[str, object]:
    how = Optimisation(max_steps=steps, batch_size=8, learning_rate=1e-4)
    data = made(8 * steps, vocabulary)
    tokens = 8 * (PROMPT + REPLY) * (2 if method == "dpo" else 1)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(runs + 1):  # the first of each warms up and does not count
            for side, train in (("bare", bare), ("ours", ours))[:: 1 if i % 2 else -1]:
                taken = train(method, base, data, how, Path(folder) / f"{side}-{i}")
                if i:
                    seconds[side] += taken
    rates = {side: tokens / statistics.median(taken) for side, taken in seconds.items()}
    return {
        "method": method,
        "steps": steps,
        "runs": runs,
        "tokens_per_second": rates,
        "ratio": rates["ours"] / rates["bare"],
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=["sft", "dpo", "grpo"])
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    base = fetch(chosen.model)
    vocabulary = json.loads((base / "config.json").read_text())["vocab_size"]
    results = []
    for method in chosen.methods:
        if method == "ppo":
            found = measure_ppo(base, chosen.steps, chosen.runs, vocabulary)
            results.append(found)
            if not chosen.json:
                print(
                    "ppo   a step {ppo_seconds:.3f} s, of grpo {grpo_seconds:.3f} s and the pass "
                    "of values {value_seconds:.3f} s: ratio {ratio:.3f}".format_map(found)
                )
            continue
        results.append(measure(method, base, chosen.steps, chosen.runs, vocabulary))
        if not chosen.json:
            rates, ratio = results[-1]["tokens_per_second"], results[-1]["ratio"]
            assert isinstance(rates, dict) and isinstance(ratio, float)
            print(
                f"{method:5} bare {rates['bare']:8.0f} tokens/s, ours {rates['ours']:8.0f}, "
                f"ratio {ratio:.3f}",
                flush=True,
            )
    if chosen.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
