"""In the middle of any search: its graph can be kept, and it can be stopped at once."""

import asyncio
import random

import pytest
from searches import LIST, NAMES, draw, problem_for, small, team
from thinker import Thinker

import cogitate as cg
from cogitate.graphs import Result, Strategy, ThoughtKind, strategy_named
from cogitate.tasks import Problem

EVERY = 3
"""Thoughts from one saving to the next."""


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_saved_in_the_middle_of_a_search_loads_equal(name: str) -> None:
    saved = 0

    def think(named: str, seed: int) -> None:
        graph, thoughts, strategy = cg.ThoughtGraph(), 0, strategy_named(named)

        async def watched(d: cg.Deliberation) -> cg.Thought | None:
            nonlocal graph
            graph = d.graph
            return await strategy(d)

        def save(thought: cg.Thought) -> None:
            nonlocal saved, thoughts
            thoughts += 1
            if thoughts % EVERY == 1:
                text = graph.to_json()
                loaded = cg.ThoughtGraph.from_json(text)
                assert loaded.to_json() == text
                assert thought.id in loaded
                saved += 1

        made = team(Thinker(seed, judges="process"), Thinker(seed + 1, name="other"))
        result = cg.solve(problem_for(named, seed), made, watched, watch=save, seed=seed)
        text = result.graph.to_json()
        assert cg.ThoughtGraph.from_json(text).to_json() == text

    for seed in range(4):
        think(draw(name, random.Random(seed), parallel=3), seed)
    assert saved >= 4


class Hanging:
    """Lets some requests pass, and keeps all later ones waiting for ever."""

    def __init__(self, passing: int) -> None:
        self.passed = 0
        self.hangs = asyncio.Event()
        self.waiting = 0
        """Those under way that will never be answered."""
        self._passing = passing

    async def __call__(self, _: object = None) -> None:
        if self.passed < self._passing:
            self.passed += 1
            return
        self.hangs.set()
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1


async def requests_of(strategy: Strategy) -> int:
    """How many calls of an engine a whole search makes."""
    passing = Hanging(10**9)
    await cg.asolve(LIST, team(Thinker(before=passing)), strategy)
    return passing.passed


def check(result: Result, reason: str, hanging: Hanging, *minds: Thinker) -> None:
    """It was stopped for that reason, paid what it began, and left nothing behind."""
    assert result.stopped == reason
    graph = result.graph
    solved = any(t.text and graph.whole(t) for t in graph.thoughts(ThoughtKind.SOLUTION))
    assert (result.thought is not None) == solved
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert hanging.waiting == 0
    assert sum(mind.busy for mind in minds) == 0
    assert sum(mind.bill.tokens for mind in minds) <= result.usage.tokens


@pytest.mark.parametrize("name", NAMES)
def test_a_search_ends_at_once_when_it_is_stopped_and_cancels_what_is_under_way(name: str) -> None:
    async def scenario() -> None:
        strategy = strategy_named(small(name, parallel=3))
        whole = await requests_of(strategy)
        for part in (0, whole // 3, whole - 1):
            hanging, stop = Hanging(part), asyncio.Event()
            mind = Thinker(before=hanging)
            search = asyncio.ensure_future(cg.asolve(LIST, team(mind), strategy, stop=stop))
            await hanging.hangs.wait()
            for _ in range(100):  # whatever else is on its way comes to hang as well
                await asyncio.sleep(0)
            stop.set()
            async with asyncio.timeout(2):
                result = await search
            check(result, "interrupted", hanging, mind)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", NAMES)
def test_a_search_ends_when_its_time_is_up(name: str) -> None:
    async def scenario() -> None:
        strategy = strategy_named(small(name, parallel=3))
        hanging = Hanging(await requests_of(strategy) // 2)
        mind = Thinker(before=hanging)
        async with asyncio.timeout(2):
            result = await cg.asolve(
                LIST, team(mind), strategy, budget=cg.Budget(seconds=0.03, tokens=10**6)
            )
        assert 0.03 <= result.seconds < 0.5
        check(result, "seconds", hanging, mind)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", NAMES)
def test_a_search_whose_verifying_function_hangs_ends_when_it_is_stopped(name: str) -> None:
    async def scenario() -> None:
        strategy, hanging, stop = (
            strategy_named(small(name, parallel=3)),
            Hanging(1),
            asyncio.Event(),
        )

        async def verify(_problem: Problem, _text: str) -> float:
            await hanging()
            return 0.5

        mind = Thinker()
        search = asyncio.ensure_future(
            cg.asolve(LIST, team(mind, verifier=verify), strategy, stop=stop)
        )
        hung = asyncio.ensure_future(hanging.hangs.wait())
        await asyncio.wait({search, hung}, return_when=asyncio.FIRST_COMPLETED)
        hung.cancel()
        stop.set()
        async with asyncio.timeout(2):
            result = await search
        if hanging.hangs.is_set():
            check(result, "interrupted", hanging, mind)

    asyncio.run(scenario())


def test_a_strategy_that_leaves_a_task_behind_is_found_out() -> None:
    left: list[asyncio.Future[None]] = []

    async def careless(d: cg.Deliberation) -> cg.Thought:
        left.append(asyncio.ensure_future(asyncio.sleep(60)))
        return await d.generate()

    async def scenario() -> None:
        hanging, stop = Hanging(0), asyncio.Event()
        mind = Thinker(before=hanging)
        search = asyncio.ensure_future(cg.asolve(LIST, team(mind), careless, stop=stop))
        await hanging.hangs.wait()
        stop.set()
        with pytest.raises(AssertionError, match="sleep"):
            check(await search, "interrupted", hanging, mind)

    asyncio.run(scenario())
    assert left[0].cancelled()
