"""Particle filtering over steps, and particle Gibbs (Puri et al. 2025, arXiv:2502.01618).

Particles are partial solutions. At each step all of them are continued, weighted by the softmax
over particles of logit(verifier's score of the whole prefix), and resampled. The score tells of the
whole prefix, so weights are never accumulated over steps. A finished particle keeps its weight, is
carried along without calls, and competes with the others. The finished particle of highest score is
returned.

Particle Gibbs (`passes` > 1) is conditional SMC: each further pass retains one path, drawn by
weight from the last pass's final particles. It keeps its place at every step and may be resampled
too: what descends from it is continued anew from that step.

Departures: resampling is systematic (one random number a step, least variance), where the paper
draws each particle by itself. Scores are clipped to [1e-7, 1 - 1e-7] before the logit. What is open
after `depth` steps is written to its end and weighted once more. The best of all passes is
returned, where the authors' program returns that of the last. A failed reply has weight 0.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought, ThoughtKind

__all__ = ["ParticleFiltering", "logit", "softmax", "systematic"]

_LEAST = 1e-7


class _Particle(NamedTuple):
    thought: Thought
    logit: float
    """Of its whole prefix; minus infinity where the reply failed."""

    @property
    def ended(self) -> bool:
        return self.thought.kind is ThoughtKind.SOLUTION or not self.thought.text


@strategy(
    "particle-filtering",
    paper="Puri et al. 2025, arXiv:2502.01618",
    calls="2 * passes * particles * (depth + 1) at most, half of them verifications",
    pays="where the verifier of steps is imperfect: it samples what a beam would cut off",
)
@dataclass(frozen=True)
class ParticleFiltering:
    """Resample partial solutions in proportion to the odds that they are right.

    Args:
        particles: Partial solutions in each pass, a retained path included.
        depth: Steps after which what is open is written to its end.
        passes: 1 is particle filtering, more is particle Gibbs.
        separator: What ends a step; on a command line a blank line is `%0A%0A`.
    """

    particles: int = 8
    depth: int = 8
    passes: int = 1
    separator: str = "\n\n"

    def __post_init__(self) -> None:
        """Refuse a filter without particles, and passes that could change nothing."""
        if min(self.particles, self.depth, self.passes) < 1 or not self.separator:
            raise ConfigError(
                f"{self}: particles, depth and passes are at least 1, separator is a text"
            )
        if self.passes > 1 and self.particles < 2:
            raise ConfigError(f"{self}: further passes retain one particle, so give at least 2")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the final particle of highest score; of equal ones the first."""
        finals: list[_Particle] = []
        retained: list[Thought] = []
        for _ in range(self.passes):
            final = await self._filter(d, retained)
            finals += final
            [drawn] = _resample(final, 1, d.random.random())
            retained = _path(d, drawn.thought)
        return max(finals, key=lambda particle: particle.logit).thought

    async def _filter(self, d: Deliberation, retained: Sequence[Thought]) -> list[_Particle]:
        """One pass: the final particles, that of the retained path last."""
        free = self.particles - bool(retained)
        particles = [_Particle(d.problem, 0.0)] * free
        step = 0
        while True:
            step += 1
            particles = await self._extend(d, particles, last=step > self.depth)
            if retained:
                particles.append(await _weigh(d, retained[min(step, len(retained)) - 1]))
            if all(particle.ended for particle in particles):
                return particles
            particles = _resample(particles, free, d.random.random())

    async def _extend(
        self, d: Deliberation, particles: Sequence[_Particle], *, last: bool
    ) -> list[_Particle]:
        """Continue each particle; those that are at the same place ask together."""

        async def extend(particle: _Particle, n: int) -> list[_Particle]:
            if particle.ended:
                return [particle] * n
            if last:
                thoughts = await d.finish(particle.thought, n)
            else:
                thoughts = await d.steps(n, particle.thought, stop=(self.separator,))
            return await gather(_weigh(d, thought) for thought in thoughts)

        grown = await gather(extend(one, n) for one, n in Counter(particles).items())
        return list(chain.from_iterable(grown))


async def _weigh(d: Deliberation, thought: Thought) -> _Particle:
    return _Particle(thought, logit(await d.verify(thought)) if thought.text else -math.inf)


def _resample(particles: Sequence[_Particle], n: int, start: float) -> list[_Particle]:
    weights = softmax([particle.logit for particle in particles])
    return [particles[i] for i in systematic(weights, n, start)]


def _path(d: Deliberation, end: Thought) -> list[Thought]:
    """The thoughts of a finished chain, from the first step to the solution."""
    return [*d.graph.path(d.graph.parents(end)[0]), end] if end.text else []


def logit(score: float) -> float:
    """The logarithm of the odds of a score in [0, 1], clipped to be finite.

    Example:
        >>> logit(0.5), round(logit(0.8), 3), round(logit(1.0), 1)
        (0.0, 1.386, 16.1)
    """
    score = min(max(score, _LEAST), 1 - _LEAST)
    return math.log(score / (1 - score))


def softmax(logits: Sequence[float]) -> list[float]:
    """Weights that sum to one, in proportion to exp(logit); equal ones where all are -infinity.

    Example:
        >>> [round(w, 6) for w in softmax([logit(0.8), logit(0.5), -math.inf])]  # odds of 4 and 1
        [0.8, 0.2, 0.0]
    """
    top = max(logits)
    if top == -math.inf:
        return [1 / len(logits)] * len(logits)
    odds = [math.exp(one - top) for one in logits]
    total = math.fsum(odds)
    return [one / total for one in odds]


def systematic(weights: Sequence[float], n: int, start: float) -> list[int]:
    """Draw n indices by one random number: index i comes floor or ceil of n * weights[i] times.

    Args:
        weights: They sum to one.
        n: How many.
        start: Uniform in [0, 1).

    Example:
        >>> systematic([0.5, 0.3, 0.2], 4, 0.5)
        [0, 0, 1, 2]
    """
    drawn: list[int] = []
    reached = 0.0
    for index, weight in enumerate(weights):
        reached += weight
        while len(drawn) < n and start + len(drawn) < reached * n:
            drawn.append(index)
    possible = [index for index, weight in enumerate(weights) if weight > 0]
    return drawn + possible[-1:] * (n - len(drawn))  # where rounding leaves the sum below one
