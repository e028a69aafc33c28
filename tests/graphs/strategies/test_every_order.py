"""Whatever order replies arrive in, the same seed grows the same graph, with every strategy."""

import asyncio
import random
from typing import get_args

import pytest
from searches import NAMES, draw, problem_for, small, team
from thinker import Judges, Thinker, at_once, shuffled

import cogitate as cg
from cogitate.graphs import Strategy, gather, strategy_named
from cogitate.inference import Completion, Request
from cogitate.inference.coalesce import Coalesce

ORDERS = 50


class Scattered(Coalesce):
    """A layer that merges no asks: even equal ones of one moment are answered one by one."""

    async def complete(self, request: Request) -> list[Completion]:
        return await self._engine.complete(request)


async def graph(strategy: str | Strategy, order: int, mind: int = 0) -> str:
    """The graph of a search, and its result, with replies in that order; 0: as they were asked."""
    chance, nature = random.Random(order), random.Random(f"mind {mind}")
    before = shuffled(chance) if order else at_once
    judges = nature.choice(get_args(Judges))
    failing = nature.choice([0.0, 0.1])
    minds = [
        Thinker(3 * mind + i, judges=judges, failing=failing, before=before, name=f"mind-{i}")
        for i in range(3)
    ]
    layers = [Scattered(mind) if order % 2 else Coalesce(mind) for mind in minds]
    problem = problem_for(str(strategy), mind)
    search = strategy_named(strategy) if isinstance(strategy, str) else strategy
    result = await cg.asolve(problem, team(*layers), search, seed=7)
    return result.graph.to_json() + (result.thought.id if result.thought else "")


async def graphs(strategy: str | Strategy, orders: int = ORDERS, mind: int = 0) -> set[str]:
    """The different graphs that come of as many orders."""
    return {await graph(strategy, order, mind) for order in range(orders)}


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_does_not_depend_on_the_order_of_replies(name: str) -> None:
    async def scenario() -> None:
        assert len(await graphs(small(name, parallel=3))) == 1
        for i in range(8):
            drawn = draw(name, random.Random(i))
            assert len(await graphs(drawn, orders=6, mind=i)) == 1, drawn

    asyncio.run(scenario())


async def refine_what_came_first(d: cg.Deliberation) -> cg.Thought:
    """A strategy with the fault that is looked for: who answers first decides."""
    drafts: list[cg.Thought] = []

    async def draft(number: int) -> None:
        drafts.extend(await d.ask("generate", [d.problem], first=number))

    await gather(draft(number) for number in range(3))
    return await d.refine(drafts[0], await d.critique(drafts[0]))


async def race_for_sample_numbers(d: cg.Deliberation) -> cg.Thought:
    """Another: overlapping asks at one place get their numbers in the order of arrival."""

    async def chain(agent: str) -> cg.Thought:
        draft = await d.generate(agent=agent)
        await d.critique(draft)
        return await d.generate(agent="generator-1")

    return (await gather(chain(agent) for agent in ("generator-2", "generator-3")))[0]


@pytest.mark.parametrize("faulty", [refine_what_came_first, race_for_sample_numbers])
def test_a_strategy_that_depends_on_the_order_of_replies_is_found_out(faulty: Strategy) -> None:
    assert len(asyncio.run(graphs(faulty, 10))) > 1
