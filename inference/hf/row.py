"""The records of the running batch: an ask, and the rows that answer it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cogitate.inference.completion import FinishReason
from cogitate.inference.hf.prefix import BLOCK, block_keys
from cogitate.inference.request import Sampling

__all__ = ["Ask", "Row"]


@dataclass(slots=True, eq=False)
class Row:
    """One sample (or one text to score): a place in the batch."""

    ask: "Ask"
    prompt: tuple[int, ...]
    limit: int
    """The most tokens that may follow the prompt."""
    sampling: Sampling
    source: random.Random
    given: tuple[int, ...] = ()
    """The tokens to score, instead of sampling."""
    adapter: str = ""
    """The name of the adapter's weights in the model; empty: none."""
    root: bytes = b""
    """What keys and values depend on beside the tokens."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: FinishReason | None = None
    """Set when the row is done."""
    held: int = 0
    """Prompt tokens that needed no computing."""
    latency: float = 0.0
    keys: list[bytes] = field(default_factory=list)
    """The block keys of what is computed before the first token is sampled."""

    def rooted(self, adapter: str, root: bytes) -> None:
        """Note the adapter, on which all keys and values depend."""
        self.adapter = adapter
        self.root = root
        self.keys = block_keys(self.tokens, root)

    @property
    def tokens(self) -> tuple[int, ...]:
        """What is computed before the first token is sampled."""
        return self.prompt + self.given[:-1]

    @property
    def shareable(self) -> list[bytes]:
        """The blocks that may come from elsewhere: the prompt's last token is always computed."""
        return self.keys[: (len(self.prompt) - 1) // BLOCK]

    @property
    def reserve(self) -> int:
        """The tokens that the row may come to hold."""
        return len(self.prompt) + (len(self.given) or self.limit)

    def finished(self, finish: FinishReason) -> None:
        """Mark the row as done."""
        self.finish = finish
        self.latency = time.perf_counter() - self.ask.received


@dataclass(slots=True, eq=False)
class Ask:
    """A call of `complete` or `score` on its way through the worker."""

    settle: Callable[["Ask", Exception | None], None]
    """Called once, in the worker: all rows are done, or this went wrong."""
    ends: Callable[[list[int]], bool]
    """Whether the ids sampled so far end with a stop string."""
    adapter: str | None = None
    adapter_revision: str = ""
    rows: list[Row] = field(default_factory=list)
    received: float = field(default_factory=time.perf_counter)
    cancelled: bool = False
    settled: bool = False

    def check(self) -> None:
        """Settle when all rows are done."""
        if not self.settled and all(row.finish for row in self.rows):
            self.end(None)

    def end(self, error: Exception | None) -> None:
        """Settle, once."""
        if not self.settled:
            self.settled = True
            self.settle(self, error)
