"""MATH: competition mathematics (Hendrycks et al., 2021, arXiv:2103.03874)."""

from collections.abc import Iterator

from cogitate.errors import DataError
from cogitate.tasks.answers import last_boxed
from cogitate.tasks.problem import Example, Problem, ProblemSet
from cogitate.tasks.sources.options import Options
from cogitate.tasks.sources.rows import Row, problem_set, read_rows, shipped

__all__ = ["competition"]

_SHIPPED = "math500_dev.jsonl"

_EXAMPLES = (
    Example(
        prompt=r"Solve $3x + 5 = 20$ for $x$.",
        response="Subtract 5 from both sides: $3x = 15$.\nDivide by 3: $x = 5$.\nAnswer: $5$",
        author="cogitate",
    ),
    Example(
        prompt=(
            "Two fair coins are tossed. What is the probability that exactly one of them shows "
            "heads? Give a common fraction."
        ),
        response=(
            "There are $2 \\cdot 2 = 4$ equally likely outcomes.\n"
            "Exactly one head comes in 2 of them: HT and TH.\n"
            "The probability is $\\frac{2}{4} = \\frac{1}{2}$.\nAnswer: $\\frac{1}{2}$"
        ),
        author="cogitate",
    ),
)


def competition(options: Options) -> ProblemSet:
    r"""Load MATH: the shipped part of MATH-500, or a file of the same form.

    A file has `problem`, and `answer` or a `solution` that holds its answer in `\boxed{…}`;
    `level` and `subject` (or `type`) are kept as metadata.
    """
    path, size, offset = options.text("path"), options.integer("size"), options.integer("offset")
    options.finish()
    problems = _problems(path or str(shipped(_SHIPPED)))
    return problem_set(options.name, problems, size=size, offset=offset or 0, examples=_EXAMPLES)


def _problems(path: str) -> Iterator[Problem]:
    for number, row in enumerate(read_rows(path)):
        kept = ("level", "subject", "type", "unique_id")
        yield Problem(
            id=f"math-{number}",
            prompt=row.text("problem").strip(),
            reference=_answer(row),
            kind="math",
            metadata={name: row.values[name] for name in kept if name in row.values},
        )


def _answer(row: Row) -> str:
    if "answer" in row.values:
        return row.text("answer").strip()
    answer = last_boxed(row.text("solution"))
    if answer is None:
        raise DataError(f"{row.where}: no 'answer', and no \\boxed{{…}} in its 'solution'")
    return answer
