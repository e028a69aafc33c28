"""What a response cost: its token counts shared out over its samples, and their price."""

from collections.abc import Sequence

from cogitate.inference.completion import Usage
from cogitate.inference.engine import Price
from cogitate.inference.openai.wire import Chat, Choice, prompt_bytes
from cogitate.inference.request import Request

__all__ = ["divide", "usages"]


def usages(chat: Chat, request: Request, price: Price | None) -> list[Usage]:
    """The usage of each choice; the first carries the prompt.

    A server counts the completion tokens of all choices together. They are shared out by the number
    of log-probs where those came, else by length, and always add up to what the server counted.
    A server that counts nothing is charged by UTF-8 bytes, which is an upper bound.
    """
    counted = chat.usage
    prompt = counted.prompt_tokens if counted else None
    if prompt is None:
        prompt = prompt_bytes(request)
    details = counted.prompt_tokens_details if counted else None
    cached = min(prompt, (details and details.cached_tokens) or 0)
    completions = _completions(chat, request)
    return [
        _priced(Usage(0 if i else prompt, 0 if i else cached, completion), price)
        for i, completion in enumerate(completions)
    ]


def _completions(chat: Chat, request: Request) -> list[int]:
    listed = [len(c.logprobs.content) for c in chat.choices if c.logprobs and c.logprobs.content]
    lengths = [_length(choice) for choice in chat.choices]
    total = chat.usage.completion_tokens if chat.usage else None
    exact = len(listed) == len(chat.choices)
    if total is None:
        return listed if exact else [min(n, request.sampling.max_tokens) for n in lengths]
    return divide(max(0, total), listed if exact else lengths)


def _length(choice: Choice) -> int:
    message = choice.message
    texts = (message.content, message.reasoning_content or message.reasoning, message.refusal)
    return 1 + sum(len(text.encode(errors="replace")) for text in texts if text)


def divide(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` into whole parts in proportion to positive weights, by largest remainders.

    Example:
        >>> divide(10, [1, 1, 1]), divide(7, [2, 5])
        ([4, 3, 3], [2, 5])
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _priced(usage: Usage, price: Price | None) -> Usage:
    if price is None:
        return usage
    cached = price.prompt if price.cached is None else price.cached
    millionths = (
        (usage.prompt - usage.cached) * price.prompt
        + usage.cached * cached
        + usage.completion * price.completion
    )
    return Usage(usage.prompt, usage.cached, usage.completion, usage.calls, millionths / 1_000_000)
