"""Which problems each iteration of a loop has: new ones to sample, and fresh ones to judge on.

What is fresh is told by the text: a dev problem that also stands among the training problems, the
worked examples or an earlier dev set is left out, and counted.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.tasks import ProblemSet
from cogitate.training.dataset import same_text, unseen

__all__ = ["Rounds", "rounds"]


class Rounds(NamedTuple):
    """The problems of each iteration, from the first on."""

    train: Sequence[ProblemSet]
    dev: Sequence[ProblemSet]
    """No text stands in two of them, nor in any of `train`."""
    dropped: int
    """Dev problems that were left out."""


def rounds(train: ProblemSet, dev: ProblemSet, iterations: int, *, reuse: bool = False) -> Rounds:
    """Deal problems out to iterations, in their order.

    Args:
        train: To sample on.
        dev: To judge on.
        iterations: How many there are.
        reuse: Every iteration samples on all of `train`, instead of a part of its own.

    Raises:
        ConfigError: There are fewer problems than iterations.
    """
    if iterations < 1:
        raise ConfigError(f"iterations={iterations}: give at least 1")
    examples = (*train.examples, *dev.examples)
    fresh = _once(unseen(dev, than=[*train, *examples]))
    if len(fresh) < iterations or (not reuse and len(train) < iterations):
        raise ConfigError(
            f"{iterations} iterations need a problem each, and there are {len(train)} to train on "
            f"and {len(fresh)} unseen ones to judge on (of {len(dev)}): give more"
        )
    return Rounds(
        [train] * iterations if reuse else _parts(train, iterations),
        _parts(fresh, iterations),
        len(dev) - len(fresh),
    )


def _once(problems: ProblemSet) -> ProblemSet:
    first = {same_text(problem.prompt): problem for problem in reversed(problems)}
    kept = [problem for problem in problems if first[same_text(problem.prompt)] is problem]
    return ProblemSet(problems.name, kept, examples=problems.examples, dropped=problems.dropped)


def _parts(problems: ProblemSet, many: int) -> list[ProblemSet]:
    """Parts of nearly equal size, each named after its place."""
    edges = [len(problems) * i // many for i in range(many + 1)]
    return [
        ProblemSet(
            problems.name if many == 1 else f"{problems.name} ({i + 1} of {many})",
            [problems[k] for k in range(edges[i], edges[i + 1])],
            examples=problems.examples,
        )
        for i in range(many)
    ]
