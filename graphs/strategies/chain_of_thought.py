"""Chain of thought (Wei et al. 2022, arXiv:2201.11903; zero-shot: Kojima et al. 2022, 2205.11916).

One generation that is asked for steps and a marked final answer. With worked examples in the prompt
(`Agent.examples`, the default for small models) it is Wei's form, without them Kojima's. Departure:
Kojima asks a second time to extract the answer; here the first prompt asks to mark it.
"""

from dataclasses import dataclass

from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["ChainOfThought"]


@strategy(
    "chain-of-thought",
    paper="Wei et al. 2022, arXiv:2201.11903; Kojima et al. 2022, arXiv:2205.11916",
    calls="1",
    pays="where an answer takes several steps: nearly always better than direct",
)
@dataclass(frozen=True)
class ChainOfThought:
    """Ask once for steps and a marked final answer."""

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the one reply."""
        return await d.generate()
