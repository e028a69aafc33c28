"""Which lessons a problem recalls."""

import asyncio

import pytest

from cogitate.agents import Lesson, Lessons
from cogitate.errors import ConfigError
from cogitate.memory import LessonBook
from cogitate.tasks import Problem


def book(*lessons: Lesson, most: int = 3, similarity: float = 0.3) -> LessonBook:
    made = LessonBook(most=most, similarity=similarity)
    for one in lessons:
        asyncio.run(made.learn(one))
    return made


def lesson(text: str, prompt: str, *, verified: bool = True) -> Lesson:
    return Lesson(text=text, problem=f"of {prompt}", prompt=prompt, verified=verified)


def recalled(kept: LessonBook, prompt: str) -> list[str]:
    return [one.text for one in asyncio.run(kept.recall(Problem(id="now", prompt=prompt)))]


def test_it_is_a_lessons() -> None:
    assert isinstance(LessonBook(), Lessons)


def test_the_most_similar_problem_comes_first_and_a_different_one_not_at_all() -> None:
    kept = book(
        lesson("add", "How many apples are 3 apples and 4 apples?"),
        lesson("sum", "How many apples are left of 9?"),
        lesson("poem", "Write a rhyme about the sea"),
    )
    assert recalled(kept, "How many apples are 12 apples and 30 apples?") == ["add", "sum"]


def test_problems_that_differ_in_their_numbers_are_alike() -> None:
    kept = book(lesson("carry", "Calculate 38 + 47 - 21."), similarity=1.0)
    assert recalled(kept, "Calculate 1 + 2 - 3.") == ["carry"]


def test_an_unverified_lesson_is_not_recalled_even_on_the_closest_problem() -> None:
    kept = book(lesson("poison", "Add 1 and 2", verified=False), lesson("good", "Add 1 and 2 now"))
    assert recalled(kept, "Add 1 and 3") == ["good"]


def test_a_problem_does_not_recall_what_was_learned_on_itself() -> None:
    kept = book(
        Lesson(text="by id", problem="now", prompt="Add 1 and 2", verified=True),
        lesson("by text", "Add 1 and 3"),
        lesson("other", "Add 1 and 4"),
    )
    assert recalled(kept, "Add 1 and 3") == ["other"]


def test_the_newest_of_equally_similar_ones_comes_first_and_one_text_once() -> None:
    kept = book(
        lesson("old", "Add 1 and 2"), lesson("new", "Add 3 and 4"), lesson("new", "Add 5 and 6")
    )
    assert recalled(kept, "Add 7 and 8") == ["new", "old"]


def test_no_more_than_most_are_recalled() -> None:
    kept = book(*(lesson(f"{i}", f"Add {i} and 2") for i in range(9)), most=2)
    assert recalled(kept, "Add 77 and 8") == ["8", "7"]


@pytest.mark.parametrize("prompt", ["", "!?", "\u4e2d\u6587"])
def test_a_problem_without_shared_words_recalls_nothing(prompt: str) -> None:
    assert recalled(book(lesson("a", "Add 1"), lesson("b", "")), prompt) == []


@pytest.mark.parametrize("wrong", [{"most": 0}, {"similarity": 1.1}, {"similarity": -0.1}])
def test_values_without_a_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="LessonBook"):
        LessonBook(**wrong)  # type: ignore[arg-type]  # wrong on purpose
