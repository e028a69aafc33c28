"""pass@1, pass@k and maj@k from n samples of each problem, in expectation over all subsets.

    pass@k  1 - C(n - c, k) / C(n, k), where c of n samples are right: the chance that one of k is
            (Chen et al. 2021, arXiv:2107.03374, which shows why 1 - (1 - c/n)^k is biased)
    maj@k   the chance that a vote among k of the n samples is right. Votes are counted by the
            task's own equality; among the largest groups a tie is broken evenly; samples without an
            answer do not vote, and where none votes it is wrong. It is computed exactly, for any
            sizes, by counting subsets: nothing is drawn.

All of this holds for samples that are drawn independently, from one prompt: the final answers of
several episodes of one problem, or the solutions that one ask gave. The leaves of a tree search are
not such samples.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Episode, Thought, ThoughtGraph
from cogitate.tasks import Problem, group_answers
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.intervals import Interval, share_interval

__all__ = [
    "Passes",
    "Samples",
    "maj_at_k",
    "pass_at_k",
    "passes",
    "samples_of_episodes",
    "samples_of_graph",
    "tally",
]


class Samples(BaseModel):
    """What the samples of one problem came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    """Its id."""
    total: int
    right: int
    groups: tuple[tuple[int, bool], ...]
    """Votes and whether they are right, for each group of equal answers; samples without an answer
    are in none."""


class Passes(BaseModel):
    """The mean over problems, for one k."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int
    problems: int
    """With at least k samples."""
    left_out: int
    """Problems with fewer."""
    pass_at_k: FiniteFloat
    pass_interval: Interval
    """95%, over problems (Wilson; wide rather than narrow, for a mean of chances spreads less than
    one of zeros and ones)."""
    maj_at_k: FiniteFloat
    maj_interval: Interval


def pass_at_k(total: int, right: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k samples is right.

    Args:
        total: Samples that were drawn.
        right: How many of them are right.
        k: From 1 to `total`.

    Raises:
        ConfigError: Not 0 <= right <= total, or not 1 <= k <= total.

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    if not (0 <= right <= total and 1 <= k <= total):
        raise ConfigError(f"pass_at_k({total}, {right}, {k}): give right <= total, 1 <= k <= total")
    return float(1 - Fraction(math.comb(total - right, k), math.comb(total, k)))


def maj_at_k(samples: Samples, k: int) -> float:
    """Return the chance that a vote among k of the samples is right.

    Raises:
        ConfigError: Not 1 <= k <= samples.total.

    Example:
        >>> maj_at_k(Samples(problem="p", total=3, right=2, groups=((2, True), (1, False))), 2)
        0.6666666666666666
    """
    if not 1 <= k <= samples.total:
        raise ConfigError(f"maj_at_k(k={k}) of {samples.total} samples: give 1 <= k <= samples")
    silent = samples.total - sum(votes for votes, _ in samples.groups)
    won = sum(_won_with(samples.groups, silent, k, votes) for votes in range(1, k + 1))
    return float(won / math.comb(samples.total, k))


def _won_with(groups: Sequence[tuple[int, bool]], silent: int, k: int, winning: int) -> Fraction:
    """The subsets of size k whose largest groups have `winning` votes, each by its right share.

    A subset is made group by group. Groups that are smaller than `winning` may give any of their
    votes, so they are one pool together with the samples that do not vote.
    """
    pool = silent + sum(votes for votes, _ in groups if votes < winning)
    ways: Counter[tuple[int, int, int]] = Counter(
        {(taken, 0, 0): math.comb(pool, taken) for taken in range(min(pool, k) + 1)}
    )
    for votes, right in groups:
        if votes < winning:
            continue
        grown: Counter[tuple[int, int, int]] = Counter()
        for (taken, tied, tied_right), count in ways.items():
            for give in range(min(winning, k - taken) + 1):
                first = give == winning
                state = taken + give, tied + first, tied_right + (first and right)
                grown[state] += count * math.comb(votes, give)
        ways = grown
    return sum(
        (
            count * Fraction(tied_right, tied)
            for (taken, tied, tied_right), count in ways.items()
            if taken == k and tied
        ),
        Fraction(0),
    )


async def tally(problem: Problem, answers: Sequence[str | None], right: Sequence[bool]) -> Samples:
    """Group the answers to one problem by its own equality.

    A group is right where most of its members are: graders may tell apart what a vote cannot.

    Args:
        problem: Whose kind decides what is equal.
        answers: One for each sample; None where it marked none.
        right: What the grader said of each.

    Raises:
        DataError: They differ in number.
    """
    if len(answers) != len(right):
        raise DataError(f"{len(answers)} answers, {len(right)} grades: give one for each sample")
    given = [(a, r) for a, r in zip(answers, right, strict=True) if a is not None]
    groups = await group_answers(problem, [answer for answer, _ in given])
    return Samples(
        problem=problem.id,
        total=len(answers),
        right=sum(right),
        groups=tuple(
            (len(members), 2 * sum(given[i][1] for i in members) > len(members))
            for members in groups
        ),
    )


async def samples_of_episodes(episodes: Iterable[Episode]) -> list[Samples]:
    """Return the samples that several episodes of each problem are: their final answers.

    Episodes of one problem have its id. An episode that failed is a sample without an answer.
    """
    found: dict[str, list[Episode]] = {}
    for episode in episodes:
        found.setdefault(episode.problem.id, []).append(episode)
    return [
        await tally(
            of[0].problem,
            [None if episode.result is None else episode.result.answer for episode in of],
            [episode.correct for episode in of],
        )
        for of in found.values()
    ]


async def samples_of_graph(
    graph: ThoughtGraph, grades: Mapping[str, float] | None = None
) -> Samples | None:
    """Return the samples that the largest ask of one graph gave, or None where none was graded.

    Args:
        graph: With graded solutions (see `agrade`), such as those of self-consistency or best-of-n.
            A call that failed has no grade, and is no sample here.
        grades: See `CreditMethod`.
    """
    graded = outcomes(graph, grades)
    asks: dict[tuple[object, ...], list[Thought]] = {}
    for thought in graph.in_order():
        if thought.id in graded and graph.parents(thought):
            position = thought.id.rpartition(".")[0]
            asks.setdefault((position, thought.prompt, thought.prefix), []).append(thought)
    if not asks:
        return None
    largest = max(asks.values(), key=len)
    answers = [thought.answer for thought in largest]
    return await tally(graph.problem, answers, [is_right(graded[t.id]) for t in largest])


def passes(samples: Sequence[Samples], k: int) -> Passes:
    """Return pass@k and maj@k over problems with at least k samples.

    Raises:
        ConfigError: No problem has as many.
    """
    enough = [one for one in samples if one.total >= k]
    if not enough or k < 1:
        raise ConfigError(f"no problem has {k} samples: draw more, or give a smaller k")
    passed = math.fsum(pass_at_k(one.total, one.right, k) for one in enough) / len(enough)
    voted = math.fsum(maj_at_k(one, k) for one in enough) / len(enough)
    return Passes(
        k=k,
        problems=len(enough),
        left_out=len(samples) - len(enough),
        pass_at_k=passed,
        pass_interval=share_interval(min(passed, 1.0), len(enough)),
        maj_at_k=voted,
        maj_interval=share_interval(min(voted, 1.0), len(enough)),
    )
