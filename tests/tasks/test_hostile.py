"""Hanging and malicious answers, through every grader: a wrong answer in time, and no harm."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogitate.tasks import (
    ChoiceGrader,
    ExactGrader,
    Game24Grader,
    Grader,
    MathGrader,
    NumericGrader,
    Problem,
    ReasoningGymGrader,
    SortingGrader,
    load,
)

LIMIT = 1.0
GRACE = 0.5

# The nine families whose scorers evaluate what they are given, and two that have other scorers.
FAMILIES = [
    "binary_matrix",
    "countdown",
    "intermediate_integration",
    "n_queens",
    "polynomial_multiplication",
    "puzzle24",
    "simple_integration",
    "spiral_matrix",
    "string_insertion",
    "coin_flip",
    "prime_factorization",
]
PLAIN: list[tuple[Grader, Problem, str]] = [
    (ExactGrader(), Problem(prompt="…", reference="Paris"), "paris"),
    (NumericGrader(), Problem(prompt="…", reference="1/2"), "0.5"),
    (ChoiceGrader(), Problem(prompt="…", reference="B"), "(b)"),
    (SortingGrader(), Problem(prompt="…", reference="[1, 2]"), "1 2"),
    (Game24Grader(), Problem(prompt="…", metadata={"numbers": [4, 6]}), "4 * 6"),
    (MathGrader(limit=LIMIT), Problem(prompt="…", reference="\\frac{x}{2}"), "0.5x"),
]

HANGING = [
    "10^{10^{10}}",
    "9**9**9**9**9",
    "9^{9^{9^{9}}}",
    "2**(2**(2**(2**(2**2))))",
    "1e999999999",
    "x**(10**9) - (x + 1)**(10**8)",
    "((((((((((x+1)**99)**99)**99)**99)**99)**99)**99)**99)**99)**99",
    "sin(" * 200 + "x" + ")" * 200,
    "\\int_0^{\\infty} e^{-x^{x^{x}}} \\sin(x^{x}) dx",
    "\\sum_{n=1}^{10^{99}} \\frac{1}{n^n}",
    "factorial(factorial(factorial(9)))",
    "100000000000!!!",
]
MALFORMED = [
    "",
    "\0" * 1000,
    "\ud800\udfff",
    "[" * 100_000,
    "(" * 100_000 + ")" * 100_000,
    "{" * 100_000,
    "\\frac" * 20_000,
    "9" * 1_000_000,
    "-" * 100_000,
    "\x1b[2J\x1b[31mred",
    "\u202e42\u202c",
    "<|im_end|><|im_start|>system",
    "nan",
    "inf",
    "x" * 10_000_000,
]


def attacks(path: Path) -> list[str]:
    touch = f"__import__('os').system('touch {path}')"
    return [
        touch,
        f"open({str(path)!r}, 'w')",
        f"[{touch}]",
        f"({touch}, 1)[1]",
        f"exp({touch})",
        f"x + {touch}",
        f"Symbol.__init__.__globals__['sys'].modules['os'].system('touch {path}')",
        f"().__class__.__base__.__subclasses__()[0] or {touch}",
        f"(lambda: {touch})()",
        f"[y for y in [{touch}]]",
        f"f'{{{touch}}}'",
        f"preview(x, output='png', filename={str(path)!r})",
        f"\\input{{|touch {path}}}",
        f"\\boxed{{{touch}}}",
        f"`touch {path}`; $(touch {path})",
        "__import__('os').kill(__import__('os').getppid(), 9)",
        "exit()",
    ]


@pytest.fixture(scope="module")
def graded() -> Iterator[list[tuple[Grader, Problem, str]]]:
    """Every grader, with a problem and a right answer to it."""
    cases = list(PLAIN)
    for family in FAMILIES:
        problem = load(f"reasoning_gym/{family}?size=1&seed=7")[0]
        assert problem.reference is not None
        cases.append((ReasoningGymGrader(limit=LIMIT), problem, problem.reference))
    for grader, problem, right in cases:  # so that no start of a child is timed below
        assert asyncio.run(grader.grade(problem, right)).correct, problem
    yield cases


async def grade_in_time(grader: Grader, problem: Problem, answer: str) -> None:
    start = time.monotonic()
    grade = await grader.grade(problem, answer)
    took = time.monotonic() - start
    assert grade.score == 0, (problem.id, answer[:80], grade.reason)
    assert took < LIMIT + GRACE, (problem.id, answer[:80], took)


async def grade_by_fours(grader: Grader, problem: Problem, answers: list[str]) -> None:
    for start in range(0, len(answers), 4):
        part = answers[start : start + 4]
        await asyncio.gather(*(grade_in_time(grader, problem, answer) for answer in part))


def test_a_hanging_answer_is_wrong_in_time_and_the_next_is_unaffected(
    graded: list[tuple[Grader, Problem, str]],
) -> None:
    for grader, problem, right in graded:
        asyncio.run(grade_by_fours(grader, problem, HANGING))
        assert asyncio.run(grader.grade(problem, right)).correct, problem


def test_a_malformed_answer_is_wrong_in_time(graded: list[tuple[Grader, Problem, str]]) -> None:
    for grader, problem, _ in graded:
        asyncio.run(grade_by_fours(grader, problem, MALFORMED))


def test_a_malicious_answer_is_wrong_and_touches_nothing(
    graded: list[tuple[Grader, Problem, str]], tmp_path: Path
) -> None:
    path = tmp_path / "pwned"
    for grader, problem, right in graded:
        for answer in attacks(path):
            asyncio.run(grade_in_time(grader, problem, answer))
            assert not path.exists(), (problem.id, answer)
        assert asyncio.run(grader.grade(problem, right)).correct, problem


def test_a_malicious_answer_does_not_even_reach_a_scorer_that_evaluates(
    graded: list[tuple[Grader, Problem, str]], tmp_path: Path
) -> None:
    refused = ("is not an expression", "does not use", "is not '", 'is not "', "claims to make")
    for grader, problem, _ in graded:
        if problem.metadata.get("family") in FAMILIES[:9]:
            for answer in attacks(tmp_path / "pwned"):
                reason = asyncio.run(grader.grade(problem, answer)).reason
                assert any(words in reason for words in refused), (problem.id, answer, reason)


def test_threads_with_event_loops_of_their_own_grade_side_by_side(
    graded: list[tuple[Grader, Problem, str]],
) -> None:
    wrong: list[str] = []

    def grade_all() -> None:
        for grader, problem, right in graded:
            if not asyncio.run(grader.grade(problem, right)).correct:
                wrong.append(problem.id)

    threads = [threading.Thread(target=grade_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_right_answers_beside_hanging_ones_in_one_loop_stay_right(
    graded: list[tuple[Grader, Problem, str]],
) -> None:
    async def grade_all() -> tuple[list[bool], float]:
        grader, problem, right = PLAIN[-1]
        start = time.monotonic()
        hanging = [grader.grade(problem, "10^{10^{10}}") for _ in range(4)]
        fine = [grader.grade(problem, right) for _ in range(4)]
        grades = await asyncio.gather(*hanging, *fine)
        return [grade.correct for grade in grades], time.monotonic() - start

    correct, took = asyncio.run(grade_all())
    assert correct == [False] * 4 + [True] * 4
    assert took < LIMIT + GRACE
