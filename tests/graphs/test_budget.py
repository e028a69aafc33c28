"""A budget is never overshot, and what it grants does not depend on what came back first."""

import asyncio
import random

import pytest

import cogitate as cg
from cogitate.errors import EngineRefused
from cogitate.graphs import ThoughtKind
from cogitate.graphs.budget import Budgeted, Cost, Ledger
from cogitate.inference import Completion, Message, Price, Request, Sampling, Scripted, Usage

PROBLEM = cg.tasks.Problem(id="p", prompt="one two three", reference="42", kind="numeric")


def ask(n: int = 1, max_tokens: int = 10) -> Request:
    return Request(
        messages=(Message("user", "one two three"),), n=n, sampling=Sampling(max_tokens=max_tokens)
    )


@pytest.mark.parametrize("limit", ["tokens", "calls", "money", "seconds"])
@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf")])
def test_a_limit_that_is_no_positive_number_is_refused(limit: str, value: float) -> None:
    with pytest.raises(cg.ConfigError, match=f"Budget.{limit}="):
        cg.Budget(**{limit: value})  # type: ignore[arg-type]  # a float where int is declared


def test_n_is_cut_to_what_fits() -> None:
    ledger = Ledger(cg.Budget(tokens=25))
    engine = Budgeted(Scripted(["a b c d e f g h i j"]), ledger)
    # a prompt of 3 tokens and 10 for each sample: two fit into 25
    assert len(asyncio.run(engine.complete(ask(n=5)))) == 2
    assert (ledger.usage.tokens, ledger.stopped) == (23, "tokens")


def test_what_was_not_used_is_free_again() -> None:
    async def scenario() -> tuple[int, str | None]:
        ledger = Ledger(cg.Budget(tokens=30))
        engine = Budgeted(Scripted(["a"]), ledger)
        for _ in range(5):  # 4 tokens each, 13 reserved
            await engine.complete(ask())
        return ledger.usage.tokens, ledger.stopped

    assert asyncio.run(scenario()) == (20, None)


def test_nothing_more_fits() -> None:
    engine = Budgeted(Scripted(["a"]), Ledger(cg.Budget(tokens=12)))
    with pytest.raises(cg.BudgetExhausted, match=r"raise Budget\(tokens="):
        asyncio.run(engine.complete(ask()))


def test_a_call_waits_for_earlier_ones_before_it_is_cut() -> None:
    async def scenario() -> list[int]:
        ledger = Ledger(cg.Budget(tokens=30))
        engine = Budgeted(Scripted(["a"], latency=0.01), ledger)
        granted = await asyncio.gather(*(engine.complete(ask(n=2)) for _ in range(4)))
        return [len(completions) for completions in granted]

    # Each reserves 23 and uses 5. Alone the first two fit; then 20 and 16 are left for one each.
    assert asyncio.run(scenario()) == [2, 2, 1, 1]


def test_an_engine_of_unknown_tokenizer_reserves_its_bytes() -> None:
    class Unknown(Scripted):
        def count(self, request: Request) -> None:  # type: ignore[override]  # as remote engines do
            return None

    def granted(tokens: int) -> int:
        engine = Unknown([Completion(text="a", usage=Usage(3, 0, 1))])
        return len(asyncio.run(Budgeted(engine, Ledger(cg.Budget(tokens=tokens))).complete(ask())))

    # 13 bytes, 16 for the turn, 64 for the template, 10 new tokens
    assert granted(103) == 1
    with pytest.raises(cg.BudgetExhausted):
        granted(102)


def test_money_is_reserved_by_the_price_table() -> None:
    class Priced(Scripted):
        def __init__(self) -> None:
            super().__init__([Completion(text="a", usage=Usage(3, 0, 1, money=3e-6 + 2e-6))])
            self.info = cg.inference.EngineInfo(model="openai/x", price=Price(1.0, 2.0))

    ledger = Ledger(cg.Budget(money=30e-6))
    engine = Budgeted(Priced(), ledger)
    asyncio.run(engine.complete(ask()))  # reserves 23e-6, spends 5e-6
    asyncio.run(engine.complete(ask()))
    with pytest.raises(cg.BudgetExhausted, match="money"):  # 10e-6 + 23e-6 > 30e-6
        asyncio.run(engine.complete(ask()))
    assert ledger.usage.money == pytest.approx(10e-6)


def test_money_holds_for_a_server_that_needs_a_call_for_each_sample() -> None:
    class OneByOne(Scripted):
        def __init__(self) -> None:
            super().__init__([Completion(text="a", usage=Usage(0, 0, 10, money=23e-6))])
            self.info = cg.inference.EngineInfo(model="openai/x", price=Price(1.0, 2.0))

    ledger = Ledger(cg.Budget(money=65e-6))
    # 3 prompt tokens and 10 new ones cost 23e-6 for each of three samples: two fit
    assert len(asyncio.run(Budgeted(OneByOne(), ledger).complete(ask(n=3)))) == 2
    assert ledger.usage.money == pytest.approx(46e-6)


def test_a_money_budget_needs_a_price_for_a_remote_model() -> None:
    engine = Scripted(["a"])
    engine.info = cg.inference.EngineInfo(model="openai/x")
    with pytest.raises(cg.ConfigError, match="price"):
        Budgeted(engine, Ledger(cg.Budget(money=1.0)))


def test_a_cancelled_call_is_charged_what_it_had_reserved() -> None:
    async def scenario() -> Usage:
        ledger = Ledger(cg.Budget(tokens=100))
        engine = Budgeted(Scripted(["a"], latency=10), ledger)
        call = asyncio.ensure_future(engine.complete(ask()))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return ledger.usage

    usage = asyncio.run(scenario())
    assert (usage.tokens, usage.calls) == (13, 1)


def test_reservations_of_one_ledger_are_granted_in_the_order_of_asking() -> None:
    async def scenario() -> list[str]:
        ledger, order = Ledger(cg.Budget(calls=1)), []
        first = await ledger.reserve(Cost(), Cost(calls=1), 1)

        async def later(name: str) -> None:
            try:
                grant = await ledger.reserve(Cost(), Cost(calls=1), 1)
                order.append(name)
                ledger.settle(grant, Usage(calls=0))
            except cg.BudgetExhausted:
                order.append(f"{name} refused")

        waiting = [asyncio.ensure_future(later(name)) for name in "abc"]
        await asyncio.sleep(0)
        ledger.settle(first, Usage(calls=0))
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(scenario()) == ["a", "b", "c"]


STRATEGIES = [
    cg.Direct(),
    cg.ChainOfThought(),
    cg.SelfConsistency(n=6),
    cg.UniversalSelfConsistency(n=4),
    cg.BestOfN(n=5),
    cg.BestOfN(n=4, weighted=True),
    cg.SelfRefine(rounds=3),
    cg.SelfRefine(rounds=3, threshold=0.9),
    cg.SelfPolish(rounds=3),
    cg.GenerateCritiqueRefine(k=4),
]


def test_a_thousand_random_strategies_and_budgets_never_overshoot() -> None:
    stopped = 0
    for seed in range(1000):
        chance = random.Random(seed)
        words = lambda _request, c=chance: " ".join(["Answer:"] + ["w"] * c.randrange(60))  # noqa: E731
        engine = Scripted(words)
        team = cg.Team.of(engine, max_tokens=chance.randrange(1, 60))
        budget = cg.Budget(
            tokens=chance.choice([None, chance.randrange(1, 3000)]),
            calls=chance.choice([None, chance.randrange(1, 12)]),
        )
        result = cg.solve(PROBLEM, team, chance.choice(STRATEGIES), budget=budget)
        assert budget.tokens is None or result.usage.tokens <= budget.tokens
        assert budget.calls is None or result.usage.calls <= budget.calls
        if result.stopped:
            stopped += 1
            assert result.stopped in ("tokens", "calls")
            solutions = list(result.graph.thoughts(ThoughtKind.SOLUTION))
            assert (result.thought is None) == (not solutions)
    assert stopped > 200


def test_out_of_budget_returns_the_best_thought_so_far_and_says_so() -> None:
    def reply(request: Request) -> str:
        return f"Answer: {request.sample}" if request.role == "generator" else "Score: 0.2"

    budget = cg.Budget(calls=4)
    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply)), cg.BestOfN(n=3), budget=budget)
    assert result.stopped == "calls"
    assert result.usage.calls == 4
    assert result.answer == "2"  # two unscored solutions count as 0.5, the latest is taken


def test_the_seconds_budget_ends_a_slow_search() -> None:
    team = cg.Team.of(Scripted(["Answer: 1\nAccept: no"], latency=0.05))
    budget = cg.Budget(seconds=0.2)
    result = cg.solve(PROBLEM, team, cg.SelfRefine(rounds=1000, threshold=1), budget=budget)
    assert result.stopped == "seconds"
    assert result.answer == "1"


def test_a_rating_is_one_call_reserved_before_and_settled_after() -> None:
    def ledger_after(*, tokens: int) -> tuple[int, int]:
        ledger = Ledger(cg.Budget(tokens=tokens, calls=1))
        engine = Scripted(["a"], reward=lambda _request, steps: [0.5] * len(steps))
        asyncio.run(Budgeted(engine, ledger).rate(ask(), ["a b", "c"]))
        return ledger.usage.calls, ledger.usage.tokens

    # 3 words of the prompt, 4 bytes and 8 for each step, 16 for the turn: 39 reserved, 6 used
    assert ledger_after(tokens=39) == (1, 6)
    with pytest.raises(cg.BudgetExhausted):
        ledger_after(tokens=38)


def test_a_failed_rating_is_a_call_without_tokens() -> None:
    ledger = Ledger(cg.Budget(tokens=100))
    with pytest.raises(EngineRefused):
        asyncio.run(Budgeted(Scripted(["a"]), ledger).rate(ask(), ["a"]))
    assert ledger.usage == Usage(calls=1)
