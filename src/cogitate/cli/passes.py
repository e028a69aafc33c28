"""pass@k and maj@k of `cogitate eval --samples`: every problem answered several times."""

from collections.abc import Iterable, Sequence

from cogitate.cli.results import Line
from cogitate.tasks import ProblemSet
from cogitate.training.passes import Passes, passes, tally

__all__ = ["passes_of", "passes_table"]


async def passes_of(problems: ProblemSet, lines: Iterable[Line], samples: int) -> list[Passes]:
    """Return pass@k and maj@k for k = 1, 2, 4 ... and the number of samples.

    Args:
        problems: Whose kinds decide which answers are equal.
        lines: Of one strategy, several of each problem; problems with fewer are left out.
        samples: How many there should be.
    """
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.problem, []).append(line)
    tallied = [
        await tally(problem, [one.answer for one in of], [one.correct for one in of])
        for problem in problems
        if len(of := found.get(problem.id, [])) == samples
    ]
    if not tallied:
        return []
    sizes = sorted({*(2**i for i in range(samples.bit_length()) if 2**i < samples), samples})
    return [passes(tallied, k) for k in sizes]


def passes_table(rows: Sequence[tuple[str, Passes]]) -> str:
    """Return several strategies' pass@k and maj@k as a Markdown table."""
    lines = [
        "| strategy | problems | k | pass@k | 95% interval | maj@k | 95% interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in rows:
        cells = (
            name,
            str(one.problems),
            str(one.k),
            f"{one.pass_at_k:.1%}",
            f"{one.pass_interval.low:.1%} to {one.pass_interval.high:.1%}",
            f"{one.maj_at_k:.1%}",
            f"{one.maj_interval.low:.1%} to {one.maj_interval.high:.1%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
