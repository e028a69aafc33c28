"""Self-consistency (Wang et al. 2022, arXiv:2203.11171).

Sample n chains, group them by equivalent answer (the task's own equality, not that of strings) and
return the largest group; ties go to the higher mean log-probability. Weighted forms: each chain
counts with its probability (the paper's normalised form, exp of the mean log-probability per token)
or with its verifier's score.
"""

import math
from dataclasses import dataclass
from typing import Literal

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["SelfConsistency"]


@strategy(
    "self-consistency",
    paper="Wang et al. 2022, arXiv:2203.11171",
    calls="n (2n with weight=verifier)",
    pays="where right answers agree and wrong ones scatter; needs no verifier",
)
@dataclass(frozen=True)
class SelfConsistency:
    """Sample n chains and vote over their answers."""

    n: int = 8
    """Chains that vote."""
    weight: Literal["count", "probability", "verifier"] = "count"
    """What a chain's vote weighs: one, its probability, or its score."""

    def __post_init__(self) -> None:
        """Refuse an empty vote."""
        if self.n < 1:
            raise ConfigError(f"SelfConsistency(n={self.n}): sample at least one chain")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the best chain of the largest group, or the first chain if none has an answer."""
        chains = await d.samples(self.n)
        ballot = await d.vote(chains, weights=await self._weights(d, chains))
        return ballot.winner or chains[0]

    async def _weights(self, d: Deliberation, chains: list[Thought]) -> list[float] | None:
        match self.weight:
            case "count":
                return None
            case "verifier":
                return await gather(d.verify(chain) for chain in chains)
            case "probability":
                if any(chain.logprob is None and chain.text for chain in chains):
                    raise ConfigError(
                        "weight='probability' needs log-probs: use an engine that gives them "
                        "(hf/, or openai/ with logprobs) or weight='count'"
                    )
                return [0.0 if c.logprob is None else math.exp(c.logprob) for c in chains]
