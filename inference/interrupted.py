"""A request for several samples that failed when some had already come: those are kept, not redone.

An engine that needs several calls for one request raises `Interrupted` with what it has; `Retry`
asks for the rest alone. To everyone else it is the `EngineUnavailable` that caused it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cogitate.errors import EngineUnavailable
from cogitate.inference.completion import Completion
from cogitate.inference.request import Request

__all__ = ["Interrupted", "only", "share_prompt"]


class Interrupted(EngineUnavailable):
    """Unavailable after some samples had come.

    Attributes:
        samples: The completions that came, by their place in the request.
    """

    def __init__(self, cause: EngineUnavailable, samples: Mapping[int, Completion]) -> None:
        super().__init__(str(cause), retry_after=cause.retry_after)
        self.samples = samples


def only(request: Request, places: Sequence[int]) -> Request:
    """Return `request` for the samples at `places` alone.

    Example:
        >>> only(Request(messages=(), n=3, sample=4), [0, 2]).sample_numbers
        (4, 6)
    """
    if len(places) == request.n:
        return request
    numbers = tuple(request.sample_numbers[place] for place in places)
    return replace(request, n=len(numbers), sample=numbers[0], numbers=numbers)


def share_prompt(completions: Sequence[Completion]) -> list[Completion]:
    """Count the prompt with the first completion alone: the n samples of an ask share one.

    Money is left with the completion whose call cost it.
    """
    counted = max(completions, key=lambda completion: completion.usage.prompt).usage
    return [
        replace(
            completion,
            usage=replace(
                completion.usage,
                prompt=0 if i else counted.prompt,
                cached=0 if i else counted.cached,
            ),
        )
        for i, completion in enumerate(completions)
    ]
