"""Many problems at once: shared engines, failures kept apart, an end on request."""

import asyncio

import pytest

import cogitate as cg
from cogitate.graphs import Episode
from cogitate.graphs.episode import graded
from cogitate.inference import Request, Scripted

PROBLEMS = [
    cg.tasks.Problem(id=f"p{i}", prompt=f"What is {i} + 0?", reference=str(i), kind="numeric")
    for i in range(6)
]


def first_number(request: Request) -> str:
    return f"Answer: {request.messages[-1].content.split()[2]}"


def test_every_answer_is_graded_in_the_order_of_the_problems() -> None:
    seen: list[Episode] = []
    team = cg.Team.of(Scripted(first_number))
    report = cg.run(PROBLEMS, team, cg.Direct(), concurrency=3, on_episode=seen.append)
    assert [episode.problem.id for episode in report.episodes] == [p.id for p in PROBLEMS]
    assert report.correct == len(seen) == 6
    assert report.usage.calls == 6
    assert not report.interrupted


def test_searches_of_different_problems_are_in_flight_together() -> None:
    now, most = 0, 0

    class Counting(Scripted):
        async def complete(self, request: Request) -> list[cg.inference.Completion]:
            nonlocal now, most
            now, most = now + 1, max(most, now + 1)
            await asyncio.sleep(0.01)
            now -= 1
            return await super().complete(request)

    cg.run(PROBLEMS, cg.Team.of(Counting(first_number)), cg.Direct(), concurrency=4)
    assert most == 4


def test_a_strategy_that_fails_on_one_problem_leaves_the_others_alone() -> None:
    async def fragile(d: cg.Deliberation) -> cg.Thought:
        if d.task.id == "p2":
            raise KeyError("lost")
        return await d.generate()

    report = cg.run(PROBLEMS, cg.Team.of(Scripted(first_number)), fragile)
    assert report.correct == 5
    assert report.episodes[2].error == "KeyError: 'lost'"
    assert len(report.episodes[2].graph) == 1


def test_a_wrong_configuration_ends_the_run_at_once() -> None:
    team = cg.Team(generator=cg.Generator(Scripted(first_number)))
    with pytest.raises(cg.ConfigError, match="needs a critic"):
        cg.run(PROBLEMS, team, cg.SelfRefine())


def test_stopping_keeps_what_is_finished() -> None:
    async def scenario() -> cg.Report:
        stop = asyncio.Event()
        finished: list[Episode] = []

        def on_episode(episode: Episode) -> None:
            finished.append(episode)
            if len(finished) == 2:
                stop.set()

        team = cg.Team.of(Scripted(first_number, latency=0.01))
        return await cg.arun(
            PROBLEMS, team, cg.Direct(), concurrency=1, on_episode=on_episode, stop=stop
        )

    report = asyncio.run(scenario())
    assert [episode.problem.id for episode in report.episodes] == ["p0", "p1"]
    assert report.interrupted


def test_a_search_can_be_stopped_and_gives_the_best_so_far() -> None:
    async def scenario() -> cg.Result:
        stop = asyncio.Event()
        model = Scripted(lambda request: f"Answer: {request.position}", latency=0.01)
        asyncio.get_running_loop().call_later(0.1, stop.set)
        strategy = cg.SelfRefine(rounds=10_000)
        return await cg.asolve("What?", cg.Team.of(model), strategy, stop=stop)

    result = asyncio.run(scenario())
    assert result.stopped == "interrupted"
    *_, last = result.graph.thoughts(cg.graphs.ThoughtKind.SOLUTION)
    assert result.thought is last


def test_a_problem_without_reference_is_not_graded() -> None:
    problems = [cg.tasks.Problem(prompt="Say something.")]
    [episode] = cg.run(problems, cg.Team.of(Scripted(["Hello."])), cg.Direct()).episodes
    assert episode.grade is None and not episode.error


def test_no_answer_is_graded_wrong() -> None:
    [episode] = cg.run(PROBLEMS[:1], cg.Team.of(Scripted(["Hm."])), cg.Direct()).episodes
    assert episode.grade is not None and episode.grade.score == 0
    assert episode.grade.reason == "no answer was marked"


def test_worked_examples_of_a_problem_set_are_shown() -> None:
    shown: list[str] = []

    def reply(request: Request) -> str:
        shown.extend(message.content for message in request.messages)
        return "Answer: 0"

    example = cg.tasks.Example(prompt="What is 8 + 0?", response="Answer: 8")
    problems = cg.tasks.ProblemSet("sums", PROBLEMS[:1], examples=[example])
    team = cg.Team(generator=cg.Generator(Scripted(reply), examples=1))
    cg.run(problems, team, cg.ChainOfThought())
    assert "Answer: 8" in shown


def test_a_grader_that_fails_costs_one_problem_its_grade() -> None:
    problem = cg.tasks.Problem(id="g", prompt="Q", reference="42", kind="numeric")
    episode = Episode(
        problem, cg.solve(problem, cg.Team.of(Scripted(["Answer: 42"])), cg.Direct()), None
    )
    assert episode.result is not None
    broken = problem.model_copy(
        update={"reference": 42}
    )  # not a text, as a hostile file may have it
    found = asyncio.run(graded(Episode(broken, episode.result, None)))
    assert found.grade is None
    assert found.error
