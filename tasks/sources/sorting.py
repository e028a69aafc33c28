"""Sorting lists of digits, as Graph of Thoughts does (Besta et al., 2024, arXiv:2308.09687)."""

from collections.abc import Iterator

from cogitate.errors import DataError
from cogitate.tasks.graders.exact import integers
from cogitate.tasks.problem import Example, Problem, ProblemSet
from cogitate.tasks.sources.options import Options
from cogitate.tasks.sources.rows import problem_set, read_rows, shipped

__all__ = ["sorting"]

_SHIPPED = "sorting_032_dev.csv"
_PROMPT = "Sort this list of numbers in ascending order. Keep every duplicate.\n{}"

_EXAMPLES = (
    Example(
        prompt=_PROMPT.format([3, 1, 4, 1, 5, 9, 2, 6]),
        response="One by one: 1 1, then 2, 3, 4, 5, 6, 9.\nAnswer: [1, 1, 2, 3, 4, 5, 6, 9]",
        author="cogitate",
    ),
    Example(
        prompt=_PROMPT.format([7, 0, 7, 2, 0, 8, 5, 2, 7, 3]),
        response=(
            "One by one: 0 0, then 2 2, 3, 5, 7 7 7, 8.\nAnswer: [0, 0, 2, 2, 3, 5, 7, 7, 7, 8]"
        ),
        author="cogitate",
    ),
)


def sorting(options: Options) -> ProblemSet:
    """Load lists to sort: the shipped file, or a CSV file with columns `Unsorted` and `Sorted`."""
    path, size, offset = options.text("path"), options.integer("size"), options.integer("offset")
    options.finish()
    problems = _problems(path or str(shipped(_SHIPPED)))
    return problem_set(options.name, problems, size=size, offset=offset or 0, examples=_EXAMPLES)


def _problems(path: str) -> Iterator[Problem]:
    for number, row in enumerate(read_rows(path)):
        given, right = integers(row.text("Unsorted")), integers(row.text("Sorted"))
        if not given or right is None:
            raise DataError(f"{row.where}: a list is written as [3, 1, 2]")
        if right != sorted(given):
            raise DataError(f"{row.where}: 'Sorted' is not 'Unsorted' in ascending order")
        yield Problem(
            id=f"sorting-{number}",
            prompt=_PROMPT.format(given),
            reference=str(right),
            kind="sorting",
            metadata={"numbers": list(given)},
        )
