"""Beam search over steps with a process verifier (Snell et al. 2024, arXiv:2408.03314), and DVTS.

Beam search: sample beams * expand first steps, let the verifier score each with all that leads to
it, keep the best `beams`, continue each by `expand` steps, and so on. The score of a path is that
of its last step; the answer is chosen as in the paper, by best-of-N weighted over what finished.

DVTS, diverse verifier tree search (Beeching, Tunstall, Rush 2024, "Scaling test-time compute"):
`beams` sub-trees that never compete. Each has `expand` first steps of its own and goes on with its
best child, so one high score cannot take all the places.

Departures: steps that say the same after the same beginning are one candidate. Solutions that end
early stay candidates and take no place in the beam, as in DVTS's published implementation. What is
open after `depth` steps is written to its end once, where the paper stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought, ThoughtKind

__all__ = ["DVTS", "BeamSearch"]


class _Scored(NamedTuple):
    thought: Thought
    score: float

    @property
    def open(self) -> bool:
        return self.thought.kind is ThoughtKind.STEP


@strategy(
    "beam-search",
    paper="Snell et al. 2024, arXiv:2408.03314",
    calls="2 * beams * (expand * depth + 1) at most, half of them verifications",
    pays="on hard problems with a verifier that can judge steps; else best-of-n is cheaper",
)
@dataclass(frozen=True)
class BeamSearch:
    """Keep the best partial solutions by the verifier's score, step by step.

    Args:
        beams: Partial solutions that are kept.
        expand: Steps that continue each of them.
        depth: Steps after which what is open is written to its end.
        separator: What ends a step; on a command line a blank line is `%0A%0A`.
        weighted: Sum scores over equivalent answers, as the paper does; else the highest wins.
    """

    beams: int = 4
    expand: int = 4
    depth: int = 8
    separator: str = "\n\n"
    weighted: bool = True

    def __post_init__(self) -> None:
        """Refuse a search without width, depth or steps."""
        _check(self)

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the best solution, or None where nothing was written."""
        found: list[_Scored] = []
        beam, width = [d.problem], self.beams * self.expand
        for _ in range(self.depth):
            grown = await gather(_grow(d, one, width, self.separator) for one in beam)
            children = list(chain.from_iterable(grown))
            found += [child for child in children if not child.open]
            beam = _best([child for child in children if child.open], self.beams)
            width = self.expand
        found += await _finish(d, beam)
        return await _choose(d, found, weighted=self.weighted)


@strategy(
    "dvts",
    paper="Beeching et al. 2024, Scaling test-time compute with open models (Hugging Face)",
    calls="2 * beams * (expand * depth + 1) at most, half of them verifications",
    pays="in place of beam search where its beams become alike, so with many beams",
)
@dataclass(frozen=True)
class DVTS:
    """Grow independent sub-trees, each from step to best step.

    Args:
        beams: Sub-trees.
        expand: Steps among which each chooses.
        depth: Steps after which what is open is written to its end.
        separator: What ends a step; on a command line a blank line is `%0A%0A`.
        weighted: Sum scores over equivalent answers; else the highest wins.
    """

    beams: int = 4
    expand: int = 4
    depth: int = 8
    separator: str = "\n\n"
    weighted: bool = True

    def __post_init__(self) -> None:
        """Refuse a search without width, depth or steps."""
        _check(self)

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the best solution of all sub-trees, or None where nothing was written."""
        found = await gather(self._tree(d, number) for number in range(self.beams))
        return await _choose(d, list(chain.from_iterable(found)), weighted=self.weighted)

    async def _tree(self, d: Deliberation, number: int) -> list[_Scored]:
        """Grow one sub-tree, which waits for no other, and return its solutions."""
        found: list[_Scored] = []
        node, first = d.problem, number * self.expand
        for depth in range(self.depth):
            children = await _grow(
                d, node, self.expand, self.separator, first=None if depth else first
            )
            found += [child for child in children if not child.open]
            if not children or not (best := max(children, key=lambda child: child.score)).open:
                return found
            node = best.thought
        return found + await _finish(d, [node])


def _check(search: BeamSearch | DVTS) -> None:
    if min(search.beams, search.expand, search.depth) < 1 or not search.separator:
        raise ConfigError(f"{search}: beams, expand and depth are at least 1, separator is a text")


async def _grow(
    d: Deliberation, parent: Thought, n: int, separator: str, *, first: int | None = None
) -> list[_Scored]:
    """Continue a partial solution in n ways and score what differs."""
    children: list[Thought] = []
    for child in await d.steps(n, parent, stop=(separator,), first=first):
        told = child.kind is ThoughtKind.STEP and child.text in [other.text for other in children]
        if child.text and not told:
            children.append(child)
    return await _score(d, children)


async def _finish(d: Deliberation, beam: Sequence[Thought]) -> list[_Scored]:
    async def finish(step: Thought) -> list[_Scored]:
        return await _score(d, [ended for ended in await d.finish(step) if ended.text])

    return list(chain.from_iterable(await gather(finish(step) for step in beam)))


async def _score(d: Deliberation, thoughts: Sequence[Thought]) -> list[_Scored]:
    scores = await gather(d.verify(thought) for thought in thoughts)
    return [_Scored(*pair) for pair in zip(thoughts, scores, strict=True)]


def _best(candidates: Sequence[_Scored], most: int) -> list[Thought]:
    """The highest scores; of equal ones the first."""
    ranked = sorted(candidates, key=lambda candidate: -candidate.score)
    return [candidate.thought for candidate in ranked[:most]]


async def _choose(d: Deliberation, found: Sequence[_Scored], *, weighted: bool) -> Thought | None:
    if not found:
        return None
    if weighted:
        thoughts, scores = zip(*found, strict=True)
        if (winner := (await d.vote(thoughts, weights=scores)).winner) is not None:
            return winner
    return _best(found, 1)[0]
