import asyncio

import pytest

from cogitate.tasks import Problem, answer_key, group_answers, same_answer


def groups(kind: str, answers: list[str]) -> list[list[int]]:
    return asyncio.run(group_answers(Problem(prompt="…", kind=kind), answers))


def test_a_half_and_one_over_two_vote_together() -> None:
    assert groups("numeric", ["0.5", "3", "1/2", "3.0"]) == [[0, 2], [1, 3]]


def test_mathematics_is_grouped_by_meaning() -> None:
    answers = ["\\frac{1}{2}", "(x+1)^2", "0.5", "x^2+2x+1", "7"]
    assert groups("math", answers) == [[0, 2], [1, 3], [4]]


def test_an_automatic_kind_is_grouped_by_the_look_of_the_answers() -> None:
    assert groups("auto", ["\\frac{1}{2}", "0.5", "Paris", "paris"]) == [[0, 1], [2, 3]]


def test_letters_lists_and_texts_are_grouped_as_what_they_are() -> None:
    assert groups("choice", ["(b)", "B. Paris", "C"]) == [[0, 1], [2]]
    assert groups("sorting", ["[1, 2]", "1 2", "[2, 1]"]) == [[0, 1], [2]]
    assert groups("game24", ["8/4*(7+5)", "8 / 4 * (7 + 5)", "4*6"]) == [[0, 1], [2]]
    assert groups("exact", ["0.5", "1/2", " 0.5"]) == [[0, 2], [1]]


def test_a_percentage_is_not_its_number() -> None:
    assert groups("numeric", ["50%", "50", "0.5", "50 %"]) == [[0, 3], [1], [2]]


def test_no_answers_make_no_groups() -> None:
    assert groups("numeric", []) == []


def test_what_the_reference_is_makes_no_difference() -> None:
    with_reference = Problem(prompt="…", reference="1/2")
    without = Problem(prompt="…")
    for answer in ("0.5", "half", "\\frac12", "50%"):
        assert answer_key(with_reference, answer) == answer_key(without, answer)


@pytest.mark.parametrize("hostile", ["10^{10^{10}}", "9" * 10**6, "\ud800", "[" * 10**5, "\0", ""])
def test_a_hostile_answer_equals_itself_and_not_another(hostile: str) -> None:
    problem = Problem(prompt="…", kind="math")
    assert asyncio.run(same_answer(problem, hostile, hostile))
    assert not asyncio.run(same_answer(problem, "x + 1", hostile, limit=0.5))
