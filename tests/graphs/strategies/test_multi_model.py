"""Wider or deeper, and by which model: what scores teach the search."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import networkx as nx
import pytest
from thinker import Thinker, shuffled

import cogitate as cg
from cogitate.graphs import Relation, Result, Thought, ThoughtKind, strategy_named
from cogitate.graphs.strategies.multi_model import MultiModelSearch
from cogitate.inference import Completion, Request, Scripted
from cogitate.inference.coalesce import Coalesce

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


def said(problem: cg.tasks.Problem, text: str) -> float:
    """The score that a solution claims."""
    return float(text.rpartition("worth ")[2])


def team(**writes: Callable[[Request], str]) -> cg.Team:
    """One generator of each name."""
    return cg.Team(
        [cg.Generator(Scripted(reply, name=name), name=name) for name, reply in writes.items()],
        verifier=said,
    )


def luck(request: Request, mean: float) -> str:
    """A solution that is worth 1 with probability `mean`, otherwise 0."""
    chance = random.Random(f"{request.agent} {request.position} {request.sample}").random()
    return f"Answer: {request.sample}\nworth {float(chance < mean)}"


def wrote(result: Result) -> Counter[str]:
    return Counter(t.agent for t in result.graph.thoughts(ThoughtKind.SOLUTION))


def drafts(result: Result) -> int:
    return len(list(result.graph.children(result.graph.root)))


@pytest.mark.parametrize("parallel", [1, 6])
def test_the_stronger_model_gets_most_calls(parallel: int) -> None:
    made = team(
        weak=lambda request: luck(request, 0.2),
        strong=lambda request: luck(request, 0.7),
        poor=lambda request: luck(request, 0.1),
    )
    calls: Counter[str] = Counter()
    for seed in range(10):
        strategy = MultiModelSearch(simulations=60, parallel=parallel)
        calls += wrote(cg.solve(PROBLEM, made, strategy, seed=seed))
    assert calls.total() == 600
    assert calls["strong"] > 0.6 * 600
    assert min(calls.values()) > 10


def test_it_goes_wider_where_refining_makes_things_worse() -> None:
    made = team(one=lambda r: "worth 0.0" if r.operation == "refine" else "worth 0.6")
    result = cg.solve(PROBLEM, made, MultiModelSearch(simulations=60))
    assert drafts(result) > 45


def test_it_goes_deeper_where_refining_makes_things_better() -> None:
    made = team(one=lambda r: "worth 0.8" if r.operation == "refine" else "worth 0.1")
    result = cg.solve(PROBLEM, made, MultiModelSearch(simulations=60))
    assert 1 <= drafts(result) < 15


def test_it_refines_the_draft_that_can_be_refined() -> None:
    """What is made of the first draft is worth something, what is made of others is not."""

    def reply(request: Request) -> str:
        if request.operation == "generate":
            return f"draft {request.sample} worth 0.3"
        [draft] = set(re.findall(r"draft \d+", request.messages[-1].content))
        return f"{draft} worth {0.9 if draft == 'draft 0' else 0.0}"

    result = cg.solve(PROBLEM, team(one=reply), MultiModelSearch(simulations=80))
    first, *others = result.graph.children(result.graph.root)
    below = [len(nx.descendants(result.graph, draft.id)) for draft in others]
    assert len(nx.descendants(result.graph, first.id)) > 3 * max(below, default=1)


class Told(random.Random):
    """Chance that is told what to draw, and keeps what was asked."""

    def __init__(self, draws: Sequence[float]) -> None:
        super().__init__(0)
        self._draws = iter(draws)
        self.asked: list[tuple[float, float]] = []

    def betavariate(self, alpha: float, beta: float) -> float:
        self.asked.append((round(alpha, 6), round(beta, 6)))
        return next(self._draws)


def follow(
    draws: Sequence[float], scores: Sequence[float], parallel: int = 1
) -> tuple[Told, Result]:
    """A search by two models, whose i-th solution is worth the i-th score."""
    chance, worth = Told(draws), iter(scores)
    reply = lambda _request: f"worth {next(worth)}"  # noqa: E731

    async def told(d: cg.Deliberation) -> Thought | None:
        d.random = chance
        return await MultiModelSearch(len(scores), parallel, virtual_loss=1.0)(d)

    return chance, cg.solve(PROBLEM, team(a=reply, b=reply), told)


def test_choices_follow_the_posteriors_of_wider_deeper_child_and_model() -> None:
    chance, result = follow(
        [
            *(0.2, 0.9),  # 1: nothing to go deeper into; model b writes x, worth 0.8
            *(0.9, 0.1, 0.5, 0.7, 0.3),  # 2: deeper; x, of one; a refines it to y, worth 0.6
            *(0.1, 0.2, 0.9, 0.3),  # 3: wider; a writes z, worth 0.1
            *(0.9, 0.1, 0.1, 0.2, 0.5, 0.6),  # 4: deeper, into z; b refines it
        ],
        [0.8, 0.6, 0.1, 0.4],
    )
    assert chance.asked == [
        *[(0.5, 0.5), (0.5, 0.5)],  # models a, b
        *[(0.5, 0.5), (1.3, 0.7)],  # deeper, wider of the root: it saw x
        (1.3, 0.7),  # x
        *[(0.5, 0.5), (1.3, 0.7)],  # models: b wrote x
        *[(1.1, 0.9), (1.3, 0.7)],  # deeper of the root saw y, wider x alone
        *[(1.1, 0.9), (1.3, 0.7)],  # models
        *[(1.1, 0.9), (1.4, 1.6)],  # wider saw x and z
        *[(1.9, 1.1), (0.6, 1.4)],  # x with y: 0.5 + 0.8 + 0.6; z
        *[(1.2, 1.8), (1.3, 0.7)],  # a wrote y and z
    ]
    x, z = result.graph.children(result.graph.root)[::-1]
    if x.text != "worth 0.8":
        x, z = z, x
    [y] = result.graph.children(x)
    assert (x.agent, y.agent, z.agent) == ("b", "a", "a")
    assert result.graph.edges[x.id, y.id]["relation"] == Relation.REFINES
    assert [t.agent for t in result.graph.children(z)] == ["b"]
    assert result.thought is x


def test_what_is_under_way_counts_as_a_virtual_loss() -> None:
    chance, _ = follow([0.2, 0.9, 0.1, 0.8, 0.3, 0.1], [0.8, 0.6, 0.1], parallel=3)
    assert chance.asked == [
        *[(0.5, 0.5), (0.5, 0.5)],
        *[(0.5, 0.5), (0.5, 1.5)],  # b is writing
        *[(0.5, 0.5), (0.5, 2.5)],
    ]


def test_a_refinement_is_shown_the_solution_and_its_score() -> None:
    asked: list[Request] = []

    def reply(request: Request) -> str:
        asked.append(request)
        return "Answer: 7\nworth 0.35" if request.operation == "generate" else "worth 0.9"

    cg.solve(PROBLEM, team(one=reply), MultiModelSearch(simulations=30, parallel=1))
    shown = next(r for r in asked if r.operation == "refine").messages[-1].content
    assert "Answer: 7" in shown and "0.35" in shown


def test_the_best_score_wins_whoever_wrote_it() -> None:
    worth = iter([0.2, 0.9, 0.9, 0.5])
    reply = lambda request: f"Answer: {request.agent}\nworth {next(worth)}"  # noqa: E731
    result = cg.solve(PROBLEM, team(a=reply, b=reply), MultiModelSearch(4, 1), seed=3)
    assert result.thought is not None and result.thought.scores["function"] == 0.9
    [first, _] = [t for t in result.graph.thoughts() if t.scores.get("function") == 0.9]
    assert result.thought is first


@pytest.mark.parametrize("failing", [0.0, 0.2])
def test_the_graph_is_the_same_whatever_comes_back_first(failing: float) -> None:
    def graph(schedule: int) -> str:
        before = shuffled(random.Random(schedule))
        engines = [Thinker(i, failing=failing, before=before, name=f"mind-{i}") for i in range(3)]
        made = cg.Team(
            [cg.Generator(engine, max_tokens=40) for engine in engines],
            verifier=cg.Verifier(engines[0], max_tokens=40),
        )
        return cg.solve(PROBLEM, made, MultiModelSearch(24, 5)).graph.to_json()

    assert len({graph(schedule) for schedule in range(20)}) == 1


def test_a_dead_model_is_left_alone_after_some_calls() -> None:
    def dead(_request: Request) -> str:
        raise cg.EngineError("gone")

    made = team(dead=dead, alive=lambda _request: "worth 0.8")
    result = cg.solve(PROBLEM, made, MultiModelSearch(simulations=40))
    calls = wrote(result)
    assert calls["alive"] > 25
    assert result.thought is not None and result.thought.agent == "alive"


def test_a_budget_ends_it_with_the_best_so_far() -> None:
    made = team(one=lambda request: luck(request, 0.5))
    result = cg.solve(PROBLEM, made, MultiModelSearch(), budget=cg.Budget(calls=7))
    assert (result.stopped, result.usage.calls) == ("calls", 7)
    assert result.thought is not None and result.thought.scores["function"] == 1.0


def test_what_was_verified_before_the_budget_ended_counts_whatever_is_still_under_way() -> None:
    # the second simulation is slow, and the third ends before the budget refuses its verdict
    class Late(Coalesce):
        async def complete(self, request: Request) -> list[Completion]:
            if request.operation == "generate" and request.sample == 1:
                await asyncio.sleep(0.03)
            return await self._engine.complete(request)

    def reply(request: Request) -> str:
        if request.operation == "value":
            return f"Score: {0.1 if 'Answer: 0' in request.messages[-1].content else 0.9}"
        number = request.sample if request.operation == "generate" else 2
        return f"Answer: {number}"

    model = Late(Scripted(reply))
    made = cg.Team(cg.Generator(model), verifier=cg.Verifier(model))
    strategy, budget = MultiModelSearch(simulations=9, parallel=2), cg.Budget(calls=5)
    result = cg.solve(PROBLEM, made, strategy, budget=budget)
    assert (result.answer, result.stopped) == ("2", "calls")


def test_a_team_without_a_generator_is_refused() -> None:
    made = cg.Team(refiner=cg.Refiner(Scripted(["x"])), verifier=said)
    with pytest.raises(cg.ConfigError, match="needs a generator"):
        cg.solve(PROBLEM, made, MultiModelSearch())


def test_it_is_named_on_the_command_line() -> None:
    made = strategy_named("multi-model-search?simulations=5&parallel=2&prior=1")
    assert made == MultiModelSearch(5, 2, 1.0)


@pytest.mark.parametrize(
    "wrong", ["simulations=0", "parallel=0", "prior=0", "prior=nan", "virtual_loss=-1"]
)
def test_values_without_a_meaning_are_refused(wrong: str) -> None:
    with pytest.raises(cg.ConfigError, match="MultiModelSearch"):
        strategy_named(f"multi-model-search?{wrong}")
