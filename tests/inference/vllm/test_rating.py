"""Reward models on vLLM, beyond what `test_rating_contract` asks of every engine."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import pytest
from installed import needs_vllm

import cogitate as cg
from cogitate.errors import ConfigError, EngineError, EngineRefused
from cogitate.graphs import BeamSearch, ThoughtKind
from cogitate.inference import HF, VLLM, Engine, Message, Rating, Request, Scripted
from cogitate.inference.hf.reading import Reading
from cogitate.inference.vllm.rating import goodness, prompts, rating

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core

T = TypeVar("T")
Rates = Literal["outcome", "process"]
Lend = Callable[[Rates], VLLM]
Maker = Callable[..., Path]
STEPS = ("6 * 7 is 6 + 36.\n\n", "That is 42.\n\n", "Answer: 42")
BLOCK = 32


def ask(content: str = "What is 6 * 7?") -> Request:
    return Request(messages=(Message("user", content),))


def use(engine: Engine, asks: Callable[[], Awaitable[T]]) -> T:
    async def whole() -> T:
        try:
            return await asks()
        finally:
            await engine.close()

    return asyncio.run(whole())


def fresh(text: str = "") -> str:
    """A question that nobody has asked before, longer than a block."""
    return f"{os.getpid()} {time.time()} " + "Some words that many branches share. " * 3 + text


class Logits:
    def __init__(self, *values: float) -> None:
        self._values = list(values)

    def tolist(self) -> list[float]:
        return self._values


class Said(NamedTuple):
    data: Logits


class Pooled(NamedTuple):
    outputs: Said
    num_cached_tokens: int | None = None


def test_a_score_is_a_sigmoid_or_the_probability_of_the_last_label() -> None:
    assert goodness([0.8472978603872034]) == pytest.approx(0.7)  # log(7 / 3)
    assert goodness([1.0, 1.8472978603872034]) == pytest.approx(0.7)
    assert goodness([3.0, 3.0 - 0.8472978603872034]) == pytest.approx(0.3)
    assert goodness([-50.0]) == pytest.approx(1.9287498479639178e-22, rel=1e-9)  # and not 0
    assert (goodness([-1e4]), goodness([1e4]), goodness([1e4, 0.0])) == (0.0, 1.0, 0.0)


def test_each_step_is_a_prompt_that_ends_with_it_and_an_outcome_ends_before_padding() -> None:
    process = Reading((9, 8, 1, 2, 3), (2, 4))
    assert prompts(process, 3) == [(9, 8, 1), (9, 8, 1, 2, 3)]
    outcome = Reading((9, 3, 8, 3, 3), ())
    assert prompts(outcome, 3) == [(9, 3, 8)]
    assert prompts(outcome, None) == prompts(outcome, 7) == [(9, 3, 8, 3, 3)]


def test_a_rating_counts_the_tokens_once_and_refuses_what_is_no_number() -> None:
    reading = Reading(tuple(range(50)), (40, 49))
    first, last = Pooled(Said(Logits(0.0)), 32), Pooled(Said(Logits(0.0)), 0)
    found = rating(reading, [first, last])
    assert found.scores == (0.5, 0.5)
    assert (found.usage.prompt, found.usage.cached, found.usage.calls) == (50, 0, 1)
    with pytest.raises(EngineError, match="no number"):
        rating(reading, [first, Pooled(Said(Logits(float("nan"), 0.0)), 0)])


def test_an_outcome_is_read_where_transformers_reads_it(
    reward_model: Maker, tmp_path: Path
) -> None:
    """The template ends a turn with the token that the model is padded with."""
    folder = reward_model("outcome", 1)
    template = (
        "{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{% endif %}"
    )
    config = json.loads((folder / "config.json").read_text())
    config["pad_token_id"] = config["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    engine = HF(folder, chat_template=template)
    whole = use(engine, lambda: engine.rate(ask(), STEPS))
    from cogitate.inference.hf.encode import Encoder
    from cogitate.inference.hf.reading import Reader
    from cogitate.inference.vllm.head import padding

    reading = Reader(Encoder(folder, template), "outcome").read(ask().messages, STEPS)
    (read,) = prompts(reading, padding(folder))
    assert (len(reading.ids), len(read)) == (whole.usage.prompt, whole.usage.prompt - 1)
    import torch
    from transformers import LlamaForSequenceClassification

    config["pad_token_id"] = None  # then the last token is where it is read
    (folder / "config.json").write_text(json.dumps(config))
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        direct = [torch.sigmoid(model(torch.tensor([ids])).logits) for ids in (read, reading.ids)]
    assert whole.scores[0] == pytest.approx(float(direct[0]), abs=1e-5)
    assert abs(whole.scores[0] - float(direct[1])) > 1e-3


def edited(folder: Path, copy: Path, **changes: object) -> Path:
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return copy


def test_a_head_that_cannot_be_used_is_refused_before_vllm_starts(
    reward_model: Maker, tiny_llama: Path, tmp_path: Path
) -> None:
    headless = edited(
        tiny_llama, tmp_path / "headless", architectures=["LlamaForTokenClassification"]
    )
    three = reward_model("process", 3)
    for folder, says in ((headless, "lacks weights"), (three, "one or two")):
        engine = VLLM(folder)
        with pytest.raises(ConfigError, match=says):
            use(engine, lambda engine=engine: engine.rate(ask(), STEPS))  # type: ignore[misc]


def test_a_model_that_writes_rates_nothing(tiny_llama: Path) -> None:
    engine = VLLM(tiny_llama)
    with pytest.raises(EngineRefused, match="no reward model"):
        use(engine, lambda: engine.rate(ask(), STEPS))


def test_a_model_that_looks_both_ways_is_refused_by_name(
    rating_models: dict[Rates, Path], tmp_path: Path
) -> None:
    needs_vllm()
    engine = VLLM(edited(rating_models["process"], tmp_path / "both", is_causal=False))
    with pytest.raises(ConfigError, match=r"LlamaForSequenceClassification.*hf/"):
        use(engine, lambda: engine.rate(ask(), STEPS))


def test_a_model_that_vllm_does_not_know_is_refused_by_name(
    rating_models: dict[Rates, Path], tmp_path: Path
) -> None:
    needs_vllm()
    odd = edited(
        rating_models["outcome"],
        tmp_path / "odd",
        architectures=["NobodyKnowsForSequenceClassification"],
        model_type="nobody-knows",
    )
    engine = VLLM(odd)
    with pytest.raises(ConfigError, match="nobody-knows"):
        use(engine, lambda: engine.rate(ask(), STEPS))


@pytest.mark.parametrize("rates", ["outcome", "process"])
def test_scores_and_tokens_are_those_of_hf(
    lent_rater: Lend, rating_models: dict[Rates, Path], rates: Rates
) -> None:
    contents = ["a", "Grüße, 世界 🙂", *("x" * 30 * i for i in range(12))]

    async def together(engine: Engine) -> list[Rating]:
        return await asyncio.gather(*(engine.rate(ask(content), STEPS) for content in contents))

    ours, theirs = lent_rater(rates), HF(rating_models[rates])
    found, expected = use(ours, lambda: together(ours)), use(theirs, lambda: together(theirs))
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
        assert (one.usage.prompt, one.usage.calls) == (other.usage.prompt, other.usage.calls)


def test_what_a_path_has_been_read_for_is_not_computed_again(lent_rater: Lend) -> None:
    engine = lent_rater("process")
    question = fresh()

    async def asks() -> None:
        first = await engine.rate(ask(question), STEPS[:1])
        again = await engine.rate(ask(question), STEPS[:1])
        further = await engine.rate(ask(question), STEPS)
        assert first.usage.cached == 0
        assert again.usage.cached == (first.usage.prompt - 1) // BLOCK * BLOCK
        assert further.usage.cached == first.usage.prompt // BLOCK * BLOCK > 0
        assert again.scores == pytest.approx(first.scores, abs=1e-5)

    use(engine, asks)


def unfinished(core: "Core") -> int:
    running = core._engine
    assert running is not None
    return running.get_num_unfinished_requests()  # type: ignore[attr-defined]  # vLLM's own


def test_all_steps_of_all_branches_are_asked_at_once_and_aborted_when_nobody_waits(
    lent_rater: Lend, rating_cores: "Callable[[Rates], Core]"
) -> None:
    core = rating_cores("process")
    engine = lent_rater("process")

    async def until(n: int) -> None:
        while unfinished(core) != n:
            await asyncio.sleep(0.005)

    async def asks() -> None:
        await engine.rate(ask(), STEPS)
        running = core._engine
        assert running is not None
        await asyncio.wrap_future(core.submit(running.pause_generation(mode="keep")))  # type: ignore[attr-defined]  # vLLM's own
        tasks = [asyncio.create_task(engine.rate(ask(fresh(f"{i}")), STEPS)) for i in range(4)]
        await asyncio.wait_for(until(4 * len(STEPS)), 30)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait_for(until(len(STEPS)), 30)
        await asyncio.wrap_future(core.submit(running.resume_generation()))  # type: ignore[attr-defined]  # vLLM's own
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, Rating) and len(first.scores) == len(STEPS)
        assert all(isinstance(other, asyncio.CancelledError) for other in others)
        assert unfinished(core) == 0

    use(engine, asks)


def test_weights_of_a_reward_model_are_not_replaced_while_it_runs(lent_rater: Lend) -> None:
    engine = lent_rater("process")

    async def asks() -> None:
        before = await engine.rate(ask(), STEPS)
        with pytest.raises(EngineRefused, match="open the new folder"):
            await engine.reload_weights()
        after = await engine.rate(ask(), STEPS)
        assert after.scores == pytest.approx(before.scores, abs=1e-5)

    use(engine, asks)


@pytest.mark.parametrize(("rates", "labels"), [("process", 1), ("outcome", 2)])
def test_a_beam_search_is_led_as_by_hf(
    reward_model: Maker, rates: Rates, labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_vllm()
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    folder = reward_model(rates, labels)

    def reply(request: Request) -> str:
        if request.prefix and request.prefix.text.count("\n\n") == 2:
            return f"Answer: {40 + request.sample}"
        return f"Then {request.sample} of {len(request.messages[-1].content)}.\n\n"

    def search(engine: str) -> cg.graphs.Result:
        team = cg.Team(cg.Generator(Scripted(reply)), verifier=cg.Verifier(engine))
        return cg.solve("What is 6 * 7?", team, BeamSearch(beams=2, expand=3, depth=3))

    theirs, ours = search(f"hf/{folder}"), search(f"vllm/{folder}")
    assert ours.errors == theirs.errors == []
    assert ours.thought is not None and theirs.thought is not None
    assert ours.thought.text == theirs.thought.text
    found, expected = [
        {thought.id: thought.scores for thought in result.graph.thoughts()}
        for result in (ours, theirs)
    ]
    assert found.keys() == expected.keys()
    for thought, scores in expected.items():
        assert found[thought] == pytest.approx(scores, abs=1e-5)
    steps = list(ours.graph.thoughts(ThoughtKind.STEP))
    name = "prm" if rates == "process" else "orm"
    assert len(steps) > 6 and all(0 < step.scores[name] < 1 for step in steps)
    assert ours.usage.calls == theirs.usage.calls
    assert ours.usage.tokens == theirs.usage.tokens
