"""A tree of generations, their critiques and their refinements (MALT, Motwani et al. 2024).

n generations, n critiques of each, n refinements of each critique (arXiv:2412.01928): every thought
has siblings of one prompt and leaves below it, so that a value can be backed up to all of it and
siblings can be compared. The majority of the refined answers wins. Departure: the paper keeps the
tree to train on and never answers by it; its own inference is `generate-critique-refine`.
"""

from dataclasses import dataclass

from cogitate.agents import Passage
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["CritiqueTree"]


@strategy(
    "critique-tree",
    paper="Motwani et al. 2024 (MALT), arXiv:2412.01928",
    calls="n + n² + n³",
    pays="for training: every thought has a value and siblings; as a search it only costs",
)
@dataclass(frozen=True)
class CritiqueTree:
    """Generate n solutions, criticise each n times, refine each critique n times, and vote."""

    n: int = 3
    """Thoughts made from each; 3 are 39 calls."""

    def __post_init__(self) -> None:
        """Refuse an empty tree."""
        if self.n < 1:
            raise ConfigError(f"CritiqueTree(n={self.n}): make at least one generation")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the majority's refinement, or the first where none has an answer."""
        drafts = await d.samples(self.n)
        below = await gather(self._criticised(d, draft) for draft in drafts)
        refined = [thought for thoughts in below for thought in thoughts]
        return (await d.vote(refined)).winner or refined[0]

    async def _criticised(self, d: Deliberation, draft: Thought) -> list[Thought]:
        critiques = await d.ask("critique", [draft], n=self.n, work=[d.passage(draft)])
        below = await gather(self._refined(d, draft, critique) for critique in critiques)
        return [thought for thoughts in below for thought in thoughts]

    async def _refined(self, d: Deliberation, draft: Thought, critique: Thought) -> list[Thought]:
        work = [Passage("solution", draft.text), Passage("critique", critique.text)]
        return await d.ask("refine", [draft, critique], n=self.n, work=work)
