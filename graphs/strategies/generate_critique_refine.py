"""Generate, critique, refine, k times over, then vote (MALT's inference, Motwani et al. 2024).

Each of k independent passes has one generation, one critique and one refinement (arXiv:2412.01928);
the majority of the k refined answers wins. The paper calls the critic "verifier": it writes text.
"""

from dataclasses import dataclass

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["GenerateCritiqueRefine"]


@strategy(
    "generate-critique-refine",
    paper="Motwani et al. 2024 (MALT), arXiv:2412.01928",
    calls="3k",
    pays="with roles that were trained for it; the evaluation of a MALT team",
)
@dataclass(frozen=True)
class GenerateCritiqueRefine:
    """Run k passes of generator, critic and refiner, and vote over the refined answers."""

    k: int = 3
    """Independent passes that vote."""

    def __post_init__(self) -> None:
        """Refuse an empty vote."""
        if self.k < 1:
            raise ConfigError(f"GenerateCritiqueRefine(k={self.k}): make at least one pass")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the majority's refinement, or the first where none has an answer."""
        drafts = await d.samples(self.k)
        refined = await gather(self._mend(d, draft) for draft in drafts)
        return (await d.vote(refined)).winner or refined[0]

    async def _mend(self, d: Deliberation, draft: Thought) -> Thought:
        return await d.refine(draft, await d.critique(draft))
