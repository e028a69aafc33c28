"""Each strategy against a scripted model, with calls and outcome worked out by hand."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from searches import NAMES, small

import cogitate as cg
from cogitate.graphs import CritiqueTree, Relation, ThoughtKind, strategy_named
from cogitate.inference import Completion, Request, Scripted, Usage

PROBLEM = cg.tasks.Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")


class Model:
    """A scripted model that keeps what it was asked."""

    def __init__(self, reply: Callable[[Request], str | Completion]) -> None:
        self.requests: list[Request] = []

        def answer(request: Request) -> str | Completion:
            self.requests.append(request)
            return reply(request)

        self.engine = Scripted(answer)

    @property
    def operations(self) -> Counter[str]:
        return Counter(request.operation for request in self.requests)


def think(strategy: cg.Strategy, reply: Callable[[Request], str | Completion], **team: object):
    model = Model(reply)
    made = cg.Team.of(model.engine, **team)  # type: ignore[arg-type]  # keywords of the one test
    return cg.solve(PROBLEM, made, strategy), model


def answers(*texts: str) -> Callable[[Request], str]:
    """Reply to the i-th sample with `Answer:` and the i-th text."""
    return lambda request: f"Answer: {texts[request.sample]}"


def likely(answer: str, logprob: float) -> Completion:
    return Completion(
        text=f"Answer: {answer}",
        prompt_ids=(1,),
        token_ids=(2,),
        logprobs=(logprob,),
        usage=Usage(1, 0, 1),
    )


def test_direct_asks_once_for_the_answer_alone() -> None:
    result, model = think(cg.Direct(), lambda _: "Answer: 42")
    assert result.answer == "42"
    assert model.operations == {"direct": 1}


def test_chain_of_thought_asks_for_steps() -> None:
    result, model = think(cg.ChainOfThought(), lambda _: "6 * 7 = 42\nAnswer: 42")
    assert result.answer == "42"
    assert "step by step" in model.requests[0].messages[-1].content


def test_self_consistency_lets_half_and_one_over_two_vote_together() -> None:
    result, model = think(cg.SelfConsistency(n=5), answers("3", "0.5", "7", "1/2", "3.1"))
    assert result.answer in ("0.5", "1/2")
    assert model.operations == {"generate": 5}


def test_self_consistency_breaks_a_tie_by_mean_log_probability() -> None:
    replies = [likely("1", -0.9), likely("2", -0.2), likely("1", -0.1), likely("2", -0.4)]
    result, _ = think(cg.SelfConsistency(n=4), lambda request: replies[request.sample])
    # 1: mean -0.5; 2: mean -0.3
    assert result.answer == "2"


def test_self_consistency_weighted_by_probability_can_overrule_the_count() -> None:
    replies = [likely("1", -3.0), likely("1", -3.0), likely("2", -0.1)]
    strategy = cg.SelfConsistency(n=3, weight="probability")
    result, _ = think(strategy, lambda request: replies[request.sample])
    # exp(-3) + exp(-3) = 0.0996 < exp(-0.1) = 0.905
    assert result.answer == "2"


def test_log_probs_count_where_the_engine_tells_no_token_ids() -> None:
    told = [Completion(text=f"Answer: {i}", logprobs=(-i / 2, -i / 2)) for i in (1, 2)]
    strategy = cg.SelfConsistency(n=2, weight="probability")
    result, _ = think(strategy, lambda request: told[request.sample])
    assert result.answer == "1"
    assert [t.logprob for t in result.graph.thoughts()] == [None, -0.5, -1.0]


def test_self_consistency_weighted_by_probability_refuses_an_engine_without_log_probs() -> None:
    with pytest.raises(cg.ConfigError, match="log-probs"):
        think(cg.SelfConsistency(n=2, weight="probability"), answers("1", "2"))


def test_self_consistency_without_any_answer_returns_the_first_chain() -> None:
    result, _ = think(cg.SelfConsistency(n=3), lambda request: f"no idea {request.sample}")
    assert result.answer is None
    assert result.thought is not None and result.thought.text == "no idea 0"


@pytest.mark.parametrize(("reply", "expected"), [("Choice: 3", "9"), ("Choice: 7", "5")])
def test_universal_self_consistency_takes_the_named_response_or_the_majority(
    reply: str, expected: str
) -> None:
    texts = answers("5", "5", "9")
    result, model = think(
        cg.UniversalSelfConsistency(n=3),
        lambda request: reply if request.operation == "select" else texts(request),
    )
    assert result.answer == expected
    assert model.operations == {"generate": 3, "select": 1}
    [choice] = result.graph.thoughts(ThoughtKind.VERDICT)
    assert len(result.graph.parents(choice)) == 3


def test_best_of_n_takes_the_highest_score_and_counts_the_verifier() -> None:
    scores = {"41": "0.2", "42": "0.9", "43": "0.4"}
    drafts = answers("41", "42", "43")

    def reply(request: Request) -> str:
        if request.operation == "generate":
            return drafts(request)
        shown = request.messages[-1].content.partition("Answer: ")[2][:2]
        return f"Score: {scores[shown]}"

    result, model = think(cg.BestOfN(n=3), reply)
    assert result.answer == "42"
    assert model.operations == {"generate": 3, "value": 3}
    assert result.usage.calls == 6


def test_weighted_best_of_n_sums_scores_over_equal_answers() -> None:
    scores = {"41": 0.5, "42": 0.3, "42.0": 0.3}
    team_verifier = lambda _problem, text: scores[text.removeprefix("Answer: ")]  # noqa: E731
    plain, _ = think(cg.BestOfN(n=3), answers("41", "42", "42.0"), verifier=team_verifier)
    weighted, _ = think(
        cg.BestOfN(n=3, weighted=True), answers("41", "42", "42.0"), verifier=team_verifier
    )
    assert plain.answer == "41"
    assert weighted.answer == "42"


def test_a_grader_as_verifier_is_labelled_an_oracle() -> None:
    result, model = think(
        cg.BestOfN(n=3), answers("41", "42", "43"), verifier=cg.tasks.NumericGrader()
    )
    assert result.answer == "42"
    assert result.oracle
    assert model.operations == {"generate": 3}


def scripted_refinement(*accepts: str) -> Callable[[Request], str]:
    """Draft 0, then refinements 1, 2 ...; the i-th critique says the i-th word."""
    critiques, refinements = iter(accepts), iter(range(1, 100))

    def reply(request: Request) -> str:
        match request.operation:
            case "generate":
                return "Answer: 0"
            case "critique":
                return f"Look again.\nAccept: {next(critiques)}"
            case _:
                return f"Answer: {next(refinements)}"

    return reply


def test_self_refine_stops_when_the_critic_accepts() -> None:
    result, model = think(cg.SelfRefine(rounds=5), scripted_refinement("no", "no", "yes"))
    assert result.answer == "2"
    assert model.operations == {"generate": 1, "critique": 3, "refine": 2}


def test_self_refine_stops_after_its_rounds() -> None:
    result, model = think(cg.SelfRefine(rounds=2), scripted_refinement("no", "no", "no"))
    assert result.answer == "2"
    assert model.operations == {"generate": 1, "critique": 2, "refine": 2}


def test_self_refine_stops_when_the_score_passes_its_threshold() -> None:
    result, model = think(
        cg.SelfRefine(rounds=5, threshold=0.8),
        scripted_refinement("no", "no", "no", "no"),
        verifier=lambda _problem, text: {"Answer: 0": 0.1, "Answer: 1": 0.9}[text],
    )
    assert result.answer == "1"
    assert model.operations == {"generate": 1, "critique": 1, "refine": 1}


def test_self_refine_stops_when_nothing_improves_and_returns_the_best() -> None:
    scores = {"Answer: 0": 0.3, "Answer: 1": 0.5, "Answer: 2": 0.4}
    result, model = think(
        cg.SelfRefine(rounds=5, threshold=0.8),
        scripted_refinement("no", "no", "no", "no"),
        verifier=lambda _problem, text: scores[text],
    )
    assert result.answer == "1"
    assert model.operations == {"generate": 1, "critique": 2, "refine": 2}


def test_self_refine_stops_when_a_refinement_repeats_its_draft() -> None:
    result, model = think(
        cg.SelfRefine(rounds=5),
        lambda request: "Accept: no" if request.operation == "critique" else "Answer: 1",
    )
    assert result.answer == "1"
    assert model.operations == {"generate": 1, "critique": 1, "refine": 1}


def test_self_refine_keeps_its_draft_when_a_refinement_fails() -> None:
    def reply(request: Request) -> str:
        if request.operation == "refine":
            raise cg.EngineError("the refiner is gone")
        return "Answer: 1\nAccept: no"

    result, model = think(cg.SelfRefine(rounds=5), reply)
    assert result.answer == "1"
    assert model.operations == {"generate": 1, "critique": 1, "refine": 1}


def test_self_refine_shows_the_refiner_the_whole_history() -> None:
    _, model = think(cg.SelfRefine(rounds=2), scripted_refinement("no", "no"))
    last = model.requests[-1].messages[-1].content
    assert last.index("Answer: 0") < last.index("Answer: 1")
    assert last.count("<critique>") == 2


def test_self_refine_links_each_refinement_to_its_draft_and_its_critique() -> None:
    result, _ = think(cg.SelfRefine(rounds=1), scripted_refinement("no"))
    assert result.thought is not None
    draft, critique = result.graph.parents(result.thought)
    assert (draft.kind, critique.kind) == (ThoughtKind.SOLUTION, ThoughtKind.CRITIQUE)
    assert result.graph.edges[draft.id, result.thought.id]["relation"] == Relation.REFINES


def test_self_polish_stops_when_two_answers_agree_and_keeps_the_original_problem() -> None:
    solutions = iter(["Answer: 1", "Answer: 0.5", "Answer: 1/2", "Answer: 9"])
    polished = iter(["clearer", "clearest", "too clear"])
    result, model = think(
        cg.SelfPolish(rounds=5),
        lambda request: next(polished if request.operation == "polish" else solutions),
    )
    assert result.answer == "1/2"
    assert model.operations == {"generate": 3, "polish": 2}
    problems = [t.text for t in result.graph.thoughts(ThoughtKind.PROBLEM)]
    assert problems == ["What is 6 * 7?", "clearer", "clearest"]
    assert "clearest" in model.requests[-1].messages[-1].content
    assert "What is" not in model.requests[-1].messages[-1].content


def test_self_polish_without_agreement_takes_the_most_frequent_answer() -> None:
    solutions = iter(["Answer: 1", "Answer: 2", "Answer: 1"])
    result, _ = think(
        cg.SelfPolish(rounds=2),
        lambda request: "clearer" if request.operation == "polish" else next(solutions),
    )
    assert result.answer == "1"


def test_self_polish_does_not_solve_a_problem_that_was_polished_away() -> None:
    result, model = think(
        cg.SelfPolish(rounds=3),
        lambda request: " " if request.operation == "polish" else "Answer: 42",
    )
    assert result.answer == "42"
    assert model.operations == {"generate": 1, "polish": 1}


def test_generate_critique_refine_makes_nine_calls_for_three_passes_and_votes() -> None:
    drafts, refined = iter("789"), iter(["5", "6", "5.0"])

    def reply(request: Request) -> str:
        match request.operation:
            case "generate":
                return f"Answer: {next(drafts)}"
            case "critique":
                return "Accept: no"
            case _:
                return f"Answer: {next(refined)}"

    result, model = think(cg.GenerateCritiqueRefine(k=3), reply)
    assert result.answer == "5"
    assert sum(model.operations.values()) == 9


def test_generate_critique_refine_breaks_a_tie_for_the_first_pass() -> None:
    refined = iter("567")
    result, _ = think(
        cg.GenerateCritiqueRefine(k=3),
        lambda request: f"Answer: {next(refined)}" if request.operation == "refine" else "Hm.",
    )
    assert result.answer == "5"


def test_a_critique_tree_has_siblings_everywhere_and_votes_over_all_its_leaves() -> None:
    def reply(request: Request) -> str:
        if request.operation == "critique":
            return f"Critique {request.sample}.\nAccept: no"
        right = request.operation == "refine" and request.sample > 0
        return f"Answer: {5 if right else request.sample + 10}"

    result, model = think(CritiqueTree(n=3), reply)
    assert result.answer == "5"  # 18 of 27 refinements say so
    assert model.operations == {"generate": 3, "critique": 9, "refine": 27}
    for thought in result.graph.thoughts(ThoughtKind.CRITIQUE):
        children = result.graph.children(thought)
        assert [child.sample for child in children] == [0, 1, 2]
        assert all(thought in result.graph.parents(child) for child in children)


def test_a_strategy_of_the_users_own_needs_no_base_class() -> None:
    async def twice(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate(d.problem)
        return await d.refine(draft, await d.critique(draft))

    result, model = think(twice, scripted_refinement("no"))
    assert result.answer == "1"
    assert len(model.requests) == 3


def test_every_named_strategy_can_be_made_from_its_name() -> None:
    for name in NAMES:
        assert callable(strategy_named(small(name)))
    assert strategy_named("self-refine?rounds=2&threshold=0.5") == cg.SelfRefine(2, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("self-refind", "did you mean 'self-refine'"),
        ("best-of-n?m=3", "no parameter 'm': it has n, weighted"),
        ("best-of-n?n=many", "n: .*integer"),
        ("best-of-n?n=0", "at least one"),
    ],
)
def test_a_wrong_strategy_is_refused_with_the_next_step(text: str, message: str) -> None:
    with pytest.raises(cg.ConfigError, match=message):
        strategy_named(text)


def test_a_missing_role_is_refused_with_the_next_step() -> None:
    team = cg.Team(generator=cg.Generator(Scripted(["Answer: 1"])))
    with pytest.raises(cg.ConfigError, match="needs a critic"):
        cg.solve(PROBLEM, team, cg.SelfRefine())


def test_a_dead_engine_is_recorded_on_the_thought_and_does_not_end_the_search() -> None:
    def reply(request: Request) -> str:
        if request.operation == "critique":
            raise cg.EngineError("the critic is gone")
        return f"Answer: {request.operation}"

    result, _ = think(cg.SelfRefine(rounds=1), reply)
    assert result.answer == "refine"
    assert result.errors == ["EngineError: the critic is gone"]


def test_solving_works_inside_a_running_event_loop() -> None:
    async def notebook() -> str | None:
        return think(cg.Direct(), lambda _: "Answer: 42")[0].answer

    assert asyncio.run(notebook()) == "42"
