"""The Game of 24, in the form of Tree of Thoughts (Yao et al., 2023, arXiv:2305.10601)."""

import re
from collections.abc import Iterator

from cogitate.errors import DataError
from cogitate.tasks.problem import Example, Problem, ProblemSet
from cogitate.tasks.sources.options import Options
from cogitate.tasks.sources.rows import problem_set, read_rows, shipped

__all__ = ["game24"]

_SHIPPED = "game24_dev.csv"
_PROMPT = (
    "Use the numbers {} and the operations + - * / with brackets to make 24. "
    "Use each number exactly once. Answer with the expression."
)

# Numbers above 13 do not occur in the files, so no file holds these two.
_EXAMPLES = (
    Example(
        prompt=_PROMPT.format("2 4 5 15"),
        response="15 / 5 = 3 (left: 2 4 3)\n2 * 4 = 8 (left: 3 8)\n3 * 8 = 24 (left: 24)\n"
        "Answer: (15 / 5) * (2 * 4)",
        author="cogitate",
    ),
    Example(
        prompt=_PROMPT.format("2 3 3 20"),
        response="20 - 2 = 18 (left: 3 3 18)\n18 + 3 = 21 (left: 3 21)\n21 + 3 = 24 (left: 24)\n"
        "Answer: 20 - 2 + 3 + 3",
        author="cogitate",
    ),
)


def game24(options: Options) -> ProblemSet:
    """Load Games of 24: the shipped file, or a CSV file with a column `Puzzles` ("4 7 8 8")."""
    path, size, offset = options.text("path"), options.integer("size"), options.integer("offset")
    options.finish()
    problems = _problems(path or str(shipped(_SHIPPED)))
    return problem_set(options.name, problems, size=size, offset=offset or 0, examples=_EXAMPLES)


def _problems(path: str) -> Iterator[Problem]:
    for number, row in enumerate(read_rows(path)):
        puzzle = row.text("Puzzles", "puzzle").split()
        if len(puzzle) != 4 or not all(re.fullmatch(r"[0-9]{1,9}", word) for word in puzzle):
            raise DataError(f"{row.where}: a puzzle is four whole numbers such as '4 7 8 8'")
        yield Problem(
            id=f"game24-{number}",
            prompt=_PROMPT.format(" ".join(puzzle)),
            reference="24",  # what every expression must come to; the grader reads the numbers
            kind="game24",
            metadata={"numbers": [int(word) for word in puzzle]},
        )
