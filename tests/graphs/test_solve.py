"""How a search ends: with nothing left behind, and with the reason, whatever a strategy does."""

import asyncio

import pytest

import cogitate as cg
from cogitate.graphs import Thought, ThoughtKind, best_thought
from cogitate.inference import Engines, Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


def model(latency: float = 0.0) -> Scripted:
    return Scripted(lambda request: f"Accept: no\nAnswer: {request.sample}", latency=latency)


def test_nothing_changes_once_the_result_is_there() -> None:
    left: list[asyncio.Future[None]] = []

    async def leaves_a_task_behind(d: cg.Deliberation) -> cg.Thought:
        async def more() -> None:
            while True:
                await d.generate()

        left.append(asyncio.ensure_future(more()))
        return await d.generate(operation="direct")

    async def scenario() -> None:
        async with Engines() as engines:
            engine = model(latency=0.01)
            team = cg.Team.of(engine)
            result = await cg.asolve(PROBLEM, team, leaves_a_task_behind, engines=engines)
            before = result.graph.to_json(), engine.calls
            await asyncio.sleep(0.05)
            assert (result.graph.to_json(), engine.calls) == before
            assert result.usage.calls >= engine.calls
            assert left[0].cancelled()

    asyncio.run(scenario())


def test_the_end_of_the_budget_inside_nested_task_groups_gives_the_best_so_far() -> None:
    async def nested(d: cg.Deliberation) -> None:
        async with asyncio.TaskGroup() as outer:

            async def several() -> None:
                async with asyncio.TaskGroup() as inner:
                    for _ in range(3):
                        inner.create_task(d.generate())

            for _ in range(2):
                outer.create_task(several())

    result = cg.solve(PROBLEM, cg.Team.of(model()), nested, budget=cg.Budget(calls=4))
    assert result.stopped == "calls"
    assert result.usage.calls == 4
    assert result.thought is not None


@pytest.mark.parametrize("again", [0, 1, 5])
def test_a_strategy_that_swallows_its_cancellation_ends_all_the_same(again: int) -> None:
    asked: list[Request] = []

    async def stubborn(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        for _ in range(1 + again):
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                draft = await d.generate()
        return draft

    def reply(request: Request) -> str:
        asked.append(request)
        return "Answer: 1"

    budget = cg.Budget(seconds=0.05)
    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply)), stubborn, budget=budget)
    assert (result.stopped, result.answer, len(asked)) == ("seconds", "1", 1)


def test_a_cancellation_that_nobody_asked_for_fails_one_problem_alone() -> None:
    async def lets_it_out(d: cg.Deliberation) -> cg.Thought:
        if d.task.id == "p0":
            task = asyncio.ensure_future(d.generate())
            task.cancel()
            await task
        return await d.generate()

    problems = [PROBLEM.model_copy(update={"id": f"p{i}"}) for i in range(3)]
    report = cg.run(problems, cg.Team.of(model()), lets_it_out, concurrency=1)
    assert [bool(episode.error) for episode in report.episodes] == [True, False, False]
    assert "catch CancelledError" in report.episodes[0].error
    assert not report.interrupted


def test_a_wrong_configuration_inside_a_task_group_comes_alone() -> None:
    async def needs_a_critic(d: cg.Deliberation) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(d.critique(await d.generate()))

    with pytest.raises(cg.ConfigError, match="needs a critic"):
        cg.run([PROBLEM], cg.Team(cg.Generator(model())), needs_a_critic)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_best_so_far_does_not_depend_on_which_thought_came_first(
    order: tuple[int, int],
) -> None:
    graph = cg.ThoughtGraph.of(PROBLEM)
    drafts = [Thought(f"a.{i}", ThoughtKind.SOLUTION, f"Answer: {i}", answer=f"{i}") for i in order]
    for draft in drafts:
        graph.add(draft, [graph.root])
    assert best_thought(graph) is graph.thought("a.1")
    mended = Thought("0.0", ThoughtKind.SOLUTION, "Answer: 2", answer="2")
    graph.add(mended, [graph.thought("a.0")])
    assert best_thought(graph) is mended
    graph.score(graph.thought("a.0"), "judge", 0.6)
    assert best_thought(graph) is graph.thought("a.0")
