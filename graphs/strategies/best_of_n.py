"""Best-of-N, or rejection sampling by a verifier (Cobbe et al. 2021, arXiv:2110.14168).

Sample n solutions, score each, return the best. Weighted form (Li et al. 2022, arXiv:2206.02336):
scores are summed over equivalent answers, and the answer with the largest sum wins.
"""

from dataclasses import dataclass

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["BestOfN"]


@strategy(
    "best-of-n",
    paper="Cobbe et al. 2021, arXiv:2110.14168; weighted: Li et al. 2022, arXiv:2206.02336",
    calls="2n (n with a grader or function as verifier)",
    pays="where the verifier is better than chance; the baseline of every search",
)
@dataclass(frozen=True)
class BestOfN:
    """Sample n solutions and return the one that the verifier scores highest."""

    n: int = 8
    """Solutions to choose from."""
    weighted: bool = False
    """Sum the scores of equivalent answers; the answer with the largest sum wins."""

    def __post_init__(self) -> None:
        """Refuse a choice among nothing."""
        if self.n < 1:
            raise ConfigError(f"BestOfN(n={self.n}): sample at least one solution")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the best solution; of equal ones the first."""
        solutions = await d.samples(self.n)
        scores = await gather(d.verify(solution) for solution in solutions)
        if self.weighted:
            ballot = await d.vote(solutions, weights=scores)
            if ballot.winner is not None:
                return ballot.winner
        return solutions[scores.index(max(scores))]
