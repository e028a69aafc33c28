"""Direct prompting: one generation, the answer alone. The baseline of every comparison."""

from dataclasses import dataclass

from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["Direct"]


@strategy(
    "direct",
    calls="1",
    pays="for questions that need no steps; the cheapest baseline",
)
@dataclass(frozen=True)
class Direct:
    """Ask once for the answer alone."""

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the one reply."""
        return await d.generate(operation="direct")
