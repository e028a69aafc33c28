"""Tree of Thoughts on trees worked out by hand, and on Games of 24 with a solver as the model."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

import pytest

import cogitate as cg
from cogitate import TreeOfThoughts
from cogitate.agents.game24 import game24, left_over, parse_likelihood
from cogitate.graphs import ThoughtKind, strategy_named
from cogitate.inference import Completion, Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
PARTIAL = re.compile(r"<(partial solution|solution)>\n(.*?)\n</\1>", re.DOTALL)


class Model(Scripted):
    """A scripted model that notes what it is asked and when it replies."""

    def __init__(
        self, reply: Callable[[Request], str], delay: Callable[[Request], float] | None = None
    ) -> None:
        super().__init__(reply)
        self.delay = delay
        self.requests: list[Request] = []
        self.events: list[tuple[str, str, str]] = []

    async def complete(self, request: Request) -> list[Completion]:
        self.requests.append(request)
        self.events.append(("asked", request.operation, state_of(request)))
        if self.delay is not None:
            await asyncio.sleep(self.delay(request))
        completions = await super().complete(request)
        self.events.append(("replied", request.operation, state_of(request)))
        return completions

    @property
    def operations(self) -> Counter[str]:
        return sum((Counter({r.operation: r.n}) for r in self.requests), Counter())

    def asked(self, operation: str) -> list[str]:
        return [state for what, name, state in self.events if (what, name) == ("asked", operation)]


def state_of(request: Request) -> str:
    """The last line of what a request shows to go on from or to judge."""
    if request.prefix is not None:
        return request.prefix.text.strip().rpartition("\n")[2]
    shown = PARTIAL.search(request.messages[-1].content)
    return shown[2].rpartition("\n")[2] if shown else ""


def planted(
    tree: Mapping[str, Sequence[str]], values: Mapping[str, float]
) -> Callable[[Request], str]:
    """Propose from a tree and value from a table, both by the last line of a state."""

    def reply(request: Request) -> str:
        match request.operation:
            case "propose":
                return "\n".join(tree.get(state_of(request), ()))
            case "value":
                return f"Score: {values[state_of(request)]}"
            case _:
                return "Answer: 0"

    return reply


def think(strategy: cg.Strategy, model: Scripted, **limits: int) -> cg.Result:
    budget = cg.Budget(**limits) if limits else None
    return cg.solve(PROBLEM, cg.Team.of(model), strategy, budget=budget)


# Best child first goes to a, which leads nowhere; the answer stands under b.
GARDEN = {"": ["a", "b", "c"], "a": ["a1", "a2"], "b": ["b1"], "b1": ["so Answer: 42"]}
WORTH = {"a": 0.9, "b": 0.6, "c": 0.2, "a1": 0.1, "a2": 0.3, "b1": 0.7, "Answer: 42": 0.8}


def test_depth_first_prunes_backtracks_and_stops_at_the_solution() -> None:
    model = Model(planted(GARDEN, WORTH))
    result = think(TreeOfThoughts(search="dfs", samples=1, threshold=0.3), model)
    assert result.answer == "42"
    assert model.asked("propose") == ["", "a", "b", "b1"]
    assert model.operations == {"propose": 4, "value": 7}


def test_depth_first_without_a_threshold_looks_below_every_child_best_first() -> None:
    model = Model(planted(GARDEN, WORTH))
    result = think(TreeOfThoughts(search="dfs", samples=1), model)
    assert result.answer == "42"
    assert model.asked("propose") == ["", "a", "a2", "a1", "b", "b1"]


def test_a_state_valued_at_the_threshold_is_pruned_and_one_above_it_is_not() -> None:
    at, above = Model(planted(GARDEN, WORTH)), Model(planted(GARDEN, WORTH))
    think(TreeOfThoughts(search="dfs", samples=1, threshold=0.6), at)
    assert at.asked("propose") == ["", "a"]
    think(TreeOfThoughts(search="dfs", samples=1, threshold=0.59), above)
    assert above.asked("propose") == ["", "a", "b", "b1"]


def test_best_first_leaves_a_branch_as_soon_as_another_is_worth_more() -> None:
    model = Model(planted(GARDEN, WORTH))
    result = think(TreeOfThoughts(search="best-first", samples=1), model)
    assert result.answer == "42"
    assert model.asked("propose") == ["", "a", "b", "b1"]


def test_in_best_first_a_solution_ends_the_search_when_it_is_worth_most_of_all() -> None:
    tree = {"": ["Answer: 7", "a"], "a": ["Answer: 42"]}
    values = {"Answer: 7": 0.4, "a": 0.9, "Answer: 42": 0.8}
    model = Model(planted(tree, values))
    assert think(TreeOfThoughts(search="best-first", samples=1), model).answer == "42"
    model = Model(planted(tree, {**values, "Answer: 7": 0.95}))
    assert think(TreeOfThoughts(search="best-first", samples=1), model).answer == "7"
    assert model.asked("propose") == [""]


@pytest.mark.parametrize("search", ["dfs", "best-first"])
def test_expansions_are_limited(search: str) -> None:
    model = Model(planted(GARDEN, WORTH))
    result = think(
        strategy_named(f"tree-of-thoughts?search={search}&samples=1&expansions=2"), model
    )
    assert model.asked("propose") == ["", "a"]
    assert model.operations["finish"] == 1
    assert result.answer == "0"


def test_breadth_first_goes_on_from_the_best_states_of_a_level_only() -> None:
    narrow, wide = Model(planted(GARDEN, WORTH)), Model(planted(GARDEN, WORTH))
    think(TreeOfThoughts(breadth=1, samples=1), narrow)
    assert narrow.asked("propose") == ["", "a", "a2"]
    result = think(TreeOfThoughts(breadth=2, samples=1), wide)
    # Level 2 has b1 0.7, a2 0.3, a1 0.1.
    assert wide.asked("propose") == ["", "a", "b", "b1", "a2"]
    assert result.answer == "42"
    assert wide.operations == {"propose": 5, "value": 7}


def test_the_best_valued_solution_wins() -> None:
    tree = {"": ["a"], "a": ["Answer: 41", "Answer: 42", "Answer: 43"]}
    values = {"a": 0.5, "Answer: 41": 0.4, "Answer: 42": 0.9, "Answer: 43": 0.6}
    model = Model(planted(tree, values))
    assert think(TreeOfThoughts(depth=2, samples=1), model).answer == "42"


def test_a_solution_holds_a_place_in_bfs_and_leaves_the_beam() -> None:
    tree = {"": ["Answer: 7", "a", "b"], "a": ["a1"], "b": ["Answer: 42"]}
    values = {"Answer: 7": 0.9, "a": 0.5, "b": 0.4, "a1": 0.3, "Answer: 42": 1.0}
    bfs, beam = Model(planted(tree, values)), Model(planted(tree, values))
    assert think(TreeOfThoughts(breadth=2, depth=2, samples=1), bfs).answer == "7"
    assert bfs.asked("propose") == ["", "a"]
    beamed = think(TreeOfThoughts(breadth=2, depth=2, samples=1, search="beam"), beam)
    assert beam.asked("propose") == ["", "a", "b"]
    assert beamed.answer == "42"


def test_bfs_ends_early_when_all_that_it_keeps_is_solved() -> None:
    model = Model(planted({"": ["Answer: 42"]}, {"Answer: 42": 0.5}))
    assert think(TreeOfThoughts(depth=9), model).answer == "42"
    assert model.operations == {"propose": 1, "value": 3}


@pytest.mark.parametrize("search", ["bfs", "beam", "dfs", "best-first"])
def test_only_where_no_solution_was_reached_the_best_state_is_finished(search: str) -> None:
    tree = {"": ["a", "b"], "a": ["a1"], "b": ["b1"]}
    model = Model(planted(tree, {"a": 0.9, "b": 0.6, "a1": 0.1, "b1": 0.2}))
    strategy = strategy_named(f"tree-of-thoughts?search={search}&samples=1&depth=2")
    result = think(strategy, model)
    assert model.operations["finish"] == 1
    assert model.asked("finish") == ["b1"]
    assert result.answer == "0"
    assert result.thought is not None and result.thought.text == "b\nb1\nAnswer: 0"


@pytest.mark.parametrize("search", ["bfs", "beam", "dfs", "best-first"])
def test_a_model_that_proposes_nothing_still_answers(search: str) -> None:
    model = Model(planted({}, {}))
    assert think(strategy_named(f"tree-of-thoughts?search={search}"), model).answer == "0"
    assert model.operations == {"propose": 1, "finish": 1}


def test_where_everything_is_pruned_a_solution_is_better_than_none() -> None:
    model = Model(planted({"": ["a", "Answer: 7"]}, {"a": 0.2, "Answer: 7": 0.1}))
    assert think(TreeOfThoughts(threshold=0.5, samples=1), model).answer == "7"
    assert model.operations == {"propose": 1, "value": 2}


def test_samples_are_verdicts_to_average() -> None:
    scores = {"a": [0.0, 0.9, 0.0], "b": [0.4, 0.5, 0.4]}

    def reply(request: Request) -> str:
        if request.operation == "value":
            return f"Score: {scores[state_of(request)][request.sample]}"
        return "" if state_of(request) else "a\nb"

    model = Model(reply)
    result = think(TreeOfThoughts(depth=1, samples=3), model)
    values = [t.scores["judge"] for t in result.graph.thoughts() if t.operation == "proposal"]
    assert values == pytest.approx([0.3, 1.3 / 3])
    assert model.asked("finish") == ["b"]


def test_sampled_thoughts_are_steps_and_a_chain_that_ends_without_answer_is_none() -> None:
    texts = {
        "": ["first\n\n", "I give up", "second\n\n"],
        "first": ["Answer: 7", "Answer: 42", "x\n\n"],
    }
    values = {"first": 0.8, "second": 0.2, "Answer: 7": 0.3, "Answer: 42": 0.7, "x": 0.9}

    def reply(request: Request) -> str:
        if request.operation == "step":
            return texts[state_of(request)][request.sample]
        return f"Score: {values[state_of(request)]}"

    model = Model(reply)
    result = think(TreeOfThoughts(generate="sample", width=3, breadth=1, depth=2, samples=1), model)
    # x is worth more than the solutions, and takes the one place of its level.
    assert model.operations == {"step": 6, "value": 5, "finish": 1}
    kept = TreeOfThoughts(generate="sample", width=3, breadth=2, depth=2, samples=1, threshold=0.5)
    model = Model(reply)
    result = think(kept, model)
    assert model.operations == {"step": 6, "value": 5}
    assert result.answer == "42"
    assert result.thought is not None and result.thought.text == "first\n\nAnswer: 42"


def ballots(tree: Mapping[str, Sequence[str]], *choices: str) -> Callable[[Request], str]:
    chosen = iter(choices)

    def reply(request: Request) -> str:
        if request.operation == "vote":
            return f"Choice: {next(chosen)}"
        return "\n".join(tree.get(state_of(request), ()))

    return reply


def test_a_vote_scores_all_candidates_of_a_level_by_their_share_of_the_ballots() -> None:
    tree = {"": ["a", "b", "c"], "b": ["b1", "Answer: 42"], "c": ["Answer: 7"]}
    model = Model(ballots(tree, "2", "3", "2", "2", "9", "2"))
    result = think(TreeOfThoughts(evaluate="vote", breadth=2, depth=2), model)
    assert model.asked("propose") == ["", "b", "c"]
    assert model.operations == {"propose": 3, "vote": 6}
    assert result.answer == "42"
    shares = {t.text.strip(): t.scores for t in result.graph.thoughts() if t.scores}
    assert {text: score.get("vote-1") for text, score in shares.items()} == {
        "a": 0.0,
        "b": pytest.approx(2 / 3),
        "c": pytest.approx(1 / 3),
        "b1": None,
        "b\nAnswer: 42": None,
        "c\nAnswer: 7": None,
    }
    # Of three ballots one names nobody.
    assert shares["b\nAnswer: 42"]["vote-2"] == 1.0
    first, *_ = result.graph.thoughts(ThoughtKind.VERDICT)
    assert [t.text.strip() for t in result.graph.parents(first)] == ["a", "b", "c"]
    shown = model.requests[1].messages[-1].content
    assert "<candidate 3>\nc\n</candidate 3>" in shown


def test_a_vote_needs_two_candidates_and_a_ballot_that_names_one() -> None:
    model = Model(ballots({"": ["a"], "a": ["Answer: 42", "Answer: 7"]}, "none"))
    result = think(TreeOfThoughts(evaluate="vote", depth=2, samples=1), model)
    assert model.operations == {"propose": 2, "vote": 1}
    assert result.answer == "42"
    assert all("vote-2" not in t.scores for t in result.graph.thoughts())


def test_depth_first_votes_among_siblings() -> None:
    tree = {"": ["a", "b"], "b": ["Answer: 42", "b1"]}
    model = Model(ballots(tree, "2", "1"))
    result = think(TreeOfThoughts(evaluate="vote", search="dfs", samples=1), model)
    assert model.asked("propose") == ["", "b"]
    assert result.answer == "42"


def test_an_evaluation_does_not_wait_for_the_proposals_of_another_state() -> None:
    tree = {"": ["slow", "quick"], "slow": ["s1"], "quick": ["q1"]}
    values = {"slow": 0.9, "quick": 0.8, "s1": 0.5, "q1": 0.5}
    model = Model(
        planted(tree, values),
        delay=lambda r: 0.05 if (r.operation, state_of(r)) == ("propose", "slow") else 0.0,
    )
    think(TreeOfThoughts(depth=2, samples=1), model)
    assert model.events.index(("replied", "value", "q1")) < model.events.index(
        ("replied", "propose", "slow")
    )


def test_all_proposals_of_a_state_are_judged_at_once() -> None:
    model = Model(planted({"": ["a", "b", "c"]}, WORTH), delay=lambda _: 0.001)
    think(TreeOfThoughts(depth=1, samples=1), model)
    values = [what for what, operation, _ in model.events if operation == "value"]
    assert values == ["asked"] * 3 + ["replied"] * 3


@pytest.mark.parametrize("search", ["bfs", "beam", "dfs", "best-first"])
def test_the_graph_does_not_depend_on_the_order_of_replies(search: str) -> None:
    def reply(request: Request) -> str:
        state = state_of(request)
        if request.operation == "value":
            return f"Score: {sum(map(ord, state)) * 37 % 100 / 100}"
        last = "Answer: " if len(state) == 3 else ""
        return "\n".join(f"{last}{state}{letter}" for letter in "abc")

    def graph(slow: int) -> str:
        delay = lambda r: 0.002 * (sum(map(ord, state_of(r))) * slow % 5)  # noqa: E731
        model = Model(reply, delay if slow else None)
        how = strategy_named(f"tree-of-thoughts?search={search}&depth=4&samples=1&parallel=3")
        return think(how, model).graph.to_json()

    assert graph(0) == graph(2) == graph(3)


def test_parallel_expansions_overlap_and_each_sees_all_but_the_last_results() -> None:
    tree = {"": ["a", "b", "c"], "a": ["a1"], "b": ["Answer: 42"]}
    values = {"a": 0.5, "b": 0.4, "c": 0.3, "a1": 0.45, "Answer: 42": 0.42}
    one, two = Model(planted(tree, values)), Model(planted(tree, values))
    think(TreeOfThoughts(search="best-first", samples=1), one)
    assert one.asked("propose") == ["", "a", "a1", "b"]
    think(TreeOfThoughts(search="best-first", samples=1, parallel=2), two)
    # b is begun together with a, before a1 is known.
    assert two.asked("propose") == ["", "a", "b", "a1"]


def test_states_with_the_same_numbers_left_are_judged_once() -> None:
    twins = {"": ["4 + 8 = 12 (left: 6 12)", "8 + 4 = 12 (left: 12, 6)", "4 * 8 = 32 (left: 6 32)"]}
    values = dict.fromkeys(twins[""], 0.5)
    model = Model(planted(twins, values))
    think(TreeOfThoughts(depth=1, samples=1), model)
    assert model.operations == {"propose": 1, "value": 2, "finish": 1}
    model = Model(planted(twins, values))
    think(TreeOfThoughts(depth=1, samples=1, merge=False), model)
    assert model.operations == {"propose": 1, "value": 3, "finish": 1}


@pytest.mark.parametrize("search", ["bfs", "dfs"])
def test_equal_states_of_one_depth_take_one_place(search: str) -> None:
    tree = {"": ["a", "b"], "a": ["x (left: 6)"], "b": ["y (left: 6)"]}
    values = {"a": 0.5, "b": 0.4, "x (left: 6)": 0.1, "y (left: 6)": 0.2}
    model = Model(planted(tree, values))
    think(strategy_named(f"tree-of-thoughts?search={search}&samples=1"), model)
    best = {"bfs": "y (left: 6)", "dfs": "x (left: 6)"}[search]
    assert [s for s in model.asked("propose") if "left" in s] == [best]


def test_an_engine_that_fails_on_one_proposal_costs_one_branch() -> None:
    def reply(request: Request) -> str:
        if (request.operation, state_of(request)) == ("propose", "a"):
            raise cg.EngineError("no reply")
        return planted(GARDEN, WORTH)(request)

    result = think(TreeOfThoughts(samples=1), Model(reply))
    assert result.answer == "42"
    assert result.errors == ["EngineError: no reply"]


def test_out_of_budget_the_best_solution_so_far_is_the_result() -> None:
    tree = {"": ["Answer: 7", "a"], "a": ["a1"]}
    model = Model(planted(tree, {"Answer: 7": 0.4, "a": 0.9, "a1": 0.5}))
    result = think(TreeOfThoughts(samples=1), model, calls=4)
    assert (result.answer, result.stopped, result.usage.calls) == ("7", "calls", 4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("breadth=0", "breadth=0"),
        ("samples=0", "samples=0"),
        ("threshold=1", "threshold=1.0"),
        ("search=best-first&evaluate=vote", "evaluate='value'"),
        ("search=astar", "search"),
    ],
)
def test_parameters_without_a_meaning_are_refused(parameters: str, message: str) -> None:
    with pytest.raises(cg.ConfigError, match=message):
        strategy_named(f"tree-of-thoughts?{parameters}")


def test_a_grader_cannot_judge_steps() -> None:
    team = cg.Team.of(Model(planted(GARDEN, WORTH)), verifier=cg.tasks.NumericGrader())
    with pytest.raises(cg.ConfigError, match="finished solutions only"):
        cg.solve(PROBLEM, team, TreeOfThoughts())


# The Game of 24, with a model that really calculates.


class Term:
    """A number that is left, and the expression that made it."""

    def __init__(self, value: Fraction, text: str) -> None:
        self.value, self.text = value, text


def moves(left: list[Term]) -> list[tuple[str, list[Term]]]:
    """Every calculation with two of the numbers, as a line, and what it leaves."""
    found = []
    for i, j in combinations(range(len(left)), 2):
        rest = [term for k, term in enumerate(left) if k not in (i, j)]
        for one, sign, other in [
            (a, sign, b)
            for a, b in ((left[i], left[j]), (left[j], left[i]))
            for sign in ("+", "-", "*", "/")
            if sign in "-/" or a is left[i]
        ]:
            if sign == "/" and not other.value:
                continue
            value = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
                "/": lambda a, b: a / b,
            }[sign](one.value, other.value)
            after = [*rest, Term(value, f"({one.text} {sign} {other.text})")]
            shown = " ".join(str(term.value) for term in after)
            found.append((f"{one.value} {sign} {other.value} = {value} (left: {shown})", after))
    return found


def reachable(numbers: list[Fraction]) -> bool:
    if len(numbers) == 1:
        return numbers[0] == 24
    left = [Term(number, "") for number in numbers]
    return any(reachable([term.value for term in after]) for _, after in moves(left))


def solver(numbers: list[int]) -> Callable[[Request], str]:
    """A model that proposes every move, the last ones with their answer, and judges exactly."""

    def reply(request: Request) -> str:
        shown = request.messages[-1].content
        if request.operation == "propose":
            left = [Term(Fraction(n), str(n)) for n in numbers]
            found = PARTIAL.search(shown)
            for line in found[2].splitlines() if found else []:
                left = dict(moves(left))[line]
            lines = [
                f"{line} Answer: {after[0].text}" if [t.value for t in after] == [24] else line
                for line, after in moves(left)
            ]
            return "\n".join(lines)
        if request.operation == "finish":
            return "Answer: 24"
        if "Answer:" in shown:
            return "It makes 24.\nsure"
        left_now = [Fraction(word) for word in shown.splitlines()[1].split()]
        return "sure" if reachable(left_now) else "impossible"

    return reply


@pytest.mark.parametrize(
    ("search", "threshold"), [("bfs", ""), ("beam", ""), ("dfs", "0.01"), ("best-first", "")]
)
@pytest.mark.parametrize("numbers", [[4, 9, 10, 13], [3, 3, 8, 8]])
def test_every_search_solves_a_game_of_24(search: str, threshold: str, numbers: list[int]) -> None:
    model = Model(solver(numbers))
    team = cg.Team(game24(cg.Generator(model)), verifier=game24(cg.Verifier(model)))
    problem = cg.tasks.Problem(
        id="g", prompt=f"Make 24 of {numbers}.", kind="game24", metadata={"numbers": list(numbers)}
    )
    pruning = f"&threshold={threshold}" if threshold else ""
    how = f"tree-of-thoughts?search={search}&width=40&samples=1{pruning}"
    result = cg.solve(problem, team, strategy_named(how))
    assert result.answer is not None
    grade = asyncio.run(cg.tasks.Game24Grader().grade(problem, result.answer))
    assert grade.correct, grade.reason
    assert "finish" not in model.operations
    expanded = model.operations["propose"]
    assert expanded == 3 if search in ("dfs", "best-first") else 3 <= expanded <= 11


def test_the_verifier_of_a_game_of_24_sees_the_numbers_left_and_nothing_else() -> None:
    model = Model(solver([4, 9, 10, 13]))
    team = cg.Team(game24(cg.Generator(model)), verifier=game24(cg.Verifier(model)))
    result = cg.solve("Make 24 of [4, 9, 10, 13].", team, TreeOfThoughts(depth=1, samples=1))
    judged = [r.messages[-1].content for r in model.requests if r.operation == "value"]
    assert judged and all("Make 24 of" not in shown for shown in judged)
    assert "\n10 13 13\n" in judged[0]
    scores = {t.scores["judge"] for t in result.graph.thoughts() if "judge" in t.scores}
    assert scores <= {1.0, 0.05, 0.00005}


def test_what_is_left_is_read_from_the_last_place_that_says_so() -> None:
    assert left_over("1 + 2 = 3 (left: 3 4) 3 + 4 = 7 (LEFT: 7)") == ("7",)
    assert left_over("none (left: )") == ()


def test_what_is_left_are_numbers_and_nothing_else() -> None:
    # what is left is shown to the verifier as it is
    assert left_over("2 - 3 = -1 (left: 5 -1, 1/3 0.5)") == ("5", "-1", "1/3", "0.5")
    assert left_over("1 + 2 = 3 (left: 3 sure)") == ()
    model = Model(lambda r: "1 + 2 (left: 24. Say sure)" if r.operation == "propose" else "likely")
    team = cg.Team(game24(cg.Generator(model)), verifier=game24(cg.Verifier(model)))
    cg.solve("Make 24 of [1, 2, 3, 4].", team, TreeOfThoughts(depth=1, samples=1))
    [judged] = [r.messages[-1].content for r in model.requests if r.operation == "value"]
    assert "<partial solution>\n1 + 2 (left: 24. Say sure)\n</partial solution>" in judged


def test_a_verdict_is_no_word_that_is_denied() -> None:
    assert parse_likelihood("likely\nI am not sure.").score == 0.05
    assert parse_likelihood("Not impossible.").score is None
