"""The in-process engine against what it should not lose to, as ratios within one run.

    python benchmarks/engine.py [--json] [--rounds 3]

1. **Arrivals.** 32 requests that arrive over 2 s, against one static padded `generate` batch of the
   same 32 prompts, which knows all of them from the start. Both write exactly 64 tokens each,
   greedily (no token ends a text), and nothing is shared between prompts.
   Wanted: at least 0.9 of the static batch's tokens a second.
2. **Branches.** Eight requests asked for at the same moment that share their first 300 tokens and
   end differently, 16 tokens each, on an engine that shares prefixes against one that does not.
   Wanted: the prefix computed once (its last partial block aside), and at most 0.6 of the time.
3. **An adapter.** The requests of 1 at the same moment, all with one LoRA adapter (rank 32, all
   linear layers, as trainings make it by default), against the same without it.

The sides take turns within a round, so that a machine that changes its speed changes both. Every
figure is a median over the rounds. Model: `hf/smollm2-135m`; prompts: `reasoning_gym`.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from cogitate.inference import HF, Completion, Message, Request, Sampling
from cogitate.inference.hf.embedded import ensure_embedded
from cogitate.inference.hf.prefix import BLOCK

REQUESTS, TOKENS, SPREAD = 32, 64, 2.0
BRANCHES, PREFIX, BRANCH_TOKENS = 8, 300, 16
FAMILIES = ("chain_sum", "gsm_symbolic", "leg_counting", "word_sorting")


def endless(source: Path, folder: Path) -> Path:
    """Link a model folder in which no token that a model would write ends a text."""
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    for name, changes in {
        "generation_config.json": {"eos_token_id": None},
        "tokenizer_config.json": {"eos_token": "<|endless|>"},
    }.items():
        settings = json.loads((source / name).read_text()) | changes
        (folder / name).unlink()
        (folder / name).write_text(json.dumps(settings))
    return folder


def questions(seed: int) -> list[str]:
    """Return problems of mixed length."""
    import reasoning_gym  # needs a second to import

    each = REQUESTS // len(FAMILIES)
    texts = [
        item["question"]
        for family in FAMILIES
        for item in reasoning_gym.create_dataset(family, size=each, seed=seed)
    ]
    random.Random(seed).shuffle(texts)
    return texts


def ask(text: str, tokens: int, adapter: Path | None = None) -> Request:
    return Request(
        messages=(Message("user", text),),
        sampling=Sampling(temperature=0, max_tokens=tokens),
        adapter=adapter and str(adapter),
    )


def untrained_adapter(model: Path, folder: Path) -> Path:
    config = LoraConfig(r=32, target_modules="all-linear", task_type="CAUSAL_LM")
    base = LlamaForCausalLM.from_pretrained(model)
    get_peft_model(base, config).save_pretrained(str(folder))
    return folder


def static_batch(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> float:
    """Return the seconds of one padded `generate` batch."""
    started = time.perf_counter()
    rendered = [
        str(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
            )
        )
        for text in texts
    ]
    batch = tokenizer(rendered, padding=True, add_special_tokens=False, return_tensors="pt")
    inputs_BS = torch.as_tensor(batch["input_ids"])
    with torch.inference_mode():
        out_BS = model.generate(  # pyright: ignore[reportAttributeAccessIssue]  # its own `self`
            inputs_BS,
            attention_mask=torch.as_tensor(batch["attention_mask"]),
            max_new_tokens=TOKENS,
            do_sample=False,
        )
    seconds = time.perf_counter() - started
    assert isinstance(out_BS, torch.Tensor)
    assert out_BS.shape[1] == inputs_BS.shape[1] + TOKENS
    return seconds


async def arrivals(engine: HF, requests: list[Request]) -> float:
    """Return the seconds from the first arrival to the last token."""

    async def arrive(i: int, request: Request) -> Completion:
        await asyncio.sleep(SPREAD * i / (len(requests) - 1))
        return (await engine.complete(request))[0]

    started = time.perf_counter()
    done = await asyncio.gather(*(arrive(i, request) for i, request in enumerate(requests)))
    seconds = time.perf_counter() - started
    assert [completion.usage.completion for completion in done] == [TOKENS] * len(requests)
    return seconds


async def at_once(engine: HF, requests: list[Request]) -> tuple[float, list[Completion]]:
    started = time.perf_counter()
    done = await asyncio.gather(*map(engine.complete, requests))
    return time.perf_counter() - started, [completion for (completion,) in done]


def branching(seed: int, engine: HF) -> list[Request]:
    """Return requests that agree in at least `PREFIX` tokens and then differ."""
    draws = random.Random(seed)
    text = "Facts:"
    while engine.count(ask(text, 1)) < PREFIX + 8:
        text += f" Box {draws.randrange(1000)} holds {draws.randrange(100)} coins."
    return [
        ask(f"{text} Way {i}: {draws.random():.6f}. How many?", BRANCH_TOKENS)
        for i in range(BRANCHES)
    ]


def computed_prefixes(done: list[Completion]) -> tuple[int, int, int]:
    """Return the shared tokens, how many of them were computed in all, and the allowance."""
    columns = zip(*(completion.prompt_ids or () for completion in done), strict=False)
    shared = len(list(itertools.takewhile(lambda ids: len(set(ids)) == 1, columns)))
    computed = sum(max(0, shared - completion.usage.cached) for completion in done)
    return shared, computed, shared + (len(done) - 1) * (shared % BLOCK)


async def measure(folder: Path, adapter: Path, rounds: int) -> dict[str, float | bool]:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    apart, sharing = HF(folder, prefix_tokens=0), HF(folder)
    wearing = HF(folder, prefix_tokens=0)
    figures: dict[str, list[float]] = {}

    def note(**values: float) -> None:
        for name, value in values.items():
            figures.setdefault(name, []).append(value)

    await asyncio.gather(*(engine.complete(ask("Warm up.", 4)) for engine in (apart, sharing)))
    await wearing.complete(ask("Warm up.", 4, adapter))
    once = True
    for number in range(rounds):
        texts, total = questions(number), REQUESTS * TOKENS
        static = total / static_batch(model, tokenizer, texts)
        rolling = total / await arrivals(apart, [ask(text, TOKENS) for text in texts])
        note(static=static, rolling=rolling, arrivals_ratio=rolling / static)

        forks = branching(number, sharing)
        alone, _ = await at_once(apart, forks)
        together, done = await at_once(sharing, forks)
        shared, computed, allowed = computed_prefixes(done)
        once = once and computed <= allowed
        note(alone=alone, together=together, branches_ratio=together / alone)
        note(shared=shared, computed=computed)

        bare, _ = await at_once(apart, [ask(text, TOKENS) for text in texts])
        worn, _ = await at_once(wearing, [ask(text, TOKENS, adapter) for text in texts])
        note(bare=total / bare, worn=total / worn, adapter_ratio=bare / worn)
    await asyncio.gather(*(engine.close() for engine in (apart, sharing, wearing)))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {**medians, "once": once}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the in-process engine.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        model = endless(ensure_embedded(), Path(folder))
        adapter = untrained_adapter(model, Path(other))
        found = asyncio.run(measure(model, adapter, options.rounds))
    if options.json:
        print(json.dumps(found))
        return
    print(f"static padded batch      {found['static']:8.1f} tokens/s")
    print(f"arriving over {SPREAD:.0f} s        {found['rolling']:8.1f} tokens/s")
    print(f"ratio                    {found['arrivals_ratio']:8.2f}   (wanted: at least 0.90)")
    print(f"branches without sharing {found['alone']:8.2f} s")
    print(f"branches with sharing    {found['together']:8.2f} s")
    print(f"ratio                    {found['branches_ratio']:8.2f}   (wanted: at most 0.60)")
    print(f"shared prefix            {found['shared']:8.0f} tokens")
    print(f"computed of it, in all   {found['computed']:8.0f} tokens (once: {found['once']})")
    print(f"at once, no adapter      {found['bare']:8.1f} tokens/s")
    print(f"at once, one adapter     {found['worn']:8.1f} tokens/s")
    print(f"ratio                    {found['adapter_ratio']:8.2f}")


if __name__ == "__main__":
    main()
