"""What a memory recalls, to whom and when, and what it refuses to keep."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from remembering import examples, learn, lesson, recalled, solved, told

import cogitate as cg
from cogitate.agents import Examples, Lesson, Lessons, Provenance
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.memory import Experience, LessonBook
from cogitate.tasks import NumericGrader, Problem


def test_it_is_what_strategies_take(memory: Experience) -> None:
    assert isinstance(memory, Lessons)
    assert isinstance(memory, Examples)


WORDS = st.lists(
    st.sampled_from(["add", "sum", "of", "3", "14", "apples", "and", "pears", "5"]), max_size=8
)


@given(st.lists(WORDS.map(" ".join), max_size=12), WORDS.map(" ".join))
@example(["", "", "add sum of of of of 3 apples"], "add add sum")  # it is just similar enough
def test_it_recalls_what_a_lesson_book_does(prompts: list[str], asked: str) -> None:
    lessons = [
        lesson(f"{i}", prompt, verified=i % 3 > 0, problem=f"p{i}")
        for i, prompt in enumerate(prompts)
    ]
    book = LessonBook(most=99)
    learn(book, *lessons)
    with Experience(most=99) as memory:
        learn(memory, *lessons)
        # of equally similar ones the last digits may differ, and with them the order
        assert sorted(recalled(memory, asked)) == sorted(recalled(book, asked))


def test_the_most_similar_come_first_then_the_newest_and_one_text_once(memory: Experience) -> None:
    learn(
        memory,
        lesson("far", "How many pears are 3 pears and 4 apples?"),
        lesson("old", "How many apples are 3 apples and 4 apples?"),
        lesson("new", "How many apples are 8 apples and 2 apples?"),
        lesson("new", "How many apples are 1 apples and 5 apples?"),
        lesson("poem", "Write a rhyme about the sea"),
    )
    assert recalled(memory, "How many apples are 12 apples and 30 apples?") == ["new", "old", "far"]


def test_no_more_than_most_are_recalled() -> None:
    with Experience(most=2) as memory:
        learn(memory, *(lesson(f"{i}", f"Add {i} and 2") for i in range(9)))
        assert recalled(memory, "Add 77 and 8") == ["8", "7"]


def test_a_problem_recalls_nothing_of_itself_by_id_or_by_text(memory: Experience) -> None:
    learn(
        memory,
        lesson("by id", "Add 1 and 2", problem="now"),
        lesson("by text", "Add  1\nand 3 "),
        lesson("other", "Add 1 and 4"),
    )
    assert recalled(memory, "Add 1 and 3") == ["other"]


def test_what_is_not_verified_is_kept_and_not_recalled(memory: Experience) -> None:
    learn(memory, lesson("guess", "Add 1 and 2", verified=False), lesson("good", "Add 2 and 3"))
    assert told(memory) == ["guess", "good"]
    assert recalled(memory, "Add 5 and 6") == ["good"]


@pytest.mark.parametrize("proof", [{}, {"grader": "NumericGrader"}, {"outcome": "1.0"}])
def test_a_lesson_is_not_verified_by_saying_so(memory: Experience, proof: dict[str, str]) -> None:
    claimed = Lesson(
        text="x",
        problem="p",
        prompt="Add 1",
        verified=True,
        provenance=Provenance.model_validate(proof),
    )
    with pytest.raises(ConfigError, match="names what verified it"):
        learn(memory, claimed)
    assert told(memory) == []


@pytest.mark.parametrize(
    ("problem", "prompt", "kind"),
    [
        ("chain_sum-1000000", "What is 3 + 4?", "reasoning_gym"),
        ("mine", cg.tasks.load("gsm8k")[0].prompt, "numeric"),
        ("mine", "  " + cg.tasks.load("gsm8k")[0].prompt.replace(" ", "\n"), "auto"),
    ],
)
def test_nothing_is_kept_of_a_problem_for_measuring(
    memory: Experience, problem: str, prompt: str, kind: str
) -> None:
    learn(memory, lesson("answer", prompt, problem=problem, kind=kind))
    assert told(memory) == []
    assert memory.dropped == {"its problem is held back for measuring": 1}
    book = LessonBook()
    learn(book, lesson("answer", prompt, problem=problem, kind=kind))
    assert len(book) == 0


def test_a_problem_for_measuring_may_be_helped(memory: Experience) -> None:
    learn(memory, lesson("carry", "What is 3 + 4?"))
    asked = Problem(id="chain_sum-1000000", prompt="What is 5 + 9?", kind="reasoning_gym")
    assert [one.text for one in asyncio.run(memory.recall(asked))] == ["carry"]


def test_what_is_empty_or_too_long_is_dropped_and_counted() -> None:
    with Experience(longest=10) as memory:
        learn(memory, lesson(" \n", "Add 1"), lesson("x" * 11, "Add 1"), lesson("x" * 10, "Add 1"))
        assert told(memory) == ["x" * 10]
        assert memory.dropped == {"it is empty": 1, "it is longer than 10 characters": 1}


@pytest.mark.parametrize("wrong", [{"most": 0}, {"similarity": 1.1}, {"longest": 0}])
def test_values_without_a_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Experience"):
        Experience(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_a_run_recalls_what_was_there_when_it_first_asked(memory: Experience) -> None:
    learn(memory, lesson("old", "Add 1 and 2"))
    view = memory.during("run")
    assert recalled(view, "Add 9 and 9") == ["old"]
    learn(view, lesson("own", "Add 3 and 4"))
    learn(memory, lesson("other's", "Add 5 and 6"))
    assert recalled(view, "Add 9 and 9") == ["old"]
    assert recalled(memory.during("run"), "Add 9 and 9") == ["old"]
    assert recalled(memory.during("next"), "Add 9 and 9") == ["other's", "own", "old"]
    assert [kept.lesson.provenance.run for kept in memory.kept()] == ["", "run", ""]


def test_a_run_does_not_recall_what_was_forgotten_meanwhile(memory: Experience) -> None:
    learn(memory, lesson("old", "Add 1 and 2"), lesson("bad", "Add 3 and 4", run="bad"))
    view = memory.during("run")
    assert recalled(view, "Add 9 and 9") == ["bad", "old"]
    asyncio.run(memory.forget("run", "bad"))
    assert recalled(view, "Add 9 and 9") == ["old"]


def test_what_a_run_recalls_does_not_depend_on_how_many_think_at_once() -> None:
    def prompts(concurrency: int) -> list[str]:
        seen: dict[str, str] = {}

        def reply(request: Request) -> str:
            if request.operation == "reflect":
                return f"Lesson of {request.problem}."
            seen[f"{request.problem} {request.position}"] = request.messages[-1].content
            return "Answer: 1"

        problems = [
            Problem(id=f"p{i}", prompt=f"What is {i} - 3?", reference=f"{i - 3}", kind="numeric")
            for i in range(8)
        ]
        team = cg.Team.of(Scripted(reply), verifier=NumericGrader())
        with Experience() as memory:
            learn(memory, lesson("old", "What is 9 - 3?"))
            strategy = cg.Reflexion(lessons=memory.during("run"))
            cg.run(problems, team, strategy, concurrency=concurrency)
        return [seen[place] for place in sorted(seen)]

    assert prompts(1) == prompts(8)


def test_a_run_needs_a_name(memory: Experience) -> None:
    with pytest.raises(ConfigError, match="give it a name"):
        memory.during("")


def test_a_solution_that_a_grader_calls_right_becomes_a_worked_example(memory: Experience) -> None:
    episode = solved("What is 2 + 3?", "5", "5")
    assert asyncio.run(memory.remember(episode))
    assert examples(memory, "What is 4 + 4?") == [("What is 2 + 3?", "So it is.\nAnswer: 5")]
    assert examples(memory, "What is  2 + 3?") == []
    assert recalled(memory, "What is 4 + 4?") == []
    [kept] = memory.kept()
    assert (kept.sort, kept.lesson.provenance.grader) == ("example", "NumericGrader")


@pytest.mark.parametrize("reference", ["6", None])
def test_what_an_episode_says_of_its_own_grade_is_not_relied_on(
    memory: Experience, reference: str | None
) -> None:
    assert not asyncio.run(memory.remember(solved("What is 2 + 3?", "5", reference)))
    assert examples(memory, "What is 4 + 4?") == []
    assert memory.dropped == {"it was not graded right": 1}


def test_a_solution_of_a_problem_for_measuring_is_not_remembered(memory: Experience) -> None:
    dev = cg.tasks.load("gsm8k")[0]
    assert dev.reference is not None
    assert not asyncio.run(memory.remember(solved(dev.prompt, dev.reference, dev.reference)))
    assert told(memory) == []


def test_an_example_goes_with_the_lesson_that_its_problem_was_shown(memory: Experience) -> None:
    learn(memory, lesson("root", "What is 1 + 2?", run="first"))
    assert recalled(memory, "What is 2 + 3?") == ["root"]
    assert asyncio.run(memory.remember(solved("What is 2 + 3?", "5", "5")))
    assert asyncio.run(memory.forget("run", "first")) == 2
    assert told(memory) == []
