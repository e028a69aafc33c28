"""No strategy overshoots a budget, and each that is stopped by one says so and gives its best."""

import asyncio
import random
from typing import get_args

import pytest
from searches import NAMES, draw, problem_for, team
from thinker import Judges, Thinker, at_once, shuffled

import cogitate as cg
from cogitate.graphs import Result, ThoughtKind, strategy_named


def limits(chance: random.Random) -> cg.Budget:
    """Tokens, calls and money: one of them, or several."""
    named = chance.sample(["tokens", "calls", "money"], k=chance.choice([1, 1, 2, 3]))
    tokens = round(2 ** chance.uniform(4, 11))
    return cg.Budget(
        tokens=tokens if "tokens" in named else None,
        calls=round(2 ** chance.uniform(0, 5)) if "calls" in named else None,
        money=tokens * 4e-6 if "money" in named else None,
    )


def overshoots(spent: float, limit: float | None) -> bool:
    return limit is not None and spent > limit


def check(budget: cg.Budget, result: Result, *engines: Thinker) -> None:
    """The engines' own bill is within the budget, and within what the result says was used."""
    for name in ("tokens", "calls", "money"):
        billed = sum(getattr(engine.bill, name) for engine in engines)
        used, limit = getattr(result.usage, name), getattr(budget, name)
        assert billed <= used + 1e-12, f"{billed} {name} were billed, and {used} accounted for"
        assert limit is None or used <= limit, f"{used} {name} of {limit}"
    graph = result.graph
    solved = any(t.text and graph.whole(t) for t in graph.thoughts(ThoughtKind.SOLUTION))
    assert (result.thought is not None) == solved
    if result.stopped is not None:
        assert getattr(budget, result.stopped) is not None
        assert result.thought is None or result.thought.kind is ThoughtKind.SOLUTION


async def search(seed: int, budget: cg.Budget | None = None) -> tuple[Result, list[Thinker]]:
    """One search of a strategy, parameters and a team that follow from the seed."""
    chance = random.Random(seed)
    strategy = draw(NAMES[seed % len(NAMES)], chance)
    judges = chance.choice(list(get_args(Judges)))
    counts = chance.random() < 0.7
    failing = chance.choice([0.0, 0.0, 0.1])
    before = chance.choice([at_once, shuffled(chance)])
    engines = [
        Thinker(
            seed + i, judges=judges, counts=counts, failing=failing, before=before, name=f"mind-{i}"
        )
        for i in range(chance.choice([1, 2, 3]))
    ]
    made = team(*engines, max_tokens=chance.randrange(2, 60))
    try:
        problem = problem_for(strategy, seed)
        result = await cg.asolve(problem, made, strategy_named(strategy), budget=budget, seed=seed)
    except Exception as error:
        error.add_note(f"seed {seed}: {strategy} with {budget}")
        raise
    return result, engines


async def searches(seeds: range) -> dict[str, int]:
    """Search with every seed; return how often each strategy was stopped."""
    stopped = dict.fromkeys(NAMES, 0)
    for seed in seeds:
        budget = limits(random.Random(f"limits {seed}"))
        result, engines = await search(seed, budget)
        try:
            check(budget, result, *engines)
        except AssertionError as error:
            error.add_note(f"seed {seed}: {NAMES[seed % len(NAMES)]} with {budget}")
            raise
        stopped[NAMES[seed % len(NAMES)]] += result.stopped is not None
    return stopped


def test_random_strategies_never_overshoot_random_budgets() -> None:
    stopped = asyncio.run(searches(range(200)))
    assert sum(stopped.values()) > 50


@pytest.mark.slow
def test_a_thousand_random_strategies_never_overshoot_random_budgets() -> None:
    stopped = asyncio.run(searches(range(200, 1_200)))
    assert sum(stopped.values()) > 250
    assert [name for name, times in stopped.items() if not times] == []


def test_a_search_that_names_no_limit_was_not_cut() -> None:
    async def scenario() -> int:
        whole = 0
        for seed in range(60):
            budget = limits(random.Random(f"wide {seed}"))
            limited, _ = await search(seed, budget)
            if limited.stopped is None:
                unlimited, _ = await search(seed)
                assert limited.graph.to_json() == unlimited.graph.to_json(), f"seed {seed}"
                whole += 1
        return whole

    assert asyncio.run(scenario()) > 10
