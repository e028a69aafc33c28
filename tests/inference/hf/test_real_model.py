"""The embedded model itself. `make` puts it in place; nothing here downloads."""

import asyncio
import math

import pytest
import torch
from transformers import LlamaForCausalLM

from cogitate.inference import HF, Completion, Message, Request, Sampling, Score
from cogitate.inference.hf.embedded import ensure_embedded

pytestmark = pytest.mark.model

QUESTION = Request(
    messages=(Message("user", "Which city is the capital of France? One word."),),
    sampling=Sampling(temperature=0, max_tokens=12),
    n=2,
)


@pytest.fixture(scope="module")
def answered() -> tuple[list[Completion], list[Score], HF]:
    async def asks() -> tuple[list[Completion], list[Score], HF]:
        engine = HF()
        try:
            completions = await engine.complete(QUESTION)
            return completions, await engine.score(QUESTION, ["Paris", "Potato"]), engine
        finally:
            await engine.close()

    return asyncio.run(asks())


def test_it_answers_a_question(answered: tuple[list[Completion], list[Score], HF]) -> None:
    (first, second), (paris, potato), engine = answered
    assert "Paris" in first.text
    assert first.finish == "stop"
    assert first.token_ids == second.token_ids
    assert paris.logprob > potato.logprob
    assert engine.info.parameters == 134_515_008
    assert engine.count(QUESTION) == first.usage.prompt


def test_its_tokens_and_log_probs_are_those_of_transformers(
    answered: tuple[list[Completion], list[Score], HF],
) -> None:
    completion = answered[0][0]
    prompt, sampled = list(completion.prompt_ids or ()), list(completion.token_ids or ())
    model = LlamaForCausalLM.from_pretrained(ensure_embedded()).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + sampled])).logits[0, len(prompt) - 1 : -1]
    assert logits.argmax(-1).tolist() == sampled
    logprobs = torch.log_softmax(logits, -1)
    assert completion.logprobs == pytest.approx(
        [float(logprobs[i, token]) for i, token in enumerate(sampled)], abs=1e-3
    )
    assert all(math.isfinite(logprob) for logprob in completion.logprobs or ())
