"""Self-Polish (Xi et al. 2023, arXiv:2305.14497).

Solve the problem, rewrite the problem to be clearer, solve that, and so on; stop when two
successive answers agree (by the task's equality) or after `rounds` rewritings. The original problem
stays in the graph, each rewriting hangs below the one before. Without agreement the most frequent
answer wins, as in the paper's voting variant.
"""

from dataclasses import dataclass

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought
from cogitate.tasks import same_answer

__all__ = ["SelfPolish"]


@strategy(
    "self-polish",
    paper="Xi et al. 2023, arXiv:2305.14497",
    calls="1 + 2 * rounds at most",
    pays="for badly put problems; rewriting by a weak model loses conditions",
)
@dataclass(frozen=True)
class SelfPolish:
    """Rewrite the problem until two successive answers agree."""

    rounds: int = 3
    """Rewritings of the problem, at most."""

    def __post_init__(self) -> None:
        """Refuse a negative number of rounds."""
        if self.rounds < 0:
            raise ConfigError(f"SelfPolish(rounds={self.rounds}): give at least 0")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the solution whose answer was confirmed, or else the majority's."""
        problem, solutions = d.problem, [await d.generate()]
        for _ in range(self.rounds):
            polished = await d.polish(problem)
            if not polished.text.strip():
                break
            problem = polished
            solutions.append(await d.generate(problem))
            before, now = solutions[-2].answer, solutions[-1].answer
            if before is not None and now is not None and await same_answer(d.task, before, now):
                return solutions[-1]
        return (await d.vote(solutions)).winner or solutions[0]
