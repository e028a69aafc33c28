"""Universal self-consistency (Chen et al. 2023, arXiv:2311.17311).

Sample n responses, show a model all of them and have it name the most consistent one; so it works
for free text too. Where its reply names none of them, the majority decides, and the graph shows
the reply that failed.
"""

from dataclasses import dataclass

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["UniversalSelfConsistency"]


@strategy(
    "universal-self-consistency",
    paper="Chen et al. 2023, arXiv:2311.17311",
    calls="n + 1",
    pays="for free text, where answers cannot be compared by a rule",
)
@dataclass(frozen=True)
class UniversalSelfConsistency:
    """Sample n responses and have a model name the one that agrees best with the others."""

    n: int = 8
    """Responses to choose from."""

    def __post_init__(self) -> None:
        """Refuse a choice among nothing."""
        if self.n < 1:
            raise ConfigError(f"UniversalSelfConsistency(n={self.n}): sample at least one response")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the response that was named, or the majority's where none was."""
        responses = await d.samples(self.n)
        if len(responses) == 1:
            return responses[0]
        choice = await d.select(responses)
        if choice is not None:
            return responses[choice]
        return (await d.vote(responses)).winner or responses[0]
