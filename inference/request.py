"""What is asked of a model: the messages, how to sample, and who asks for what.

A request is made once per ask and read by every layer, so its records are slotted and frozen. The
fields that change what a model would answer are `content`; the rest says where the answer belongs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from cogitate.errors import ConfigError

__all__ = ["Content", "Message", "Prefix", "Request", "Sampling"]


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of the assistant's reply, to be continued."""

    text: str
    token_ids: tuple[int, ...] | None = None
    """The ids as they were sampled. With them the text is never encoded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen and when a completion ends."""

    temperature: float = 0.7
    """0 means greedy. Log-probs are reported at this temperature (greedy: at 1)."""
    top_p: float = 1.0
    top_k: int | None = None
    max_tokens: int = 512
    """The most tokens one completion may have. Always finite: a budget reserves it."""
    stop: tuple[str, ...] = ()
    """A completion ends before the first of these; it is in the token ids and not in the text."""

    def __post_init__(self) -> None:
        """Refuse values that no engine could sample with."""
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature={self.temperature}: give a number of at least 0")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p={self.top_p}: give a number above 0 and at most 1")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k={self.top_k}: give at least 1, or None for all")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens={self.max_tokens}: give at least 1")
        if isinstance(self.stop, str) or "" in self.stop:
            raise ConfigError(f"stop={self.stop!r}: give a tuple of non-empty strings")


class Content(NamedTuple):
    """The part of a request that decides what a model would answer. Equal content may be merged."""

    messages: tuple[Message, ...]
    prefix: Prefix | None
    sampling: Sampling
    schema: str | None
    adapter: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A prompt that asks for `n` completions, and who asks for what."""

    messages: tuple[Message, ...]
    prefix: Prefix | None = None
    sampling: Sampling = Sampling()
    schema: str | None = None
    """A JSON schema (as JSON text) that the reply must follow, where the engine supports it."""
    adapter: str | None = None
    """A PEFT adapter: a name the engine knows, or a folder."""
    n: int = 1
    sample: int = 0
    """The number of the first of the n samples at this position."""
    numbers: tuple[int, ...] | None = None
    """The numbers of all n samples, where they do not simply run on from `sample`."""
    seed: int | None = None
    """The seed of the run. Engines that can, sample `sample` of `position` from it."""

    role: str = ""
    operation: str = ""
    agent: str = ""
    problem: str = ""
    """The id of the problem."""
    position: str = ""
    """Where in the thought graph the completions will stand."""

    def __post_init__(self) -> None:
        """Refuse a request for no sample."""
        if self.n < 1:
            raise ConfigError(f"n={self.n}: ask for at least one sample")

    @property
    def content(self) -> Content:
        """What decides the answer, as a hashable key."""
        return Content(self.messages, self.prefix, self.sampling, self.schema, self.adapter)

    @property
    def sample_numbers(self) -> tuple[int, ...]:
        """The numbers of the samples asked for, in order."""
        return self.numbers or tuple(range(self.sample, self.sample + self.n))

    def each(self) -> Iterator["Request"]:
        """Yield one request of n=1 for each sample asked for.

        Example:
            >>> [one.sample for one in Request(messages=(), n=3, sample=4).each()]
            [4, 5, 6]
        """
        if self.n == 1 and self.numbers is None:
            yield self
        else:
            for number in self.sample_numbers:
                yield replace(self, n=1, sample=number, numbers=None)
