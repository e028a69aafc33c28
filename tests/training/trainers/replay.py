"""A sampler for tests of trainers that sample as they train."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cogitate.training import CurrentWeights, Rollout
from cogitate.training.rows import PromptRow


@dataclass
class Replay:
    """A sampler that says the same things in turns, and remembers what it was asked."""

    replies: Sequence[Rollout]
    asked: list[tuple[list[PromptRow], CurrentWeights]] = field(default_factory=list)
    seen: Callable[[CurrentWeights], None] = lambda weights: None
    closed: bool = False

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        self.asked.append((list(starts), weights))
        self.seen(weights)
        return [self.replies[i % len(self.replies)] for i in range(len(starts))]

    async def close(self) -> None:
        self.closed = True
