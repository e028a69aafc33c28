"""Pass rates that a loop measures as it samples: what a curriculum chooses by."""

from collections.abc import Iterable, Mapping

from cogitate.graphs import ThoughtGraph
from cogitate.training.curriculum import PassRate
from cogitate.training.grading import agrade
from cogitate.training.passes import samples_of_graph

__all__ = ["rates_with"]


async def rates_with(
    graphs: Iterable[ThoughtGraph], *, before: Mapping[str, PassRate]
) -> dict[str, PassRate]:
    """Return pass rates with the samples of more graphs added; their solutions are graded.

    Args:
        graphs: Each of one problem that was sampled several times.
        before: The rates so far, by the problem's id.

    Raises:
        ConfigError: A problem has no reference answer.
    """
    rates = dict(before)
    for graph in graphs:
        await agrade([graph])
        found = await samples_of_graph(graph)
        if found is not None:
            right, samples = rates.get(found.problem, PassRate(0, 0))
            rates[found.problem] = PassRate(right + found.right, samples + found.total)
    return rates
