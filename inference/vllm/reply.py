"""From what vLLM sampled to what the caller is given."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cogitate.errors import EngineError, EngineUnavailable
from cogitate.inference.completion import Completion, FinishReason, Score, Usage
from cogitate.inference.engine import EngineInfo
from cogitate.inference.hf.encode import Encoder, Prompt
from cogitate.inference.request import Request
from cogitate.inference.text import before_stop, split_reasoning, valid_unicode
from cogitate.inference.vllm.library import Output, Sample

__all__ = ["Sampled", "completion", "following", "scores_by_context", "text_score"]

_OVERLAP = 8
"""Tokens of a begun reply that are decoded with its continuation: a token may be half a word."""


class Sampled(NamedTuple):
    """What came of one sample of a request."""

    output: Output
    info: EngineInfo
    """The model whose weights sampled it."""
    adapter_revision: str
    latency: float


def completion(
    sampled: Sampled, request: Request, prompt: Prompt, encoder: Encoder, *, first: bool
) -> Completion:
    """Return one sample as a completion.

    Args:
        sampled: What vLLM gave.
        request: What was asked.
        prompt: The prompt.
        encoder: The model's tokenizer.
        first: It is the request's first sample, which carries the prompt.

    Raises:
        EngineUnavailable: vLLM gave the request up.
        EngineError: The model's numbers overflowed.
    """
    output, info = sampled.output, sampled.info
    sample = output.outputs[0]
    if sample.finish_reason not in ("stop", "length"):
        raise EngineUnavailable(
            f"{info.model} gave a request up ({sample.finish_reason}): ask again"
        )
    ids = tuple(sample.token_ids)
    cached = min(output.num_cached_tokens or 0, len(prompt.ids))
    text, stop = _until_stop(sample, request, prompt, encoder)
    text, reasoning = split_reasoning(text, opened=prompt.reasons)
    finish: FinishReason = "length" if sample.finish_reason == "length" and not stop else "stop"
    return Completion(
        text=text,
        reasoning=reasoning,
        finish=finish,
        stop=stop,
        usage=Usage(
            prompt=len(prompt.ids) if first else 0,
            cached=cached if first else 0,
            completion=len(ids),
        ),
        prompt_ids=prompt.ids,
        token_ids=ids,
        logprobs=_logprobs(sample, info),
        model=info.model,
        revision=info.revision,
        adapter=request.adapter,
        adapter_revision=sampled.adapter_revision,
        latency=sampled.latency,
    )


def _until_stop(
    sample: Sample, request: Request, prompt: Prompt, encoder: Encoder
) -> tuple[str, str | None]:
    """Return the text before the stop string, and that string."""
    begun = prompt.ids[len(prompt.ids) - min(prompt.prefix, _OVERLAP) :]
    decoded = encoder.decode(sample.token_ids, after=begun)
    text, stop = before_stop(decoded, request.sampling.stop)
    if stop is None and isinstance(sample.stop_reason, str):
        return valid_unicode(sample.text), sample.stop_reason  # as vLLM decoded it
    return text, stop


def _logprobs(sample: Sample, info: EngineInfo) -> tuple[float, ...]:
    given = sample.logprobs or ()
    chosen = tuple(
        entry[token].logprob for token, entry in zip(sample.token_ids, given, strict=False)
    )
    if len(chosen) != len(sample.token_ids):
        raise EngineError(f"{info.model} gave no log-probabilities: this vLLM is not supported")
    if any(math.isnan(logprob) for logprob in chosen):
        raise EngineError("the model's numbers overflowed: use dtype='float32'")
    return chosen


def text_score(
    output: Output, text: str, ids: Sequence[int], prompt: Prompt, *, first: bool
) -> Score:
    """Return the score of a text that was given to the model after the prompt."""
    entries = (output.prompt_logprobs or ())[len(prompt.ids) :]
    values = tuple(entry[token].logprob for token, entry in zip(ids, entries, strict=True) if entry)
    if len(values) != len(ids) or any(math.isnan(value) for value in values):
        raise EngineError(f"the score of {text!r} is no number: use dtype='float32'")
    # The prompt is computed anew for each text, but it is one prompt.
    usage = Usage(prompt=(len(prompt.ids) if first else 0) + len(ids))
    return Score(text, tuple(ids), values, usage)


def following(given: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], dict[int, None]]:
    """Return, by what stands before them in a text, all tokens that follow there.

    Example:
        >>> following([(1, 2), (1, 3)])
        {(): {1: None}, (1,): {2: None, 3: None}}
    """
    found: dict[tuple[int, ...], dict[int, None]] = {}
    for ids in given:
        for i, token in enumerate(ids):
            found.setdefault(ids[:i], {})[token] = None
    return found


def scores_by_context(
    outputs: Mapping[tuple[int, ...], Output],
    texts: Sequence[str],
    given: Sequence[tuple[int, ...]],
    prompt: Prompt,
) -> list[Score]:
    """Return the scores of texts, token by token from the distribution that it was read off.

    Args:
        outputs: What came of the prompt and the beginning of a text, by that beginning.
        texts: The texts.
        given: Their tokens.
        prompt: What stands before them.
    """
    entries = {context: (o.outputs[0].logprobs or ({},))[0] for context, o in outputs.items()}
    cached = min(outputs[()].num_cached_tokens or 0, len(prompt.ids))
    done = []
    for i, (text, ids) in enumerate(zip(texts, given, strict=True)):
        values = tuple(entries[ids[:at]][token].logprob for at, token in enumerate(ids))
        if any(math.isnan(value) for value in values):
            raise EngineError(f"the score of {text!r} is no number: use dtype='float32'")
        first, held = (len(prompt.ids), cached) if i == 0 else (0, 0)
        done.append(Score(text, ids, values, Usage(prompt=first + len(ids), cached=held)))
    return done
