"""How much of a tree search's prompts comes from the prefix cache, and how full the engine is kept.

    python benchmarks/prefix_cache.py --engine vllm|hf [--json] [--model tiny] [--problems 96]

Two searches grow trees of requests, many problems side by side: Tree of Thoughts (every state of a
level is gone on from in several ways, and judged) and MCTS (four simulations overlap). Every call
that reaches the engine is noted: when, with which ids, how many of them it found in its cache.

1. **Cache.** The prompt tokens served from the cache, against an ideal cache of equal block size:
   one that never forgets, and in which a request finds every block of the requests that were sent
   before it, and of the completions that were there by then.
   Wanted: at least 0.95.
2. **Throughput.** The tokens a second that the searches reach with 32 problems in flight (from the
   first request on, until fewer problems are left), against those of the engine alone when it is
   given the same requests, for as many tokens, all at once and in the same order. The engine's rows
   are limited to 32 on both sides, so that neither gains by merely asking for more at a time, and
   both begin with an empty cache. A verdict is a request whose tokens are scored.
   Wanted: at least 0.9 with vllm, 0.8 with hf.
   The same per second of processor time, all processes together, is disturbed less by a busy
   machine, but does not see an engine that waits: whether it had enough to do, `asked for at a
   time` tells.

No token ends a text, so that steps, verdicts and what the engine alone writes have known lengths;
what the texts say is of no interest. `--model tiny` is a Llama of two layers with the embedded
model's tokenizer, made on the spot; `smollm2-135m` is the embedded model itself.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import cogitate as cg
from cogitate.inference import (
    HF,
    VLLM,
    Completion,
    Engine,
    EngineInfo,
    Engines,
    Rating,
    Request,
    Score,
)
from cogitate.inference.hf.embedded import ensure_embedded
from cogitate.inference.hf.encode import Encoder

sys.path.insert(0, str(Path(__file__).parent))

from engine import endless

IN_FLIGHT = 32
BLOCKS = {"hf": 16, "vllm": 32}
STEP, VERDICT = 16, 8
"""Tokens of a step and of a verdict."""
SHARED = 0.95
FULL = {"hf": 0.8, "vllm": 0.9}


@dataclass(slots=True)
class Call:
    """A request that reached the engine."""

    request: Request
    sent: float
    texts: tuple[str, ...] = ()
    """The texts to score; without any it is sampled from."""
    came: float = 0.0
    cached: int = 0
    prompt: tuple[int, ...] = ()
    written: int = 0
    """Tokens of all that was sampled, or one for a verdict."""
    longest: int = 1
    after: tuple[tuple[int, ...], ...] = ()
    """The ids that were sampled, each followed by one that needed no computing."""

    def within(self, end: float) -> float:
        """The tokens written until `end`, as if they came at an even pace."""
        return self.written * self.seconds(end) / (self.came - self.sent)

    def seconds(self, end: float) -> float:
        """How long it was under way until `end`."""
        return max(0.0, min(self.came, end) - self.sent)


class Noting:
    """An engine around an engine that notes every call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.calls: list[Call] = []

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self._engine.info

    def count(self, request: Request) -> int | None:
        """The engine's count."""
        return self._engine.count(request)

    def _note(self, request: Request, texts: Sequence[str] = ()) -> Call:
        self.calls.append(Call(request, time.perf_counter(), tuple(texts)))
        return self.calls[-1]

    async def complete(self, request: Request) -> list[Completion]:
        """Ask the engine, and note it."""
        call = self._note(request)
        done = await self._engine.complete(request)
        call.came = time.perf_counter()
        call.cached = done[0].usage.cached
        call.written = sum(completion.usage.completion for completion in done)
        call.longest = max(completion.usage.completion for completion in done)
        call.after = tuple((completion.token_ids or ())[:-1] for completion in done)
        return done

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """Have the engine score, and note it."""
        call = self._note(request, texts)
        scores = await self._engine.score(request, texts)
        call.came = time.perf_counter()
        call.cached, call.written = scores[0].usage.cached, 1
        return scores

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """The engine's rating."""
        return await self._engine.rate(request, steps)

    async def close(self) -> None:
        """Leave the engine open."""


def served_by_an_ideal_cache(calls: Sequence[Call], block: int) -> int:
    """Return the prompt tokens that a cache without limits would serve, in blocks of `block`."""
    events = [(call.sent, 0, i, call) for i, call in enumerate(calls)]
    events += [(call.came, 1, i, call) for i, call in enumerate(calls)]
    known: set[tuple[int, ...]] = set()
    served = 0

    def beginnings(ids: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        return (ids[:end] for end in range(block, len(ids) + 1, block))

    for _, came, _, call in sorted(events, key=lambda event: event[:3]):
        if came:
            for ids in call.after:
                known.update(beginnings(call.prompt + ids))
            continue
        shareable = beginnings(call.prompt[:-1])  # the last token's logits must be computed
        served += block * sum(1 for _ in itertools.takewhile(known.__contains__, shareable))
        known.update(beginnings(call.prompt))
    return served


def tiny(source: Path, folder: Path) -> Path:
    """Save a small Llama with the tokenizer of another."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


STRATEGIES: dict[str, cg.Strategy] = {
    "tree of thoughts": cg.TreeOfThoughts(
        breadth=2, depth=4, width=3, generate="sample", samples=1, merge=False
    ),
    "mcts": cg.MCTS(simulations=8, width=3, parallel=4, depth=6, step_tokens=STEP),
}


def team(engine: Engine) -> cg.Team:
    return cg.Team(
        generator=cg.Generator(engine, temperature=1.0, max_tokens=STEP),
        critic=cg.Critic(engine, max_tokens=VERDICT),
        verifier=cg.Verifier(engine, temperature=1.0, max_tokens=VERDICT),
        refiner=cg.Refiner(engine, max_tokens=STEP),
    )


class Searched(NamedTuple):
    """What was asked, and how fast it went."""

    calls: list[Call]
    tokens_per_second: float
    under_way: float
    """Samples and verdicts that the engine had at a time."""


async def search(
    engine: Engine, encoder: Encoder, strategy: cg.Strategy, problems: Sequence[cg.tasks.Problem]
) -> Searched:
    """Search for all problems, `IN_FLIGHT` at a time."""
    noting, engines = Noting(engine), Engines()
    everyone, left = team(noting), iter(problems)
    fewer: list[float] = []

    async def place() -> None:
        for problem in left:
            await cg.asolve(problem, everyone, strategy, engines=engines)
        fewer.append(time.perf_counter())

    await asyncio.gather(*(place() for _ in range(IN_FLIGHT)))
    await engines.close()
    calls, end, begin = noting.calls, min(fewer), noting.calls[0].sent
    for call in calls:
        call.prompt = encoder.prompt(call.request.messages, call.request.prefix).ids
    speed = sum(call.within(end) for call in calls) / (end - begin)
    rows = sum(call.seconds(end) * call.request.n for call in calls) / (end - begin)
    return Searched(calls, speed, rows)


async def alone(engine: Engine, calls: Sequence[Call]) -> float:
    """Return the tokens a second of the engine that is given all requests at once."""

    async def one(call: Call) -> int:
        if call.texts:
            await engine.score(call.request, call.texts)
            return 1
        sampling = replace(call.request.sampling, max_tokens=call.longest, stop=())
        done = await engine.complete(replace(call.request, sampling=sampling))
        return sum(completion.usage.completion for completion in done)

    started = time.perf_counter()
    written = sum(await asyncio.gather(*map(one, calls)))
    return written / (time.perf_counter() - started)


async def measure(
    make: Callable[[], Engine],
    encoder: Encoder,
    block: int,
    problems: Sequence[cg.tasks.Problem],
    rounds: int,
) -> AsyncIterator[dict[str, float | str]]:
    """Yield the medians of each search, as they come."""
    engine = make()
    await engine.complete(_warm_up())
    for name, strategy in STRATEGIES.items():
        rows: list[dict[str, float]] = []
        for _ in range(rounds):
            engine = await emptied(engine, make)
            before = processor_seconds()
            calls, speed, under_way = await search(engine, encoder, strategy, problems)
            worked = processor_seconds() - before
            engine = await emptied(engine, make)
            before = processor_seconds()
            bare = await alone(engine, calls)
            worked_alone = processor_seconds() - before
            cached = sum(call.cached for call in calls)
            ideal = served_by_an_ideal_cache(calls, block)
            rows.append(
                {
                    "requests": len(calls),
                    "prompt_tokens": sum(len(call.prompt) for call in calls),
                    "cached": cached,
                    "ideal": ideal,
                    "cache_ratio": cached / ideal,
                    "under_way": under_way,
                    "tokens_per_second": speed,
                    "alone": bare,
                    "throughput_ratio": speed / bare,
                    "processor_seconds": worked,
                    "processor_seconds_alone": worked_alone,
                    "processor_ratio": worked_alone / worked,
                }
            )
        yield {"search": name} | {key: statistics.median(r[key] for r in rows) for key in rows[0]}
    await engine.close()


def processor_seconds() -> float:
    """Return what this process and those it started have used of the processors."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(spent.user + spent.system for spent in times)


def _warm_up() -> Request:
    message = cg.inference.Message("user", "Warm up.")
    return Request(messages=(message,), sampling=cg.inference.Sampling(max_tokens=4), n=8)


async def emptied(engine: Engine, make: Callable[[], Engine]) -> Engine:
    """Return the engine, or another like it, with an empty cache, ready."""
    if isinstance(engine, VLLM):
        await engine.reload_weights()
        return engine
    await engine.close()
    fresh = make()
    await fresh.complete(_warm_up())
    return fresh


def maker(which: Literal["hf", "vllm"], folder: Path, cache: int) -> Callable[[], Engine]:
    if which == "hf":
        return lambda: HF(
            folder, max_rows=IN_FLIGHT, max_tokens_in_memory=65_536, prefix_tokens=cache
        )
    return lambda: VLLM(folder, max_rows=IN_FLIGHT, cache_gib=2.0, adapter_slots=0)


def show(row: dict[str, float | str], which: Literal["hf", "vllm"]) -> None:
    print(f"{row['search']}: {row['requests']} requests")
    print(f"  prompt tokens          {row['prompt_tokens']:10.0f}")
    print(f"  from the cache         {row['cached']:10.0f}   (ideal: {row['ideal']:.0f})")
    print(f"  ratio                  {row['cache_ratio']:10.3f}   (wanted: {SHARED} or more)")
    print(f"  asked for at a time    {row['under_way']:10.1f}   (the engine's rows: {IN_FLIGHT})")
    print(f"  tokens a second        {row['tokens_per_second']:10.1f}")
    print(f"  the engine alone       {row['alone']:10.1f}")
    wanted = f"(wanted: {FULL[which]} or more)"
    print(f"  ratio                  {row['throughput_ratio']:10.3f}   {wanted}")
    spent = f"({row['processor_seconds']:.1f} s, alone {row['processor_seconds_alone']:.1f} s)"
    print(f"  by processor time      {row['processor_ratio']:10.3f}   {spent}", flush=True)


async def run(options: argparse.Namespace, folder: Path) -> None:
    source = ensure_embedded()
    if options.model == "tiny":
        source = tiny(source, folder / "tiny")
    (folder / "endless").mkdir()
    model = endless(source, folder / "endless")
    problems = list(cg.tasks.load(f"reasoning_gym/gsm_symbolic?size={options.problems}&seed=1"))
    make = maker(options.engine, model, options.cache)
    rows = []
    async for row in measure(
        make, Encoder(model), BLOCKS[options.engine], problems, options.rounds
    ):
        rows.append(row)
        if not options.json:
            show(row, options.engine)
    if options.json:
        wanted = {"cache_ratio": SHARED, "throughput_ratio": FULL[options.engine]}
        print(json.dumps({"engine": options.engine, "wanted": wanted, "searches": rows}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the prefix cache under tree searches.")
    parser.add_argument("--engine", choices=("hf", "vllm"), default="vllm")
    parser.add_argument("--model", choices=("tiny", "smollm2-135m"), default="tiny")
    parser.add_argument("--problems", type=int, default=3 * IN_FLIGHT, help="how many (96)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side runs (1)")
    parser.add_argument("--cache", type=int, default=65_536, help="tokens that hf keeps (65536)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, Path(folder)))


if __name__ == "__main__":
    main()
