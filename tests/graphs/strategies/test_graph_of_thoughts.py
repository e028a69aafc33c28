"""Graph of Thoughts: programs of stages, and sorting by split, sort, merge with planted errors."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

import cogitate as cg
from cogitate import GraphOfThoughts
from cogitate.graphs import Relation, Thought, ThoughtKind, strategy_named
from cogitate.graphs.program import (
    Aggregate,
    Generate,
    Given,
    GroundTruth,
    KeepBest,
    KeepValid,
    Part,
    Refine,
    Score,
    Split,
    Stage,
    StageOf,
    ValidateAndImprove,
    generic,
    halves,
    nearness,
    sorting,
    stages,
)
from cogitate.inference import Completion, Request, Scripted

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
LIST = re.compile(r"\[[0-9, ]+\]")


def unsorted(numbers: Sequence[int], reference: bool = True) -> cg.tasks.Problem:
    return cg.tasks.Problem(
        id="s",
        prompt=f"Sort this list: {list(numbers)}",
        reference=str(sorted(numbers)) if reference else None,
        kind="sorting",
    )


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
        about = request.operation, request.messages[-1].content
        self.events.append(("asked", *about))
        if self.delay is not None:
            await asyncio.sleep(self.delay(request))
        completions = await super().complete(request)
        self.events.append(("replied", *about))
        return completions

    @property
    def operations(self) -> Counter[str]:
        return sum((Counter({r.operation: r.n}) for r in self.requests), Counter())


def lists(request: Request) -> list[list[int]]:
    """The lists that a prompt shows; the last of its own problem, or of what it works on."""
    shown = request.messages[-1].content
    return [[int(n) for n in found[1:-1].split(",")] for found in LIST.findall(shown)]


def sorter(spoil: Callable[[Request, list[int]], list[int]]) -> Callable[[Request], str]:
    """Sort, merge or mend what is shown; then spoil it."""

    def reply(request: Request) -> str:
        shown = lists(request)
        right = sorted(shown[0] + shown[1]) if request.operation == "aggregate" else shown[0]
        return f"Here it is.\nAnswer: {spoil(request, sorted(right))}"

    return reply


def perfectly(_request: Request, right: list[int]) -> list[int]:
    return right


def solve(
    program: Stage | cg.Strategy,
    model: Scripted,
    problem: cg.tasks.Problem = PROBLEM,
    *,
    verifier: Callable[[cg.tasks.Problem, str], float] | None = None,
    budget: cg.Budget | None = None,
) -> cg.Result:
    strategy = GraphOfThoughts(program) if isinstance(program, Stage) else program
    return cg.solve(problem, cg.Team.of(model, verifier=verifier), strategy, budget=budget)


def made(graph: cg.ThoughtGraph, operation: str) -> list[Thought]:
    return [thought for thought in graph.in_order() if thought.operation == operation]


EIGHT = [5, 3, 8, 1, 3, 9, 1, 2]


def test_a_list_is_split_sorted_merged_and_mended() -> None:
    def spoil(request: Request, right: list[int]) -> list[int]:
        match request.operation, request.sample:
            case "generate", 0:
                return right[::-1]  # one pair in the wrong order
            case "aggregate", 0:
                return right[1:]  # one number is missing
            case "aggregate", 1:
                return right[2:]
            case "refine", 0:
                return right[1:]
            case _:
                return right

    problem = unsorted(EIGHT)
    model = Model(sorter(spoil))
    result = solve(sorting(parts=4, k=2), model, problem)
    assert result.answer == str(sorted(EIGHT))
    assert model.operations == {"generate": 8, "aggregate": 6, "refine": 2}
    graph = result.graph

    parts = [t.text for t in graph.thoughts(ThoughtKind.PROBLEM)][1:]
    assert parts[:2] == ["Sort this list: [5, 3, 8, 1]", "Sort this list: [3, 9, 1, 2]"]
    assert sorted(parts[2:]) == [
        f"Sort this list: {pair}" for pair in ([1, 2], [3, 9], [5, 3], [8, 1])
    ]
    # A pair in the wrong order is one error in two numbers.
    assert Counter(t.scores["local"] for t in made(graph, "generate")) == {0.5: 4, 1.0: 4}
    # Of the halves one or two of four numbers are missing; the merge of two such halves has six
    # numbers, and then lacks one or two more of eight.
    assert Counter(t.scores["local"] for t in made(graph, "aggregate")) == Counter(
        [3 / 4, 2 / 4, 3 / 4, 2 / 4, 5 / 8, 4 / 8]
    )
    for merge in made(graph, "aggregate"):
        parents = graph.parents(merge)
        assert len(parents) == 2
        assert {graph.edges[p.id, merge.id]["relation"] for p in parents} == {Relation.AGGREGATES}
        assert all(p.kind is ThoughtKind.SOLUTION for p in parents)
    assert result.thought is not None
    assert result.thought.operation == "refine"


def test_mending_cannot_bring_back_what_the_model_is_not_shown() -> None:
    model = Model(sorter(perfectly))
    solve(sorting(parts=2, k=1), model, unsorted(EIGHT))
    sort, _, merge = model.requests
    assert "[5, 3, 8, 1]" in sort.messages[-1].content
    assert "<list 1>\n[1, 3, 5, 8]\n</list 1>" in merge.messages[-1].content
    assert "Here it is" not in merge.messages[-1].content


def test_a_right_merge_is_not_mended_and_the_end_is_graded() -> None:
    model = Model(sorter(perfectly))
    result = solve(strategy_named("graph-of-thoughts?program=sorting&k=2"), model, unsorted(EIGHT))
    assert model.operations == {"generate": 4, "aggregate": 2}
    assert result.thought is not None
    assert result.thought.scores == {"local": 1.0, "grader": 1.0}
    assert not result.oracle


def test_nothing_reads_the_right_answer_before_the_end() -> None:
    problem = unsorted(EIGHT, reference=False)
    result = solve(sorting(k=1), Model(sorter(perfectly)), problem)
    assert result.answer == str(sorted(EIGHT))
    assert result.thought is not None and result.thought.scores == {"local": 1.0}
    assert result.errors == []


def test_a_problem_of_the_set_is_sorted() -> None:
    problem = cg.tasks.load("sorting?size=1")[0]
    result = solve(sorting(parts=4, k=1), Model(sorter(perfectly)), problem)
    assert result.answer == problem.reference


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[1, 1, 2, 3, 3, 5, 8, 9]", 1.0),
        ("[1, 1, 2, 3, 5, 3, 8, 9]", 7 / 8),  # 5 before 3
        ("[1, 1, 2, 3, 5, 8, 9]", 7 / 8),  # a 3 is missing
        ("[1, 1, 2, 3, 4, 5, 8, 9]", 6 / 8),  # a 3 is missing, a 4 too many
        ("[9, 8, 5, 3, 3, 2, 1, 1]", 3 / 8),  # five of seven neighbours in the wrong order
        ("[]", 0.0),
        (str([7] * 40), 0.0),
        ("1 and 2", 0.0),
        (None, 0.0),
    ],
)
def test_nearness_counts_errors_without_the_right_answer(
    answer: str | None, expected: float
) -> None:
    solution = Thought("s.0", ThoughtKind.SOLUTION, "", answer=answer)
    assert nearness(f"Sort {EIGHT}", solution) == expected


def test_halves_keep_the_words_and_every_number() -> None:
    assert halves("A [1, 2] B [3, 4, 5] C", 2) == ["A [1, 2] B [3] C", "A [1, 2] B [4, 5] C"]
    with pytest.raises(cg.ConfigError, match="at least 2 numbers"):
        halves("Sort [1]", 2)
    with pytest.raises(cg.ConfigError, match="needs a problem with a list"):
        solve(sorting(), Model(sorter(perfectly)))


def test_volume_is_the_number_of_thoughts_with_a_path_to_a_thought() -> None:
    drafts = Generate(Given(), k=2)
    program = Refine(Aggregate(drafts))
    result = solve(program, Model(lambda r: f"Answer: {r.operation} {r.sample}\nAccept: no"))
    graph = result.graph
    volumes = {t.operation: graph.volume(t) for t in graph.thoughts()}
    # refine: the problem, two drafts, their combination and its critique
    assert volumes == {"": 0, "generate": 1, "aggregate": 3, "critique": 4, "refine": 5}
    assert result.thought is not None and result.thought.operation == "refine"


def test_of_equal_scores_the_larger_volume_is_kept_and_then_the_first() -> None:
    drafts = Score(Generate(Given(), k=3))
    combined = Score(Aggregate(drafts, k=2))
    result = solve(
        KeepBest((drafts, combined)),
        Model(lambda r: f"Answer: {r.operation} {r.sample}"),
        verifier=lambda _problem, _text: 0.5,
    )
    assert result.answer == "aggregate 0"
    result = solve(
        KeepBest((drafts, combined)),
        Model(lambda r: f"Answer: {r.operation} {r.sample}"),
        verifier=lambda _problem, text: 0.6 if "generate" in text else 0.5,
    )
    assert result.answer == "generate 0"


def test_the_default_program_keeps_what_scores_highest() -> None:
    scores = {"generate": 0.2, "aggregate": 0.7, "refine": 0.4}

    def reply(request: Request) -> str:
        if request.operation == "value":
            shown = request.messages[-1].content.rpartition("<solution>")[2]
            return f"Score: {next(s for name, s in scores.items() if name in shown)}"
        return f"Answer: {request.operation} {request.sample}\nAccept: no"

    model = Model(reply)
    result = solve(GraphOfThoughts(k=3), model)
    assert result.answer == "aggregate 0"
    # 4k + 3 calls
    assert model.operations == {
        "generate": 3,
        "value": 7,
        "aggregate": 3,
        "critique": 1,
        "refine": 1,
    }
    scores["refine"] = 0.7
    assert solve(generic(k=3), Model(reply)).answer == "refine 0"


def test_what_the_critic_accepts_is_not_refined() -> None:
    model = Model(lambda r: "Accept: yes" if r.operation == "critique" else "Answer: 1")
    drafts = Generate(Given(), k=2)
    result = solve(KeepBest((drafts, Refine(drafts))), model)
    assert model.operations == {"generate": 2, "critique": 2}
    assert result.answer == "1"


def test_a_merge_does_not_wait_for_a_part_that_is_not_its_own() -> None:
    model = Model(
        sorter(perfectly), delay=lambda r: 0.05 if "list: [5, 3]" in r.messages[-1].content else 0.0
    )
    result = solve(sorting(parts=4, k=1), model, unsorted(EIGHT))
    assert result.answer == str(sorted(EIGHT))
    events = [(what, operation, "list: [5, 3]" in shown) for what, operation, shown in model.events]
    assert events.index(("replied", "aggregate", False)) < events.index(
        ("replied", "generate", True)
    )


def test_the_graph_does_not_depend_on_the_order_of_replies() -> None:
    drafts = Score(Generate(Given(), k=3), by=lambda _, t: int((t.answer or "")[-1]) / 10)
    one = Refine(drafts, k=2, critique=False)
    other = Refine(KeepBest(drafts, n=2), k=2)
    program = KeepBest((Score(one), Score(other), Aggregate(drafts), Generate(Given())))

    def graph(slow: int) -> str:
        model = Model(
            lambda r: f"Answer: {r.position[:6]}{r.sample % 10}\nAccept: no\nScore: 0.{r.sample}",
            delay=lambda r: 0.002 * (sum(map(ord, r.position)) * slow % 5),
        )
        return solve(program, model).graph.to_json()

    assert graph(0) == graph(1) == graph(2) == graph(3)


def test_stages_that_refine_the_same_thoughts_do_not_get_in_each_others_way() -> None:
    drafts = Generate(Given(), k=2)
    improved = ValidateAndImprove(drafts, valid=lambda _, t: t.operation == "refine")
    refined = Refine(drafts, critique=False)
    for program in (KeepBest((refined, improved)), KeepBest((improved, refined))):
        model = Model(lambda r: f"Answer: {r.sample}")
        result = solve(program, model)
        assert model.operations == {"generate": 2, "refine": 4}
        assert result.answer is not None


def test_a_thought_that_two_stages_score_is_verified_once_whatever_comes_first() -> None:
    drafts = Generate(Given(), k=2)
    improved = ValidateAndImprove(drafts, valid=lambda _, t: not t.text.endswith(" 0"))
    program = KeepBest((Score(drafts), Score(improved)))

    def graph(slow: str) -> str:
        model = Model(
            lambda r: "Score: 0.5" if r.operation == "value" else f"Answer: {r.sample}",
            delay=lambda r: 0.01 * (r.operation == slow),
        )
        return solve(program, model).graph.to_json()

    assert graph("refine") == graph("value")


def test_a_stage_that_several_take_runs_once() -> None:
    drafts = Generate(Given(), k=2)
    scored = Score(drafts)
    program = KeepBest((scored, Score(Aggregate(scored)), scored))
    assert len(stages(program)) == 6
    model = Model(lambda r: f"Answer: {r.sample}\nScore: 0.5")
    solve(program, model)
    assert model.operations == {"generate": 2, "value": 3, "aggregate": 1}


def test_only_valid_thoughts_are_kept() -> None:
    drafts = Generate(Given(), k=3)
    model = Model(lambda r: f"Answer: {r.sample}")
    even = KeepValid(drafts, valid=lambda _, t: int(t.answer or "") == 1)
    assert solve(even, model).answer == "1"
    none = KeepValid(drafts, valid=lambda _, t: 1 // int(t.answer or "") > 1)
    result = solve(KeepBest(none), model)
    assert result.errors == ["ZeroDivisionError: integer division or modulo by zero"]


def test_a_thought_is_improved_until_it_is_valid() -> None:
    def reply(request: Request) -> str:
        if request.operation == "generate":
            return f"Answer: {request.sample}"
        shown = re.findall(r"Answer: (\d+)", request.messages[-1].content)
        return f"Answer: {int(shown[0]) + 1}"

    drafts = Generate(Given(), k=3)
    model = Model(reply)
    program = ValidateAndImprove(drafts, valid=lambda _, t: int(t.answer or "") >= 2, tries=1)
    result = solve(KeepBest(program, n=3), model)
    # 0 becomes 1 and is out of tries, 1 becomes 2, 2 is valid.
    assert model.operations == {"generate": 3, "refine": 2}
    assert sorted(t.answer or "" for t in made(result.graph, "refine")) == ["1", "2"]
    model = Model(reply)
    solve(ValidateAndImprove(drafts, valid=lambda _, t: int(t.answer or "") >= 2), model)
    assert model.operations == {"generate": 3, "refine": 3}


def test_the_model_can_split_a_problem() -> None:
    def reply(request: Request) -> str:
        match request.operation:
            case "split":
                return "1. What is 6 * 5?\n2. What is 6 * 2?"
            case "generate":
                return f"Answer: {30 if '6 * 5' in request.messages[-1].content else 12}"
            case _:
                return f"Answer: {sum(map(int, re.findall(r': (30|12)', shown(request))))}"

    def shown(request: Request) -> str:
        return request.messages[-1].content

    split = Split(Given())
    parts = [Generate(Part(split, i)) for i in (0, 1)]
    result = solve(GroundTruth(Aggregate(parts)), Model(reply))
    assert result.answer == "42"
    assert result.thought is not None and result.thought.scores == {"grader": 1.0}
    [_, first, second] = result.graph.thoughts(ThoughtKind.PROBLEM)
    assert (first.text, second.text) == ("What is 6 * 5?", "What is 6 * 2?")
    assert result.thought.about == result.graph.root.id
    assert [t.operation for t in result.graph.parents(first)] == ["", "split"]


def test_a_part_that_failed_leaves_no_answer_to_the_whole() -> None:
    def reply(request: Request) -> str:
        if request.operation == "generate" and "[5, 3, 8, 1]" in request.messages[-1].content:
            raise cg.EngineError("gone")
        return sorter(perfectly)(request)

    result = solve(sorting(k=1), Model(reply), unsorted(EIGHT))
    assert (result.thought, result.answer) == (None, None)
    assert result.errors == ["EngineError: gone"]


def test_out_of_budget_the_best_whole_solution_is_the_result() -> None:
    model = Model(lambda r: f"Answer: {r.operation}\nAccept: no\nScore: 0.5")
    result = solve(generic(k=2), model, budget=cg.Budget(calls=6))
    assert (result.stopped, result.usage.calls) == ("calls", 6)
    assert result.answer == "aggregate"
    halfway = solve(
        sorting(k=2), Model(sorter(perfectly)), unsorted(EIGHT), budget=cg.Budget(calls=3)
    )
    assert (halfway.stopped, halfway.answer) == ("calls", None)


def test_a_score_that_is_none_is_refused_and_one_that_fails_is_kept_as_error() -> None:
    drafts = Generate(Given(), k=2)
    model = Model(lambda r: f"Answer: {r.sample}")
    with pytest.raises(cg.ConfigError, match=r"scored 7.0: let it return a score in \[0, 1\]"):
        solve(Score(drafts, by=lambda _, _t: 7), model)
    with pytest.raises(cg.ConfigError, match="scored nan"):
        solve(Score(drafts, by=lambda _, _t: float("nan")), model)
    result = solve(KeepBest(Score(drafts, by=lambda _, t: 1 / int(t.answer or ""))), model)
    assert result.answer == "1"
    assert result.errors == ["ZeroDivisionError: division by zero"]


def test_a_stage_of_ones_own_is_a_callable_with_inputs() -> None:
    @dataclass(frozen=True, eq=False)
    class Shortest(StageOf):
        async def __call__(
            self, _d: cg.Deliberation, thoughts: Sequence[Thought], _first: int, /
        ) -> list[Thought]:
            return [min(thoughts, key=lambda thought: len(thought.text))]

    model = Model(lambda r: "Answer: " + "9" * (3 - r.sample))
    assert solve(Shortest(Generate(Given(), k=3)), model).answer == "9"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: GraphOfThoughts("srting"), "no such program"),  # type: ignore[arg-type]  # on purpose
        (lambda: strategy_named("graph-of-thoughts?program=srting"), "program"),
        (lambda: strategy_named("graph-of-thoughts?parts=2"), "only program=sorting"),
        (lambda: strategy_named("graph-of-thoughts?program=sorting&parts=3"), "power of two"),
        (lambda: strategy_named("graph-of-thoughts?k=0"), "k is at least 1"),
        (lambda: GraphOfThoughts(Generate(Given()), k=3), "named programs"),
        (lambda: KeepBest(()), "give the stage"),
        (lambda: KeepBest(Given(), n=0), "n is at least 1"),
        (
            lambda: solve(KeepBest(GroundTruth(Generate(Given()))), Scripted(["Answer: 1"])),
            "let GroundTruth be the last",
        ),
        (
            lambda: solve(Generate(Generate(Given())), Scripted(["Answer: 1"])),
            "improve solutions with Refine",
        ),
    ],
)
def test_programs_without_a_meaning_are_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(cg.ConfigError, match=message):
        wrong()


def test_named_programs_are_made_from_a_command_line() -> None:
    assert strategy_named("graph-of-thoughts?program=sorting&parts=4&k=3") == GraphOfThoughts(
        "sorting", k=3, parts=4
    )
    assert strategy_named("graph-of-thoughts") == GraphOfThoughts()
