"""From the rows that are done to what the caller is given."""

from collections.abc import Callable, Sequence

from cogitate.inference.completion import Completion, Score, Usage
from cogitate.inference.engine import EngineInfo
from cogitate.inference.hf.encode import Encoder, Prompt
from cogitate.inference.hf.row import Ask
from cogitate.inference.request import Request
from cogitate.inference.text import before_stop, split_reasoning

__all__ = ["completions", "scores", "stop_check"]

_OVERLAP = 8
"""Tokens of a begun reply that are decoded with its continuation: a token may be half a word."""


def completions(
    ask: Ask, request: Request, prompt: Prompt, encoder: Encoder, info: EngineInfo
) -> list[Completion]:
    """Return the completion of each row of an ask."""
    begun = prompt.ids[len(prompt.ids) - min(prompt.prefix, _OVERLAP) :]
    done = []
    for row in ask.rows:
        decoded = encoder.decode(row.ids, after=begun)
        text, stop = before_stop(decoded, request.sampling.stop)
        text, reasoning = split_reasoning(text, opened=prompt.reasons)
        first = row is ask.rows[0]
        completion = Completion(
            text=text,
            reasoning=reasoning,
            finish=row.finish or "length",
            stop=stop,
            usage=Usage(
                prompt=len(prompt.ids) if first else 0,
                cached=row.held if first else 0,
                completion=len(row.ids),
            ),
            prompt_ids=prompt.ids,
            token_ids=tuple(row.ids),
            logprobs=tuple(row.logprobs),
            model=info.model,
            revision=info.revision,
            adapter=request.adapter,
            adapter_revision=ask.adapter_revision,
            latency=row.latency,
        )
        done.append(completion)
    return done


def scores(ask: Ask, texts: Sequence[str], prompt: Prompt) -> list[Score]:
    """Return the score of each row of an ask; the first carries the prompt."""
    done = []
    for i, (text, row) in enumerate(zip(texts, ask.rows, strict=True)):
        first, cached = (len(prompt.ids), row.held) if i == 0 else (0, 0)
        usage = Usage(prompt=first + len(row.given), cached=cached)
        done.append(Score(text, row.given, tuple(row.logprobs), usage))
    return done


def stop_check(stops: Sequence[str], encoder: Encoder) -> Callable[[list[int]], bool]:
    """Return a function that says whether the last of some ids completes a stop string."""
    if not stops:
        return lambda _ids: False
    # a token is at least one byte, so this many end with every stop string that the last completes
    reach = max(len(stop.encode()) for stop in stops) + 4

    def ends(ids: list[int]) -> bool:
        text = encoder.decode(ids[-reach:])
        return any(stop in text for stop in stops)

    return ends
