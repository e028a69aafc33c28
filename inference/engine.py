"""The one protocol that every model, and every layer around a model, follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from cogitate.inference.completion import Completion, Rating, Score
from cogitate.inference.request import Request

__all__ = ["Engine", "EngineInfo", "Price"]


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in any currency."""

    prompt: float
    completion: float
    cached: float | None = None
    """For cached prompt tokens; None: as other prompt tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What is known of a model before it is asked anything."""

    model: str
    """As a user would name it: `provider/model`."""
    revision: str = ""
    context: int | None = None
    """Tokens of prompt and completion together; None where it is unknown."""
    parameters: int | None = None
    logprobs: bool = False
    """Completions carry the log-probability of each token."""
    scores: bool = False
    """`score` works."""
    rates: Literal["outcome", "process"] | None = None
    """`rate` works, and what it rates: the whole reply, or each step. None: no reward model."""
    price: Price | None = None


@runtime_checkable
class Engine(Protocol):
    """Something that completes prompts. Safe to call from many tasks of one event loop.

    Cancelling a call releases what it holds in the engine. Layers (retry, coalescing, a budget, a
    journal) are engines around an engine; `cogitate.inference.layers` states their order.
    """

    @property
    def info(self) -> EngineInfo:
        """What is known of the model; cheap, and loads no weights."""
        ...

    def count(self, request: Request) -> int | None:
        """The prompt tokens of `request` (its prefix included), or None: tokenizer unknown."""
        ...

    async def complete(self, request: Request) -> list[Completion]:
        """Sample `request.n` completions, in the order of the sample numbers.

        Raises:
            EngineUnavailable: It may work when tried again.
            EngineRefused: It will not work.
            PromptTooLong: Prompt and one token do not fit the model's context.
            ConfigError: The caller must change something first (no such model, no key).
        """
        ...

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """The log-probability of each of `texts` as the reply to `request`.

        Raises:
            EngineRefused: This engine cannot score (`info.scores` is False).
        """
        ...

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """How good a reply to `request.messages` is, as a reward model sees it.

        A process model rates each step by what stands up to its end, so a step's score depends on
        nothing after it.

        Args:
            request: The conversation before the reply; its prefix and sampling are not looked at.
            steps: The reply in pieces, in order; joined they are the whole of it.

        Returns:
            One score for each step where `info.rates` is `process`; one where it is `outcome`.

        Raises:
            EngineRefused: This engine is no reward model (`info.rates` is None); an empty step.
            PromptTooLong: The conversation and the reply do not fit the model's context.
        """
        ...

    async def close(self) -> None:
        """Release memory, threads and connections. A closed engine refuses requests."""
        ...
