import asyncio

import pytest

from cogitate.errors import ConfigError, GraderError
from cogitate.tasks import (
    AutoGrader,
    ChoiceGrader,
    ExactGrader,
    Game24Grader,
    Grader,
    MathGrader,
    NumericGrader,
    Problem,
    ReasoningGymGrader,
    SortingGrader,
    grader_for,
)

ALL: list[Grader] = [
    ExactGrader(),
    NumericGrader(),
    ChoiceGrader(),
    SortingGrader(),
    MathGrader(),
    Game24Grader(),
    ReasoningGymGrader(),
]


def score(grader: Grader, reference: str, answer: str) -> float:
    problem = Problem(prompt="…", reference=reference)
    return asyncio.run(grader.grade(problem, answer)).score


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("Paris", " paris ", True),
        ("New York", "new\nyork", True),
        ("Paris", "Paris, France", False),
    ],
)
def test_exact_means_the_same_text(reference: str, answer: str, right: bool) -> None:
    assert score(ExactGrader(), reference, answer) == right


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("1000", "1,000", True),
        ("1,000", "1000.0", True),
        ("0.5", "1/2", True),
        ("42", "$42", True),
        ("42", "42%", True),
        ("42", "42 apples", True),
        ("42", "42.0001", False),
        ("1/3", "0.333333333", False),
        ("0.5", "50%", False),
        ("42", "41 or 42", False),
        ("42", "42 million", False),
        ("42", "", False),
    ],
)
def test_numeric_means_the_same_number(reference: str, answer: str, right: bool) -> None:
    assert score(NumericGrader(), reference, answer) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("B", True),
        ("b", True),
        ("(B)", True),
        ("b)", True),
        ("B. Paris", True),
        ("[B]", True),
        ("B: Paris", True),
        ("Option B", True),
        ("**B**", True),
        ("A", False),
        ("Because", False),
        ("B or C", False),
        ("Bob.", False),
        ("", False),
        ("AB", False),
    ],
)
def test_choice_means_the_same_letter(answer: str, right: bool) -> None:
    assert score(ChoiceGrader(), "B", answer) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("[1, 2, 2]", True),
        ("1 2 2", True),
        ("1,2,2", True),
        ("[1, 2]", False),
        ("[2, 1, 2]", False),
        ("[1, 2, 2", False),
        ("one two two", False),
        ("", False),
    ],
)
def test_sorting_means_the_same_list(answer: str, right: bool) -> None:
    assert score(SortingGrader(), "[1, 2, 2]", answer) == right


def test_a_wrong_list_says_how_near_it_is() -> None:
    problem = Problem(prompt="…", reference="[1, 2, 3, 4]")
    grade = asyncio.run(SortingGrader().grade(problem, "[1, 3, 2]"))
    # 3 before 2 is one, the missing 4 is another.
    assert (grade.score, grade.reason) == (0.0, "the list has error scope 2")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(8 / 4) * (7 + 5)", True),
        ("8 / 4 * (7 + 5) = 24", True),
        ("(8 ÷ 4) × (7 + 5)", True),  # noqa: RUF001  signs that models write
        ("8 / 4 * (7 + 5) = 23", False),
        ("24", False),
        ("8 * 4 - 7 - 5", False),
        ("8 * 4 - 7 - 1", False),
        ("8 * 8 / 4 + 7 + 5 - 4", False),
        ("(8 / 4) * (7 + 5) + 0", False),
        ("(8 / 4) * 12", False),
        ("8 / (4 - 4) * (7 + 5)", False),
        ("", False),
        ("=24", False),
    ],
)
def test_game24_means_the_given_numbers_once_each_make_24(answer: str, right: bool) -> None:
    problem = Problem(prompt="Make 24.", metadata={"numbers": [4, 5, 7, 8]})
    assert asyncio.run(Game24Grader().grade(problem, answer)).correct == right


def test_game24_reads_the_numbers_from_the_prompt_too() -> None:
    problem = Problem(prompt="Make 24.\nNumbers: 4 5 7 8", kind="game24")
    assert asyncio.run(grader_for(problem).grade(problem, "8 / 4 * (7 + 5)")).correct
    with pytest.raises(GraderError, match="which numbers"):
        asyncio.run(Game24Grader().grade(Problem(prompt="Make 24."), "24"))


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("42", "42.0", True),
        ("\\frac{1}{2}", "0.5", True),
        ("\\frac{1}{2}", "\\dfrac12", True),
        ("x^2 + 2x + 1", "(x + 1)^2", True),
        ("(3, 4)", "(3,4)", True),
        ("\\text{Evelyn}", "Evelyn", True),
        ("2\\sqrt{3}", "\\sqrt{12}", True),
        ("\\frac{1}{2}", "\\frac{1}{3}", False),
        ("(3, 4)", "(4, 3)", False),
        ("12", "12 apples, so 13 - 1", False),
        ("12", "It is either 11 or 12", False),
        ("x", "", False),
    ],
)
def test_mathematics_means_the_same_mathematics(reference: str, answer: str, right: bool) -> None:
    assert score(MathGrader(), reference, answer) == right


@pytest.mark.parametrize("grader", ALL, ids=lambda grader: type(grader).__name__)
def test_without_a_reference_no_grader_decides(grader: Grader) -> None:
    with pytest.raises(GraderError, match="p1"):
        asyncio.run(grader.grade(Problem(id="p1", prompt="…"), "42"))


@pytest.mark.parametrize("grader", [NumericGrader(), ChoiceGrader(), SortingGrader()])
def test_a_reference_of_the_wrong_form_is_the_set_s_fault_not_the_answer_s(grader: Grader) -> None:
    with pytest.raises(GraderError, match="reference 'Paris'"):
        score(grader, "Paris", "Paris")


@pytest.mark.parametrize(
    ("reference", "grader"),
    [
        ("42", NumericGrader),
        ("$1,000.50", NumericGrader),
        ("\\frac{1}{2}", MathGrader),
        ("x = 3", MathGrader),
        ("Paris", ExactGrader),
        (None, ExactGrader),
    ],
)
def test_auto_decides_by_the_look_of_the_reference(
    reference: str | None, grader: type[Grader]
) -> None:
    assert isinstance(grader_for(Problem(prompt="…", reference=reference)), grader)


def test_an_unknown_kind_is_a_configuration_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'numerc'.*did you mean 'numeric'.*known: auto, exact"):
        grader_for(Problem(prompt="…", kind="numerc"))


def test_a_mixed_set_is_graded_by_each_problem_s_own_kind() -> None:
    grader = AutoGrader()
    number = Problem(prompt="6 * 7?", reference="42")
    letter = Problem(prompt="Which?", reference="B", kind="choice")
    assert asyncio.run(grader.grade(number, "42.0")).correct
    assert asyncio.run(grader.grade(letter, "(b)")).correct
