"""Each lesson knows where it comes from, and goes when its source goes."""

import asyncio

import pytest
from remembering import learn, lesson, recalled, told

import cogitate as cg
from cogitate.agents import Provenance
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.memory import Experience
from cogitate.tasks import NumericGrader, Problem


def test_a_lesson_knows_who_wrote_it_and_what_verified_it(memory: Experience) -> None:
    answers = iter(["40", "42"])

    def reply(request: Request) -> str:
        return "Carry." if request.operation == "reflect" else f"Answer: {next(answers)}"

    problem = Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
    team = cg.Team.of(Scripted(reply, name="small"), verifier=NumericGrader())
    result = cg.solve(problem, team, cg.Reflexion(lessons=memory.during("monday")))
    [kept] = memory.kept()
    [thought] = result.graph.thoughts(cg.graphs.ThoughtKind.LESSON)
    assert result.thought is not None
    assert kept.lesson.provenance == Provenance(
        run="monday",
        thought=thought.id,
        author="generator",
        model="scripted/small",
        grader="NumericGrader",
        outcome=result.thought.id,
    )
    assert (kept.lesson.problem, kept.lesson.kind, kept.lesson.verified) == ("p", "numeric", True)
    assert kept.learned.startswith("20")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", "r1"),
        ("author", "crook"),
        ("model", "hf/bad"),
        ("grader", "Lax"),
        ("problem", "p1"),
        ("prompt", "Add 1 and 2"),
    ],
)
def test_a_source_is_removed_by_any_of_its_names_and_does_not_come_back(
    memory: Experience, field: str, value: str
) -> None:
    bad = lesson(
        "bad", "Add 1 and 2", problem="p1", run="r1", author="crook", model="hf/bad", grader="Lax"
    )
    good = lesson("good", "Add 3 and 4")
    learn(memory, bad, good)
    assert asyncio.run(memory.forget(field, value)) == 1  # type: ignore[arg-type]  # a parameter
    assert told(memory) == recalled(memory, "Add 8 and 9") == ["good"]
    learn(memory, bad)
    assert told(memory) == ["good"]
    assert memory.dropped == {"its source was forgotten": 1}


def test_what_derives_from_a_source_goes_with_it_however_far(memory: Experience) -> None:
    root = lesson("root", "Add 1 and 2")
    learn(memory, root)
    child = lesson("child", "Add 3 and 4", derived_from=(root.id,))
    learn(memory, child)
    grandchild = lesson("grandchild", "Add 5 and 6", derived_from=("other", child.id))
    learn(memory, grandchild, lesson("apart", "Add 7 and 8"))
    assert asyncio.run(memory.forget("id", root.id)) == 3
    assert told(memory) == ["apart"]
    learn(memory, lesson("late", "Add 9 and 10", derived_from=(grandchild.id,)))
    assert told(memory) == ["apart"]
    assert memory.dropped == {"it derives from what was forgotten": 1}


def test_what_was_learned_on_a_problem_derives_from_all_that_it_recalled(
    memory: Experience,
) -> None:
    learn(memory, lesson("root", "Add 1 and 2", run="first"))
    view = memory.during("second")
    assert recalled(view, "Add 3 and 4") == ["root"]
    learn(view, lesson("taken over", "Add 3 and 4"), lesson("apart", "Say a rhyme"))
    assert asyncio.run(memory.forget("run", "first")) == 2
    assert told(memory) == ["apart"]


def test_a_lesson_that_was_being_used_while_it_was_forgotten_leaves_nothing(
    memory: Experience,
) -> None:
    learn(memory, lesson("root", "Add 1 and 2", run="first"))
    assert recalled(memory, "Add 3 and 4") == ["root"]
    asyncio.run(memory.forget("run", "first"))
    learn(memory, lesson("taken over", "Add 3 and 4"))
    assert told(memory) == []


def test_reflexion_says_what_its_lessons_derive_from(memory: Experience) -> None:
    root = lesson("root", "What is 5 * 5?")
    learn(memory, root)
    answers = iter(["40", "42"])

    def reply(request: Request) -> str:
        return "Carry." if request.operation == "reflect" else f"Answer: {next(answers)}"

    problem = Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
    team = cg.Team.of(Scripted(reply), verifier=NumericGrader())
    cg.solve(problem, team, cg.Reflexion(lessons=memory))
    *_, kept = memory.kept()
    assert kept.lesson.provenance.derived_from == (root.id,)


def test_the_id_of_a_lesson_says_all_of_it_and_stays() -> None:
    one = lesson("carry", "Add 1", run="r", derived_from=("x",))
    assert one.id == "8feb85cb8c69e900c54713b28b993cc9"
    for other in (
        lesson("carry!", "Add 1", run="r", derived_from=("x",)),
        lesson("carry", "Add 1", run="r"),
        lesson("carry", "Add 1", run="s", derived_from=("x",)),
        one.model_copy(update={"verified": False}),
    ):
        assert other.id != one.id


def test_forgetting_needs_a_name(memory: Experience) -> None:
    with pytest.raises(ConfigError, match="name what"):
        asyncio.run(memory.forget("run", ""))
