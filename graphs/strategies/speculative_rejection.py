"""Speculative rejection (Sun et al. 2024, arXiv:2410.20290).

Start n solutions; at each checkpoint let the verifier score what is written so far and stop the
lowest alpha-quantile of what still runs; write the rest to its end and return the best. Solutions
that ended before stay candidates. All running ones meet at each checkpoint: that is the method.

Each continuation asks its prompt and what it wrote again (engines find most of that in their
cache), and each checkpoint costs verifications. So checkpoints are far apart: the first after
`checkpoint` tokens, each next after `growth` times as many as the one before, the last where what
is left of the generator's `max_tokens` would not hold two more. With alpha = 1 - 1 / growth each
round writes about as many tokens as the first. Where a beginning says little of its end, later and
gentler checkpoints (`checkpoint=54&alpha=0.4&growth=1.1`) lose less and save less.

Departures: the paper puts a checkpoint where the GPU's memory is full; here they stand at numbers
of tokens, which no other search on the engine can shift. Of m running solutions those below the
quantile are stopped, ceil(alpha * (m - 1)) where it is interpolated, so at least one for any alpha
above 0; of equal scores the later ones, where the paper keeps all that score as the quantile does.
A last one that runs alone goes to its end without checkpoints.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought, ThoughtKind

__all__ = ["SpeculativeRejection"]


class _Scored(NamedTuple):
    thought: Thought
    score: float


@strategy(
    "speculative-rejection",
    paper="Sun et al. 2024, arXiv:2410.20290",
    calls="2n (1 + (1 - alpha) + (1 - alpha)^2 + ...) at most, half of them verifications",
    pays="in place of best-of-n where long solutions show early whether they are good",
)
@dataclass(frozen=True)
class SpeculativeRejection:
    """Best-of-n that stops the worst of the unfinished solutions at checkpoints.

    Args:
        n: Solutions that are started.
        alpha: The part of the running ones that each checkpoint stops, in [0, 1).
        checkpoint: Tokens before the first checkpoint.
        growth: How many times as many tokens until each next one, at least 1.
    """

    n: int = 16
    alpha: float = 0.5
    checkpoint: int = 32
    growth: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.n < 1 or self.checkpoint < 1:
            raise ConfigError(f"{self}: n and checkpoint are at least 1")
        if not (0 <= self.alpha < 1 and 1 <= self.growth < math.inf):
            raise ConfigError(f"{self}: alpha is at least 0 and below 1, growth at least 1")

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the best finished solution, of equal ones the first to end; None without any."""
        left = d.team.agent("generator").max_tokens
        ended: list[_Scored] = []
        running = [d.problem]
        for tokens in self._rounds(left):
            drafts = await self._continue(d, running, tokens)
            ended += [one for one in drafts if one.thought.kind is ThoughtKind.SOLUTION]
            running = self._survivors(
                [one for one in drafts if one.thought.kind is ThoughtKind.STEP]
            )
            left -= tokens
            if len(running) < 2:
                break
        ended += await self._continue(d, running, left, last=True)
        return max(ended, key=lambda one: one.score).thought if ended else None

    def _rounds(self, left: int) -> Iterator[int]:
        """The tokens before each checkpoint; what follows the last checkpoint is not among them."""
        tokens = self.checkpoint
        while tokens + (following := round(min(tokens * self.growth, left + 1))) <= left:
            yield tokens
            left -= tokens
            tokens = following

    def _survivors(self, running: Sequence[_Scored]) -> list[Thought]:
        """What a checkpoint lets run on, in the order in which it was started."""
        kept = len(running) - math.ceil(self.alpha * (len(running) - 1) - 1e-9)
        ranked = sorted(range(len(running)), key=lambda i: -running[i].score)
        return [running[i].thought for i in sorted(ranked[:kept])]

    async def _continue(
        self, d: Deliberation, running: Sequence[Thought], tokens: int, *, last: bool = False
    ) -> list[_Scored]:
        """Write on by so many tokens, and score what was written."""

        async def write(parent: Thought) -> list[_Scored]:
            n = self.n if parent is d.problem else 1
            if last:
                drafts = await d.finish(parent, n, max_tokens=tokens)
            else:
                drafts = await d.steps(n, parent, stop=(), max_tokens=tokens)
            drafts = [draft for draft in drafts if draft.text]
            scores = await gather(d.verify(draft) for draft in drafts)
            return [_Scored(*pair) for pair in zip(drafts, scores, strict=True)]

        return list(chain.from_iterable(await gather(write(parent) for parent in running)))
