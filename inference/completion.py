"""What a model answered: the text, the tokens exactly as sampled, and what they cost."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Completion", "FinishReason", "Rating", "Score", "Usage"]

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls. The n samples of one ask share one prompt: the first sample carries it.

    Example:
        >>> Usage(prompt=9, completion=3) + Usage(completion=4)
        Usage(prompt=9, cached=0, completion=7, calls=2, money=0.0)
    """

    prompt: int = 0
    """Prompt tokens, those found in a cache included."""
    cached: int = 0
    """Those prompt tokens that were found in a cache instead of computed."""
    completion: int = 0
    calls: int = 1
    """Sampled completions (or scored texts), however they were batched."""
    money: float = 0.0
    """In the currency of the engine's price table; 0 where there is none."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens, cached ones included."""
        return self.prompt + self.completion

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
            self.calls + other.calls,
            self.money + other.money,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled completion."""

    text: str
    """The reply: valid Unicode, without special tokens, stop string, prefix and reasoning block."""
    reasoning: str = ""
    """The model's reasoning block, where it or its server keeps one apart."""
    finish: FinishReason = "stop"
    """`length`: it was cut at `max_tokens` or at the end of the context."""
    stop: str | None = None
    """The stop string that ended it; None where the model ended its turn, or was cut."""
    usage: Usage = Usage()
    prompt_ids: tuple[int, ...] | None = None
    """The prompt as the model saw it, an assistant prefix included; None where it is unknown."""
    token_ids: tuple[int, ...] | None = None
    """The completion as sampled, end and stop tokens included; None where it is unknown."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each token of `token_ids`, at the sampling temperature."""
    model: str = ""
    revision: str = ""
    """Which weights: changes when the model's files change."""
    adapter: str | None = None
    adapter_revision: str = ""
    latency: float = 0.0
    """Seconds from the engine's receipt of the request to the last token."""


@dataclass(frozen=True, slots=True)
class Score:
    """The log-probability of a given text after a prompt."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """One for each token of `token_ids`, at temperature 1."""
    usage: Usage = Usage()

    @property
    def logprob(self) -> float:
        """The log-probability of the whole text."""
        return sum(self.logprobs)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a reward model thinks of a reply."""

    scores: tuple[float, ...]
    """In [0, 1]: one for each step of a process model, one for the whole of an outcome model."""
    usage: Usage = Usage()
    """One call; the tokens that were read count as prompt tokens."""
