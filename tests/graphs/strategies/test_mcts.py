"""Monte-Carlo tree search on trees that are known beforehand."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import networkx as nx
import pytest
from thinker import Thinker, shuffled

import cogitate as cg
from cogitate.graphs import Relation, Result, Thought, ThoughtKind, strategy_named
from cogitate.graphs.strategies.mcts import MCTS
from cogitate.inference import Completion, Request, Scripted, Usage

PROBLEM = cg.tasks.Problem(id="p", prompt="Find the way.", reference="42", kind="numeric")
Verify = Callable[[cg.tasks.Problem, str], float]


class Ways:
    """A model that writes step `a`, `b`, `c` ... for sample 0, 1, 2 ..., and ends at a depth."""

    def __init__(self, depth: int = 10**6, *, names: str = "abcdefgh") -> None:
        self.asked: list[Request] = []
        self._depth = depth
        self._names = names
        self.engine = Scripted(self._reply)

    def _reply(self, request: Request) -> str:
        self.asked.append(request)
        if request.operation == "value":
            return "Score: 0.5"
        begun = request.prefix.text if request.prefix else ""
        name = self._names[request.sample % len(self._names)]
        way = begun.replace("\n\n", "") + name
        if request.operation == "finish":
            return f"{name}\nAnswer: {way}{'z' * (self._depth - len(way))}"
        return f"{name}\n\n" if len(way) < self._depth else f"{name}\nAnswer: {way}"

    @property
    def operations(self) -> Counter[str]:
        return Counter(request.operation for request in self.asked)


def search(
    strategy: MCTS,
    ways: Ways,
    verify: Verify | cg.tasks.Grader | None = None,
    budget: cg.Budget | None = None,
) -> Result:
    return cg.solve(PROBLEM, cg.Team.of(ways.engine, verifier=verify), strategy, budget=budget)


def first_step(result: Result, name: str) -> Thought:
    [step] = [t for t in result.graph.children(result.graph.root) if t.text == f"{name}\n\n"]
    return step


def by_first(**values: float) -> Verify:
    """The value of a solution is that of its first step."""
    return lambda _problem, text: values[text[0]]


def test_on_a_bandit_with_known_means_the_visits_converge_to_the_best_arm() -> None:
    means = {"a": 0.2, "b": 0.5, "c": 0.8, "d": 0.3}

    def tosses(_problem: cg.tasks.Problem, text: str) -> float:
        return float(random.Random(f"toss {text}").random() < means[text[0]])

    shares = []
    for simulations in (50, 200, 800):
        result = search(MCTS(simulations=simulations, exploration=0.7), Ways(), tosses)
        arms = {name: first_step(result, name).scores for name in means}
        assert sum(scores["visits"] for scores in arms.values()) == pytest.approx(1)
        shares.append(arms["c"]["visits"])
    assert shares == sorted(shares)
    assert shares[-1] > 0.85
    assert arms["c"]["mcts"] == pytest.approx(0.8, abs=0.05)


def test_on_a_bandit_without_chance_the_bounds_of_all_arms_become_equal() -> None:
    means = {"a": 0.3, "b": 0.5, "c": 0.6, "d": 0.1}
    strategy = MCTS(simulations=1000, parallel=1, exploration=0.5)
    result = search(strategy, Ways(), by_first(**means))
    counts = {n: round(first_step(result, n).scores["visits"] * 1000) for n in means}
    assert sum(counts.values()) == 1000

    def bound(name: str, fewer: int) -> float:
        return means[name] + 0.5 * math.sqrt(math.log(1000) / (counts[name] - fewer))

    # Each arm was chosen once too often at most: without its last visit its bound is the highest.
    lowest = max(bound(name, 0) for name in means)
    assert all(bound(name, 1) > lowest - 0.01 for name in means)
    assert counts["c"] > counts["b"] > counts["a"] > counts["d"] > 0


def test_a_simulation_is_one_expansion_by_width_and_one_evaluation() -> None:
    ways = Ways()
    scored: list[str] = []

    def verify(_problem: cg.tasks.Problem, text: str) -> float:
        scored.append(text)
        return 0.5

    result = search(MCTS(simulations=10, width=3, parallel=1), ways, verify)
    # The problem first, then a leaf in each simulation: 3 * 11 steps, then the way to the end.
    assert ways.operations == {"step": 33, "finish": 1}
    assert len(scored) == len(set(scored)) == 10
    assert len(result.graph) == 1 + 33 + 1
    assert result.usage.calls == 34


def test_the_first_simulations_try_every_child_and_go_on_where_it_is_best() -> None:
    ways = Ways()
    search(MCTS(simulations=4, width=2, parallel=1, exploration=0.1), ways, by_first(a=0.2, b=0.8))
    begun = [r.prefix.text.replace("\n\n", "") for r in ways.asked if r.prefix and not r.sample]
    # a, then b; b's mean is higher: its second child bb (ba was evaluated), then ba.
    assert begun[:4] == ["a", "b", "bb", "ba"]


def test_a_roll_out_is_finished_and_verified() -> None:
    ways = Ways(depth=6)
    scored: list[str] = []

    def verify(_problem: cg.tasks.Problem, text: str) -> float:
        scored.append(text)
        return float(text.endswith("baazzz"))

    strategy = MCTS(simulations=6, width=2, parallel=1, evaluate="rollout")
    result = search(strategy, ways, verify)
    assert ways.operations == {"step": 14, "finish": 6}
    assert all("Answer:" in text for text in scored)
    assert result.thought is not None and result.thought.operation == "finish"
    assert result.answer == "baazzz"


def test_a_grader_makes_roll_outs_by_itself_and_refuses_to_score_steps() -> None:
    ways = Ways(depth=3)
    result = search(MCTS(simulations=4, width=2), ways, cg.tasks.NumericGrader())
    assert ways.operations["finish"] > 0
    assert result.oracle
    with pytest.raises(cg.ConfigError, match="rollout"):
        search(MCTS(evaluate="verifier"), Ways(), cg.tasks.NumericGrader())


def test_finished_solutions_are_verified_once_and_a_known_tree_ends_the_search() -> None:
    ways = Ways(depth=2)
    scored: Counter[str] = Counter()

    def verify(_problem: cg.tasks.Problem, text: str) -> float:
        scored[text] += 1
        return len(text) / 100

    result = search(MCTS(simulations=1000, width=2), ways, verify)
    assert ways.operations == {"step": 2 + 4}
    assert set(scored.values()) == {1}
    assert len(scored) >= 4
    visits = [t.scores["visits"] for t in result.graph.children(result.graph.root)]
    assert sum(visits) == pytest.approx(1)


def test_a_solution_that_is_known_is_visited_again_at_no_cost() -> None:
    class Some(Ways):
        def _reply(self, request: Request) -> str:
            if request.sample == 0 and request.prefix is None:
                self.asked.append(request)
                return "Answer: now"
            return super()._reply(request)

    ways = Some()
    verify = lambda _p, text: 1.0 if text.endswith("now") else 0.0  # noqa: E731
    result = search(MCTS(simulations=60, width=2, parallel=1, exploration=0.1), ways, verify)
    assert result.answer == "now"
    [end] = [t for t in result.graph.children(result.graph.root) if t.text == "Answer: now"]
    assert end.scores["visits"] > 0.8
    assert sum(ways.operations.values()) < 30


@pytest.mark.parametrize("backup", ["mean", "max"])
def test_the_value_of_a_step_is_the_mean_or_the_maximum_below_it(backup: str) -> None:
    verify: Verify = lambda _p, text: {1: 0.2, 2: 0.4, 3: 0.9}[text.count("\n\n")]  # noqa: E731
    strategy = MCTS(simulations=3, width=1, parallel=1, backup=backup)  # type: ignore[arg-type]
    result = search(strategy, Ways(), verify)
    scores = first_step(result, "a").scores
    # The simulations evaluate the 2nd, 3rd step; the first step itself is never a new child.
    assert scores["visits"] == 1.0


def test_equal_texts_are_one_state_with_both_parents() -> None:
    said = {"": ["x\n\n", "x  y\n\n"], "x\n\n": ["y\n\n", "q\n\n"]}

    def reply(request: Request) -> str:
        begun = request.prefix.text if request.prefix else ""
        return said.get(begun, ["s\n\n", "t\n\n"])[request.sample % 2]

    team = cg.Team.of(Scripted(reply), verifier=lambda _p, text: 0.5)
    result = cg.solve(PROBLEM, team, MCTS(simulations=20, width=2))
    x, xy = result.graph.children(result.graph.root)
    assert result.graph.parents(xy) == [result.graph.root, x]
    assert result.graph.edges[x.id, xy.id]["relation"] == Relation.CONTINUES
    assert result.graph.text(xy) == "x  y\n\n"
    [y] = [t for t in result.graph.children(x) if t.text == "y\n\n"]
    assert "mcts" not in y.scores and not list(result.graph.children(y))


def rest_of(text: str) -> str:
    """What is left to do after the steps: the order of those done does not matter."""
    return "".join(sorted(text.replace("\n\n", "")))


def test_equal_states_are_merged_with_both_parents_and_searched_once() -> None:
    plain, merging = Ways(), Ways()
    verify = lambda _p, text: 0.1 * len(set(text))  # noqa: E731
    strategy = MCTS(simulations=60, width=3, merge=False)
    search(strategy, plain, verify)
    result = search(replace(strategy, merge=True, state=rest_of), merging, verify)
    graph = result.graph
    twice = [t for t in graph.thoughts(ThoughtKind.STEP) if len(graph.parents(t)) > 1]
    assert twice
    for step in twice:
        first, *others = graph.parents(step)
        assert rest_of(graph.text(step)) == rest_of(graph.text(first) + step.text)
        for other in others:
            assert graph.edges[other.id, step.id]["relation"] == Relation.CONTINUES
            more = Counter(rest_of(graph.text(step))) - Counter(rest_of(graph.text(other)))
            assert more.total() == 1
    assert nx.is_directed_acyclic_graph(graph)
    expanded = [rest_of(r.prefix.text) for r in merging.asked if r.prefix and r.sample == 0]
    assert len(set(expanded)) == len(expanded)
    again = cg.ThoughtGraph.from_json(graph.to_json())
    assert again.to_json() == graph.to_json()


def test_no_merge_closes_a_cycle() -> None:
    """The state is how many steps were taken, modulo 3: each third step is where one was."""
    ways = Ways()
    strategy = MCTS(simulations=50, width=2, state=lambda text: str(text.count("\n\n") % 3))
    result = search(strategy, ways, lambda _p, text: 0.5)
    assert nx.is_directed_acyclic_graph(result.graph)
    deepest = max(r.prefix.text.count("\n\n") for r in ways.asked if r.prefix)
    assert deepest > 6


def test_samples_that_say_the_same_are_one_child() -> None:
    ways = Ways(names="aab")
    result = search(MCTS(simulations=6, width=3, parallel=1), ways, by_first(a=0.5, b=0.4))
    scored = [t for t in result.graph.children(result.graph.root) if "mcts" in t.scores]
    assert [t.text for t in scored] == ["a\n\n", "b\n\n"]
    assert sum(t.scores["visits"] for t in scored) == pytest.approx(1)


def noisy_tree(seed: int) -> Verify:
    """A solution is worth the mean of its steps' values; a step shows those so far, blurred."""

    def verify(_problem: cg.tasks.Problem, text: str) -> float:
        way = text.partition("Answer")[0].split()
        worth = [random.Random(f"{seed} {way[: i + 1]}").random() for i in range(len(way))]
        blur = 0.0 if "Answer" in text else random.Random(f"{seed} {text}").uniform(-0.2, 0.2)
        return min(1.0, max(0.0, sum(worth) / len(worth) + blur))

    return verify


def test_parallel_simulations_find_as_good_solutions_as_serial_ones() -> None:
    gains = []
    for seed in range(40):
        verify = noisy_tree(seed)
        found = []
        for parallel in (1, 8):
            strategy = MCTS(simulations=64, width=4, parallel=parallel, exploration=0.5)
            result = search(strategy, Ways(depth=4), verify)
            assert result.thought is not None
            found.append(verify(PROBLEM, result.thought.text))
        gains.append(found[1] - found[0])
    mean = sum(gains) / len(gains)
    error = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / 39 / 40)
    assert mean + 1.96 * error > 0, f"{mean:.4f} ± {1.96 * error:.4f}"
    assert mean > -0.01


STRATEGIES = [
    MCTS(simulations=24, width=3, parallel=6),
    MCTS(simulations=24, width=2, parallel=8, policy="puct", evaluate="rollout", depth=2),
    MCTS(simulations=16, width=2, parallel=5, backup="max", choose="visits", state=rest_of),
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("failing", [0.0, 0.15])
def test_the_graph_is_the_same_whatever_comes_back_first(strategy: MCTS, failing: float) -> None:
    def graph(schedule: int) -> str:
        engine = Thinker(3, failing=failing, before=shuffled(random.Random(schedule)))
        return cg.solve(PROBLEM, cg.Team.of(engine, max_tokens=60), strategy).graph.to_json()

    assert len({graph(schedule) for schedule in range(20)}) == 1


def test_more_simulations_at_once_than_leaves_grow_as_many_leaves_as_one_after_the_other() -> None:
    def grown(parallel: int) -> Counter[str]:
        ways = Ways()
        scored: Counter[str] = Counter()

        def verify(_problem: cg.tasks.Problem, text: str) -> float:
            scored[text] += 1
            return 0.5

        search(MCTS(simulations=16, width=2, parallel=parallel), ways, verify)
        assert set(scored.values()) == {1}
        assert scored.total() == 16
        # The rest of the way at the end is the one ask that is no expansion.
        return Counter(r.prefix.text for r in ways.asked if r.prefix and r.operation == "step")

    for parallel in (1, 3, 16):
        leaves = grown(parallel)
        assert len(leaves) == 16
        assert set(leaves.values()) == {2}


def test_who_meets_a_leaf_that_grows_waits_for_what_it_is_worth_and_selects_again() -> None:
    ways = Ways()
    strategy = MCTS(simulations=6, width=4, parallel=6, exploration=0.3, virtual_loss=0)
    search(strategy, ways, by_first(a=0.1, b=0.9, c=0.2, d=0.3))
    begun = [r.prefix.text.replace("\n\n", "") for r in ways.asked if r.prefix and not r.sample]
    # 0 to 3 expand a to d. 4 would meet a, and hears that it is worth 0.1; what b to d are worth
    # it does not know, so they count for 0: a it is, where ab was never tried. For 5, a counts
    # for 0.1 + 0.3 * sqrt(ln 5 / 2) = 0.369 and b for 0.3 * sqrt(ln 5) = 0.381: it would meet b,
    # hears that it is worth 0.9, and stays there.
    assert begun[:6] == ["a", "b", "c", "d", "ab", "bb"]


def test_without_a_solution_the_most_visited_path_is_finished() -> None:
    ways = Ways()
    strategy = MCTS(simulations=30, width=2, exploration=0.1)
    result = search(strategy, ways, by_first(a=0.1, b=0.9))
    assert result.thought is not None
    assert result.thought.operation == "finish" and result.thought.text.startswith("b")
    assert ways.operations["finish"] == 1


def test_the_most_visited_path_can_be_chosen_instead_of_the_best_score() -> None:
    verify = lambda _p, text: 1.0 if text.startswith("a") and "Answer" in text else 0.5  # noqa: E731
    strategy = MCTS(simulations=12, width=2, parallel=1, depth=1, exploration=5.0)
    best = search(strategy, Ways(depth=2), verify)
    assert best.thought is not None and best.thought.text.startswith("a")
    visited = search(replace(strategy, choose="visits"), Ways(depth=2), verify)
    assert visited.thought is not None


def test_steps_beyond_the_depth_are_written_at_once() -> None:
    ways = Ways(depth=9)
    search(MCTS(simulations=30, width=2, depth=2), ways, by_first(a=0.4, b=0.5))
    deepest = max(r.prefix.text.count("\n\n") for r in ways.asked if r.prefix)
    assert deepest == 2
    assert ways.operations["finish"] == 8  # 4 nodes of depth 2, 2 ways each
    assert ways.operations["step"] == 6


def likely_steps(request: Request) -> Completion:
    logprob = [-3.0, -0.1, -1.0][request.sample % 3]
    return Completion(
        text="abc"[request.sample % 3],
        stop="\n\n",
        prompt_ids=(1,),
        token_ids=(2, 3),
        logprobs=(logprob, logprob),
        usage=Usage(1, 0, 2),
    )


def test_puct_follows_the_likeliest_step_first() -> None:
    team = cg.Team.of(Scripted(likely_steps), verifier=lambda _p, text: 0.5)
    strategy = MCTS(simulations=20, width=3, parallel=1, policy="puct", exploration=2.0)
    result = cg.solve(PROBLEM, team, strategy)
    visits = {
        t.text[0]: t.scores.get("visits", 0.0) for t in result.graph.children(result.graph.root)
    }
    # exp(-0.1) : exp(-1) : exp(-3), and equal values: visits follow the priors.
    assert visits["b"] > visits["c"] > visits["a"]


def test_puct_takes_a_reply_that_adds_nothing_for_the_least_likely() -> None:
    def reply(request: Request) -> Completion:
        if request.prefix is None or request.sample:
            return likely_steps(request)
        return Completion(text="", prompt_ids=(1,), token_ids=(), logprobs=(), usage=Usage(1, 0, 0))

    team = cg.Team.of(Scripted(reply), verifier=lambda _p, text: 0.5)
    result = cg.solve(PROBLEM, team, MCTS(simulations=12, width=3, parallel=1, policy="puct"))
    nothing = [t for t in result.graph.thoughts() if t.tokens and not t.tokens.token_ids]
    assert nothing and sum(t.scores.get("visits", 0.0) for t in nothing) == 0


def test_puct_without_log_probs_is_refused() -> None:
    with pytest.raises(cg.ConfigError, match="log-probs"):
        search(MCTS(policy="puct"), Ways(), lambda _p, text: 0.5)


def test_a_budget_ends_the_search_with_the_best_solution_so_far() -> None:
    ways = Ways(depth=2)
    verify = by_first(a=0.2, b=0.9, c=0.3, d=0.4)
    result = search(
        MCTS(simulations=50, width=4, evaluate="rollout"), ways, verify, cg.Budget(calls=13)
    )
    assert result.stopped == "calls"
    assert result.usage.calls <= 13
    assert result.thought is not None and result.thought.kind is ThoughtKind.SOLUTION
    assert any("mcts" in t.scores for t in result.graph.thoughts())


def test_a_dead_engine_ends_the_search_and_is_recorded() -> None:
    def reply(_request: Request) -> str:
        raise cg.EngineError("gone")

    result = cg.solve(PROBLEM, cg.Team.of(Scripted(reply), verifier=lambda _p, _t: 0.5), MCTS())
    assert result.thought is None
    assert set(result.errors) == {"EngineError: gone"}


def test_scores_lie_between_0_and_1() -> None:
    result = search(MCTS(simulations=40), Ways(depth=3), noisy_tree(1))
    scores = [s for t in result.graph.thoughts() for s in t.scores.values()]
    assert scores and all(0 <= score <= 1 for score in scores)


def test_it_is_named_on_the_command_line() -> None:
    made = strategy_named("mcts?simulations=5&policy=puct&separator=%0A&backup=max")
    assert made == MCTS(simulations=5, policy="puct", separator="\n", backup="max")


@pytest.mark.parametrize(
    "wrong", ["width=0", "exploration=-1", "exploration=nan", "separator=", "step_tokens=0"]
)
def test_values_without_a_meaning_are_refused(wrong: str) -> None:
    with pytest.raises(cg.ConfigError, match="MCTS"):
        strategy_named(f"mcts?{wrong}")


def test_two_searches_in_one_deliberation_do_not_collide() -> None:
    async def twice(d: cg.Deliberation) -> Thought:
        strategy = MCTS(simulations=5, width=2, evaluate="rollout", choose="visits")
        await strategy(d)
        return await strategy(d)

    ways = Ways(depth=3)
    team = cg.Team.of(ways.engine, verifier=lambda _p, text: 0.5)
    result = asyncio.run(cg.asolve(PROBLEM, team, twice))
    assert result.thought is not None
