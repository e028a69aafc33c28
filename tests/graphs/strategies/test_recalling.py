"""Any strategy, with what was learned on similar problems in its prompts."""

import cogitate as cg
from cogitate.agents import Lesson
from cogitate.inference import Request, Scripted
from cogitate.tasks import Example, Problem


class Memory:
    """Recalls what it was given, right or wrong."""

    def __init__(self, *lessons: Lesson, examples: tuple[Example, ...] = ()) -> None:
        self._lessons = lessons
        self._examples = examples

    async def recall(self, problem: Problem) -> tuple[Lesson, ...]:
        return self._lessons

    async def learn(self, lesson: Lesson) -> None: ...

    async def examples(self, problem: Problem) -> tuple[Example, ...]:
        return self._examples


def prompts(strategy: cg.Strategy, *, examples: int = 0) -> list[str]:
    seen: list[str] = []

    def reply(request: Request) -> str:
        text = "\n".join(f"{role}: {content}" for role, content in request.messages)
        seen.append(f"{request.role}: {text}")
        return "Accept: no\nAnswer: 1"

    team = cg.Team.of(Scripted(reply), examples=examples)
    cg.solve(Problem(id="p", prompt="Add 5 and 6."), team, strategy)
    return seen


def test_every_prompt_of_a_generator_shows_the_lessons_and_nobody_elses_does() -> None:
    memory = Memory(Lesson(text="Carry.", problem="x", prompt="Add 1 and 2.", verified=True))
    seen = prompts(cg.Recalling(cg.SelfRefine(rounds=1), lessons=memory))
    assert [(one.split(":")[0], "- Carry." in one) for one in seen] == [
        ("generator", True),
        ("critic", False),
        ("refiner", False),
    ]


def test_a_memory_that_recalls_what_was_not_verified_is_not_believed() -> None:
    memory = Memory(
        Lesson(text="Poison.", problem="x", prompt="Add 1 and 2."),
        Lesson(text="The answer is 11.", problem="x", prompt="Add 5  and 6.", verified=True),
        examples=(Example(prompt="Add 5 and 6. ", response="Answer: 11"),),
    )
    plain = prompts(cg.ChainOfThought(), examples=2)
    recalling = cg.Recalling(cg.ChainOfThought(), lessons=memory, examples=memory)
    assert prompts(recalling, examples=2) == plain


def test_solved_problems_are_shown_as_far_as_the_agent_shows_examples() -> None:
    solved = tuple(Example(prompt=f"Add {i} and 1.", response=f"Answer: {i + 1}") for i in range(3))
    recalling = cg.Recalling(cg.ChainOfThought(), examples=Memory(examples=solved))
    [prompt] = prompts(recalling, examples=2)
    assert [f"Add {i} and 1." in prompt for i in range(3)] == [True, True, False]
    assert prompts(recalling) == prompts(cg.ChainOfThought())


def test_searches_side_by_side_keep_the_lessons_of_their_own_problem() -> None:
    memory = Memory(Lesson(text="Carry.", problem="x", prompt="Add 1 and 2.", verified=True))
    seen = prompts(cg.Recalling(cg.SelfConsistency(n=3), lessons=memory))
    assert all("- Carry." in one for one in seen)
