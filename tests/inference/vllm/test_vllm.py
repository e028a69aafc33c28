import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from cogitate.errors import ConfigError, EngineRefused, EngineUnavailable
from cogitate.inference import HF, VLLM, Completion, Engine, Message, Prefix, Request, Sampling

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core

T = TypeVar("T")
Lend = Callable[..., VLLM]
LONG = "The prefix that many branches share goes on for a good while. " * 4
BLOCK = 32


def ask(
    content: str = "Think.",
    *,
    temperature: float = 0.0,
    tokens: int = 12,
    stop: tuple[str, ...] = (),
    n: int = 1,
    prefix: Prefix | None = None,
    adapter: str | None = None,
    schema: str | None = None,
) -> Request:
    return Request(
        messages=(Message("user", content),),
        sampling=Sampling(temperature=temperature, max_tokens=tokens, stop=stop),
        n=n,
        prefix=prefix,
        adapter=adapter,
        schema=schema,
    )


def use(engine: Engine, asks: Callable[[], Awaitable[T]]) -> T:
    async def whole() -> T:
        try:
            return await asks()
        finally:
            await engine.close()

    return asyncio.run(whole())


async def together(engine: Engine, requests: list[Request]) -> list[Completion]:
    answers = await asyncio.gather(*map(engine.complete, requests))
    return [completion for answer in answers for completion in answer]


def logprobs_of(folder: Path, completion: Completion, heat: float) -> list[float]:
    """What transformers says of the same tokens."""
    import torch
    from transformers import LlamaForCausalLM

    assert completion.prompt_ids is not None and completion.token_ids is not None
    whole = torch.tensor([completion.prompt_ids + completion.token_ids])
    model = LlamaForCausalLM.from_pretrained(folder)
    with torch.inference_mode():
        logprobs_TV = torch.log_softmax(model(whole).logits[0] / heat, dim=-1)
    first = len(completion.prompt_ids) - 1
    return [float(logprobs_TV[first + i, token]) for i, token in enumerate(completion.token_ids)]


def agreed(prompts: Sequence[Completion]) -> int:
    """The tokens that all their prompts begin with."""
    columns = zip(*(completion.prompt_ids or () for completion in prompts), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))


def saved_model(base: Path, folder: Path, seed: int, **changes: int) -> Path:
    """A Llama like the one in `base` with other weights, and none of its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(base)
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def saved_adapter(
    base: Path, folder: Path, seed: int, *, rank: int = 4, layers: tuple[str, ...] = ()
) -> str:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    layers = layers or ("q_proj", "down_proj")
    config = LoraConfig(r=rank, target_modules=list(layers), task_type="CAUSAL_LM")
    tuned = get_peft_model(LlamaForCausalLM.from_pretrained(base), config)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    tuned.save_pretrained(str(folder))
    return str(folder)


def test_greedy_tokens_and_log_probs_are_those_of_transformers(
    lent_vllm: Lend, tiny_llama: Path
) -> None:
    engine, other = lent_vllm(), HF(tiny_llama)
    requests = [ask("Think."), ask(LONG), ask(prefix=Prefix("First,"))]
    found = use(engine, lambda: together(engine, requests))
    expected = use(other, lambda: together(other, requests))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.prompt_ids == theirs.prompt_ids
        assert ours.token_ids == theirs.token_ids
        assert ours.text == theirs.text
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)


def test_log_probs_are_at_the_sampling_temperature(lent_vllm: Lend, tiny_llama: Path) -> None:
    engine = lent_vllm()
    (completion,) = use(engine, lambda: engine.complete(ask(temperature=0.5)))
    expected = logprobs_of(tiny_llama, completion, 0.5)
    assert list(completion.logprobs or ()) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("worn", [False, True])
@pytest.mark.parametrize("texts", [["yes", "no, never", "y"], ["yes " * 30, "n" * 100], ["y"]])
def test_a_score_is_that_of_transformers_however_long_the_text(
    lent_vllm: Lend, tiny_llama: Path, tmp_path: Path, texts: list[str], worn: bool
) -> None:
    adapter = saved_adapter(tiny_llama, tmp_path / "adapter", 1)
    engine, other = lent_vllm(), HF(tiny_llama)
    request = ask(LONG, adapter=adapter if worn else None)
    found = use(engine, lambda: engine.score(request, texts))
    expected = use(other, lambda: other.score(request, texts))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
        assert ours.usage.prompt == theirs.usage.prompt


def test_a_score_of_short_texts_takes_its_prompt_from_the_cache(lent_vllm: Lend) -> None:
    engine = lent_vllm()

    async def asks() -> None:
        (whole,) = await engine.complete(ask(LONG))
        first, *_ = await engine.score(ask(LONG), ["yes", "no"])
        assert first.usage.cached == (whole.usage.prompt - 1) // BLOCK * BLOCK

    use(engine, asks)


def test_the_ids_of_a_begun_reply_are_never_encoded_again(lent_vllm: Lend) -> None:
    engine = lent_vllm()
    odd = (84, 104, 300 % 259, 101)  # no tokenizer would write this text so
    (completion,) = use(engine, lambda: engine.complete(ask(prefix=Prefix("anything", odd))))
    assert completion.prompt_ids is not None and completion.prompt_ids[-4:] == odd


def test_the_stop_string_that_ended_a_completion_is_named(lent_vllm: Lend) -> None:
    engine = lent_vllm()

    async def asks() -> tuple[Completion, Completion]:
        (whole,) = await engine.complete(ask(tokens=24))
        stops = ("never said", whole.text[4:6])
        (cut,) = await engine.complete(ask(tokens=24, stop=stops))
        return whole, cut

    whole, cut = use(engine, asks)
    assert cut.stop == whole.text[4:6]
    assert cut.finish == "stop"
    assert cut.text == whole.text[:4]
    assert len(cut.token_ids or ()) == 6  # this tokenizer's tokens are bytes: the stop is in them


def test_a_reply_follows_its_schema(lent_vllm: Lend) -> None:
    schema = {
        "type": "object",
        "properties": {"accept": {"type": "boolean"}},
        "required": ["accept"],
        "additionalProperties": False,
    }
    engine = lent_vllm()
    held = ask(temperature=1.0, tokens=60, n=4, schema=json.dumps(schema))
    for completion in use(engine, lambda: engine.complete(held)):
        if completion.finish == "stop":
            assert isinstance(json.loads(completion.text)["accept"], bool)
        else:
            assert completion.text.lstrip().startswith("{")


def test_a_schema_that_is_none_is_refused_and_harms_nobody(lent_vllm: Lend) -> None:
    engine = lent_vllm()

    async def asks() -> None:
        with pytest.raises(EngineRefused, match="Change it"):
            await engine.complete(ask(schema='{"type": "nonsense"}'))
        assert len(await engine.complete(ask())) == 1

    use(engine, asks)


def test_prompts_that_begin_alike_share_whole_blocks(lent_vllm: Lend) -> None:
    engine = lent_vllm()
    begun = f"{os.getpid()} {time.time()} {LONG}"

    async def asks() -> list[Completion]:
        requests = [ask(begun), ask(begun), ask(begun + "!" * 40)]
        return [(await engine.complete(request))[0] for request in requests]

    first, second, third = use(engine, asks)
    assert first.usage.cached == 0
    assert second.usage.cached == (second.usage.prompt - 1) // BLOCK * BLOCK
    assert third.usage.cached == agreed([first, third]) // BLOCK * BLOCK


def test_branches_that_start_together_share_what_the_first_computes(lent_vllm: Lend) -> None:
    engine = lent_vllm()
    begun = f"{os.getpid()} {time.time()} {LONG}"
    branches = [ask(begun, prefix=Prefix(f"{i}")) for i in range(8)]
    found = use(engine, lambda: together(engine, branches))
    assert sum(c.usage.cached for c in found) == 7 * (agreed(found) // BLOCK * BLOCK)


def test_two_adapters_and_the_base_in_one_batch_answer_as_transformers_does(
    lent_vllm: Lend, tiny_llama: Path, tmp_path: Path
) -> None:
    one = saved_adapter(tiny_llama, tmp_path / "one", 1)
    other = saved_adapter(tiny_llama, tmp_path / "other", 2)
    requests = [ask(LONG, adapter=name) for name in (None, one, other, one, None)]
    engine, expected = lent_vllm(), HF(tiny_llama)
    found = use(engine, lambda: together(engine, requests))
    wanted = use(expected, lambda: together(expected, requests))
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
        assert ours.adapter_revision == theirs.adapter_revision
    assert len({completion.token_ids for completion in found}) == 3


def test_an_adapter_that_was_trained_again_is_loaded_again(
    lent_vllm: Lend, tiny_llama: Path, tmp_path: Path
) -> None:
    engine = lent_vllm()

    async def asks() -> list[Completion]:
        folder = saved_adapter(tiny_llama, tmp_path / "a", 11)
        (before,) = await engine.complete(ask(LONG, adapter=folder))
        (again,) = await engine.complete(ask(LONG, adapter=folder))
        saved_adapter(tiny_llama, tmp_path / "a", 12)
        (after,) = await engine.complete(ask(LONG, adapter=folder))
        return [before, again, after]

    before, again, after = use(engine, asks)
    assert before.token_ids == again.token_ids != after.token_ids
    assert before.adapter_revision == again.adapter_revision != after.adapter_revision
    assert again.usage.cached > 0 == after.usage.cached  # another adapter's blocks are others


@pytest.mark.parametrize(
    ("changes", "rank", "layers", "message"),
    [
        ({"hidden_size": 64, "head_dim": 16}, 4, (), "does not fit"),  # smaller: it would go in
        ({}, 16, (), "adapter_rank"),
        ({}, 4, ("lm_head",), "CPU build cannot"),
        (None, 4, (), "adapter_config"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused_and_changes_nothing(
    lent_vllm: Lend,
    tiny_llama: Path,
    tmp_path: Path,
    changes: dict[str, int] | None,
    rank: int,
    layers: tuple[str, ...],
    message: str,
) -> None:
    adapter = str(tmp_path / "none")
    if changes is not None:
        base = saved_model(tiny_llama, tmp_path / "base", 0, **changes)
        adapter = saved_adapter(base, tmp_path / "bad", 1, rank=rank, layers=layers)
    engine = lent_vllm()

    async def asks() -> None:
        (before,) = await engine.complete(ask())
        with pytest.raises(ConfigError, match=message):
            await engine.complete(ask(adapter=adapter))
        (after,) = await engine.complete(ask())
        assert before.token_ids == after.token_ids

    use(engine, asks)


def test_weights_are_replaced_while_the_model_runs(
    lent_vllm: Lend, tiny_llama: Path, tmp_path: Path
) -> None:
    new = saved_model(tiny_llama, tmp_path / "new", 5)
    adapter = saved_adapter(tiny_llama, tmp_path / "adapter", 1)
    engine = lent_vllm()

    async def asks() -> None:
        (before,) = await engine.complete(ask(LONG))
        reloading = asyncio.create_task(engine.reload_weights(new))
        meanwhile = []
        while not reloading.done():
            meanwhile.append(asyncio.create_task(engine.complete(ask(LONG))))
            await asyncio.sleep(0.01)
        await reloading
        (after,) = await engine.complete(ask(LONG))
        assert before.revision != after.revision == engine.info.revision
        assert list(after.logprobs or ()) == pytest.approx(logprobs_of(new, after, 1.0), abs=1e-3)
        wrote = {before.revision: before.token_ids, after.revision: after.token_ids}
        assert wrote[before.revision] != wrote[after.revision]
        for (completion,) in await asyncio.gather(*meanwhile):
            assert completion.token_ids == wrote[completion.revision]
        (worn,) = await engine.complete(ask(LONG, adapter=adapter))
        assert worn.token_ids != after.token_ids
        await engine.reload_weights()
        (back,) = await engine.complete(ask(LONG))
        assert (back.token_ids, back.revision) == (before.token_ids, before.revision)
        assert back.usage.cached == 0

    use(engine, asks)


def test_weights_of_another_model_are_refused_before_anything_changes(
    lent_vllm: Lend, tiny_llama: Path, tmp_path: Path
) -> None:
    wrong = saved_model(tiny_llama, tmp_path / "wrong", 5, intermediate_size=128)
    engine = lent_vllm()

    async def asks() -> None:
        (before,) = await engine.complete(ask())
        with pytest.raises(ConfigError, match="another model"):
            await engine.reload_weights(wrong)
        (after,) = await engine.complete(ask())
        assert (before.token_ids, before.revision) == (after.token_ids, after.revision)

    use(engine, asks)


def test_asks_that_nobody_waits_for_are_aborted_at_once(
    lent_vllm: Lend, running_vllm: "Core"
) -> None:
    engine = lent_vllm()

    def unfinished() -> int:
        running = running_vllm._engine
        assert running is not None
        return running.get_num_unfinished_requests()  # type: ignore[attr-defined]  # vLLM's own

    async def asks() -> None:
        tasks = [
            asyncio.create_task(engine.complete(ask(f"{i}", tokens=400, temperature=1.0, n=3)))
            for i in range(4)
        ]
        while unfinished() < 12:
            await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert unfinished() == 0

    use(engine, asks)


def test_a_model_that_vllm_cannot_run_is_refused_with_the_next_step(
    running_vllm: "Core", tiny_llama: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(tiny_llama, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["NobodyKnowsForCausalLM"], "model_type": "nobody-knows"}
    (folder / "config.json").write_text(json.dumps(config))
    engine = VLLM(folder, cache_gib=0.25)
    with pytest.raises(ConfigError, match="hf/ may run"):
        use(engine, lambda: engine.complete(ask()))


def test_a_process_that_died_is_started_again_and_all_end_with_the_engine(
    running_vllm: "Core", tiny_llama: Path
) -> None:
    import psutil

    def family() -> list[psutil.Process]:
        mine = psutil.Process().children(recursive=True)
        return [process for process in mine if "VLLM" in process.name()]

    there = set(family())
    engine = VLLM(tiny_llama, cache_gib=0.25, max_rows=4, adapter_slots=0)

    async def asks() -> None:
        (before,) = await engine.complete(ask())
        with pytest.raises(ConfigError, match="adapter_slots"):
            await engine.complete(ask(adapter="any"))
        first = set(family()) - there
        assert first
        under_way = asyncio.create_task(engine.complete(ask(tokens=480, temperature=1.0)))
        await asyncio.sleep(0.05)
        for process in first:
            process.kill()
        with pytest.raises(EngineUnavailable, match="died"):
            await under_way
        (after,) = await engine.complete(ask())
        assert before.token_ids == after.token_ids
        under_way = asyncio.create_task(engine.complete(ask(tokens=480, temperature=1.0)))
        await asyncio.sleep(0.05)
        await engine.close()
        with pytest.raises(EngineRefused, match="closed"):
            await under_way

    use(engine, asks)
    time.sleep(0.2)
    assert set(family()) <= there


SCRIPT = """
import asyncio, os, psutil, signal, sys
from cogitate.inference import VLLM, Message, Request

engine = VLLM(sys.argv[1], cache_gib=0.25, max_rows=4, adapter_slots=0)
(completion,) = asyncio.run(engine.complete(Request(messages=(Message("user", "Hi"),))))
print(completion.usage.completion, *(p.pid for p in psutil.Process().children(recursive=True)))
sys.stdout.flush()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_process_outlives_an_interpreter_that_did_not_close(
    running_vllm: "Core", tiny_llama: Path, tmp_path: Path
) -> None:
    import psutil

    script = tmp_path / "script.py"  # without a main guard, as in a notebook
    script.write_text(textwrap.dedent(SCRIPT))
    ends = {"left": 0, "killed": -signal.SIGKILL}
    begun = [
        subprocess.Popen(
            [sys.executable, str(script), str(tiny_llama), end],
            stdout=subprocess.PIPE,
            stderr=(tmp_path / end).open("w"),
            text=True,
        )
        for end in ends
    ]
    for process, (end, code) in zip(begun, ends.items(), strict=True):
        out, _ = process.communicate(timeout=500)
        assert process.returncode == code, (tmp_path / end).read_text()
        (line,) = out.splitlines()  # nothing of vLLM's own on standard output
        completion, *processes = map(int, line.split())
        assert completion >= 1 and len(processes) >= 2
        deadline = time.monotonic() + 20
        while any(map(psutil.pid_exists, processes)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(psutil.pid_exists, processes))


def test_the_kind_of_model_is_known_before_anything_starts(tiny_llama: Path) -> None:
    info = VLLM(tiny_llama, context=128).info
    assert (info.context, info.logprobs, info.scores, info.rates) == (128, True, True, None)
    assert info == replace(HF(tiny_llama).info, model=f"vllm/{tiny_llama}", context=128)
