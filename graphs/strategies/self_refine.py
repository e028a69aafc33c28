"""Self-Refine (Madaan et al. 2023, arXiv:2303.17651).

Draft, feedback, refinement with the whole history, until a stop rule holds:

1. the critic accepts;
2. a verifier scores the draft at or above `threshold` (asked only if one is given);
3. nothing improves: the refinement failed or repeats its draft, or `patience` rounds bring no
   higher score;
4. `rounds` refinements were made.

With a threshold the best-scored draft is returned, otherwise the last one.
"""

from dataclasses import dataclass

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["SelfRefine"]


@strategy(
    "self-refine",
    paper="Madaan et al. 2023, arXiv:2303.17651",
    calls="1 + 2 * rounds at most (plus 1 + rounds verifications with a threshold)",
    pays="where the critic sees errors that the generator makes; a weak critic does harm",
)
@dataclass(frozen=True)
class SelfRefine:
    """Draft, then critique and refine until the critic accepts."""

    rounds: int = 3
    """Refinements, at most."""
    threshold: float | None = None
    """A score at which a draft is good enough; None: no verifier is asked."""
    patience: int = 1
    """With a threshold: rounds without a higher score after which it stops."""

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.rounds < 0 or self.patience < 1:
            raise ConfigError(f"{self}: rounds is at least 0 and patience at least 1")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ConfigError(f"{self}: threshold is a score above 0 and at most 1, or None")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the accepted, the best-scored or the last draft."""
        draft = best = await d.generate()
        best_score, stale = await self._score(d, draft), 0
        history: list[tuple[Thought, Thought]] = []
        for _ in range(self.rounds):
            if self.threshold is not None and best_score >= self.threshold:
                break
            critique = await d.critique(draft)
            if critique.accepts:
                break
            refined = await d.refine(draft, critique, history=history)
            if not refined.text or refined.text.strip() == draft.text.strip():
                break
            history.append((draft, critique))
            draft, score = refined, await self._score(d, refined)
            if self.threshold is None or score > best_score:
                best, best_score, stale = draft, score, 0
            else:
                stale += 1
                if stale == self.patience:
                    break
        return best

    async def _score(self, d: Deliberation, draft: Thought) -> float:
        return 0.0 if self.threshold is None else await d.verify(draft)
