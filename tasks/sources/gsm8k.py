"""GSM8K: grade-school mathematics in words (Cobbe et al., 2021, arXiv:2110.14168)."""

from collections.abc import Iterator

from cogitate.errors import DataError
from cogitate.tasks.problem import Example, Problem, ProblemSet
from cogitate.tasks.quantity import parse_quantity
from cogitate.tasks.sources.options import Options
from cogitate.tasks.sources.rows import problem_set, read_rows, shipped

__all__ = ["gsm8k"]

_SHIPPED = "gsm8k_dev.jsonl"

_EXAMPLES = (
    Example(
        prompt=(
            "A baker makes 4 trays of rolls with 6 rolls on each tray. She sells 15 rolls. "
            "How many rolls are left?"
        ),
        response=(
            "The baker makes 4 * 6 = 24 rolls.\nAfter selling 15, 24 - 15 = 9 rolls are left.\n"
            "Answer: 9"
        ),
        author="cogitate",
    ),
    Example(
        prompt=(
            "Nora buys 3 notebooks for $2 each and a pen for $5. She pays with a $20 note. "
            "How many dollars does she get back?"
        ),
        response=(
            "The notebooks cost 3 * 2 = 6 dollars.\nWith the pen that is 6 + 5 = 11 dollars.\n"
            "She gets 20 - 11 = 9 dollars back.\nAnswer: 9"
        ),
        author="cogitate",
    ),
)


def gsm8k(options: Options) -> ProblemSet:
    """Load GSM8K: the shipped part of its test split, or a file of the same form.

    A file has `question` or `input`, and `answer` (the solution, ending in `#### 42`) or `target`.
    """
    path, size, offset = options.text("path"), options.integer("size"), options.integer("offset")
    options.finish()
    problems = _problems(path or str(shipped(_SHIPPED)))
    return problem_set(options.name, problems, size=size, offset=offset or 0, examples=_EXAMPLES)


def _problems(path: str) -> Iterator[Problem]:
    for number, row in enumerate(read_rows(path)):
        solution = row.text("target", "answer")
        answer = solution.rpartition("####")[2].strip()
        if parse_quantity(answer) is None:
            raise DataError(f"{row.where}: the answer must be a number, or end in '#### 42'")
        yield Problem(
            id=f"gsm8k-{number}",
            prompt=row.text("input", "question").strip(),
            reference=answer,
            kind="numeric",
        )
