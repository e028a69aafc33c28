"""Harvests of scripted graphs: what is kept, what is dropped and counted, what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

import cogitate as cg
from cogitate.errors import ConfigError, DataError, EngineRefused
from cogitate.inference import Completion, Request, Scripted, Usage
from cogitate.tasks import Example, Problem, ProblemSet
from cogitate.training import distinct, harvest, held_back, load_rows, save_rows, unseen

SUM = Problem(id="sum", prompt="What is 6 * 7?", reference="42")
EXAMPLES = (Example(prompt="1 + 1?", response="Answer: 2", author="cogitate"),)


def thought_of(
    reply: Callable[[Request], str | Completion],
    n: int,
    problem: Problem = SUM,
    *,
    examples: int | None = None,
) -> cg.ThoughtGraph:
    team = cg.Team.of(Scripted(reply), examples=examples)
    problems = ProblemSet("sums", [problem], examples=EXAMPLES)
    [episode] = cg.run(problems, team, cg.SelfConsistency(n=n)).episodes
    return episode.graph


def numbered(*texts: str) -> Callable[[Request], str]:
    return lambda request: texts[request.sample]


def sampled(request: Request) -> Completion:
    return Completion(
        text=f"6 * 7 is 42, says {request.sample}.\nAnswer: 42",
        usage=Usage(3, 0, 2),
        prompt_ids=(5, 6, 7),
        token_ids=(8 + request.sample, 2),
        logprobs=(-0.5, -0.1),
        model="hf/x",
        revision="r1",
    )


def test_right_replies_become_rows_that_join_back_to_their_thoughts() -> None:
    graph = thought_of(numbered("Answer: 41", "So 42.\nAnswer: 42", "Answer: 42.0"), 3)
    found = harvest([graph])
    assert [row.completion for row in found.rows] == ["So 42.\nAnswer: 42", "Answer: 42.0"]
    for row in found.rows:
        thought = graph.thought(row.thought)
        assert (thought.text, thought.prompt) == (row.completion, row.messages)
        assert (row.problem, row.question, row.role) == ("sum", SUM.prompt, "generator")
    assert found.counts["wrong"] == 1


def test_every_solution_is_graded_on_its_thought() -> None:
    graph = thought_of(numbered("Answer: 41", "Answer: 42", "I do not know."), 3)
    harvest([graph]).verified()
    assert [t.scores["grader"] for t in graph.thoughts(cg.graphs.ThoughtKind.SOLUTION)] == [0, 1, 0]


def test_what_is_dropped_is_counted() -> None:
    def reply(request: Request) -> str:
        return ("Answer: 42", "Answer:  42", "It is \\boxed{42}", "no", "Answer: 42 ")[
            request.sample
        ]

    counts = harvest([thought_of(reply, 5)]).counts
    expected = {"solutions": 5, "kept": 1, "duplicates": 2, "unmarked": 1, "wrong": 1, "capped": 0}
    assert counts == expected


def test_a_reply_that_was_cut_is_dropped() -> None:
    cut = Completion(text="Answer: 42", finish="length")
    assert harvest([thought_of(lambda _: cut, 1)]).counts["cut"] == 1


def test_a_call_that_failed_is_counted_and_not_graded() -> None:
    def refuse(_: Request) -> str:
        raise EngineRefused("no")

    graph = thought_of(refuse, 1)
    assert harvest([graph]).counts["failed"] == 1
    assert [t.scores for t in graph.thoughts(cg.graphs.ThoughtKind.SOLUTION)] == [{}]


def test_a_grade_that_someone_else_wrote_is_no_verification() -> None:
    graph = thought_of(numbered("Answer: 41"), 1)
    [forged] = graph.thoughts(cg.graphs.ThoughtKind.SOLUTION)
    graph.score(forged, "grader", 1.0)
    found = harvest([graph])
    assert found.rows == [] and found.counts["disputed"] == 1


def test_at_most_so_many_replies_to_a_text_are_kept_whatever_the_ids() -> None:
    same = SUM.model_copy(update={"id": "another", "prompt": "What is  6 * 7?"})
    graphs = [
        thought_of(lambda r: f"{r.sample}\nAnswer: 42", 3),
        thought_of(lambda r: f"{r.sample + 2}\nAnswer: 42", 3, same),
    ]
    found = harvest(graphs).verified(per_problem=4)
    assert [row.completion[0] for row in found.rows] == ["0", "1", "2", "3"]
    assert (found.counts["duplicates"], found.counts["capped"]) == (1, 1)


def test_one_role_can_be_harvested_alone() -> None:
    def reply(request: Request) -> str:
        return "Accept: no" if request.role == "critic" else "Answer: 42"

    team = cg.Team.of(Scripted(reply))
    graph = cg.solve(SUM, team, cg.SelfRefine(rounds=1)).graph
    assert {row.role for row in harvest([graph]).rows} == {"generator", "refiner"}
    assert {row.role for row in harvest([graph]).verified(role="refiner").rows} == {"refiner"}


def test_rows_keep_prompt_and_completion_as_sampled() -> None:
    graph = thought_of(sampled, 2, examples=1)
    rows = harvest([graph]).rows
    assert [row.completion_ids for row in rows] == [(8, 2), (9, 2)]
    assert all(row.prompt_ids == (5, 6, 7) for row in rows)
    assert all(row.source.revision == "r1" for row in rows)
    assert [turn.role for turn in rows[0].messages] == ["system", "user", "assistant", "user"]


def test_zero_shot_rows_leave_the_examples_out_and_keep_the_sampled_completion() -> None:
    graph = thought_of(sampled, 1, examples=1)
    [row] = harvest([graph], prompt="zero-shot").rows
    assert [turn.role for turn in row.messages] == ["system", "user"]
    assert SUM.prompt in row.messages[-1].content
    assert EXAMPLES[0].prompt not in str(row.messages)
    assert (row.prompt_ids, row.completion_ids) == (None, (8, 2))


def test_zero_shot_rows_of_prompts_without_examples_keep_their_ids() -> None:
    [row] = harvest([thought_of(sampled, 1, examples=0)], prompt="zero-shot").rows
    assert row.prompt_ids == (5, 6, 7)


@pytest.mark.parametrize("name", ["gsm8k?size=1", "math?size=1", "game24?size=1", "sorting?size=1"])
def test_nothing_is_trained_on_the_evaluation_sets_that_are_shipped(name: str) -> None:
    [problem] = cg.tasks.load(name)
    with pytest.raises(ConfigError, match="evaluation set"):
        harvest([cg.ThoughtGraph.of(problem.model_copy(update={"id": "renamed"}))]).verified()
    rewritten = {"id": "rewritten", "prompt": problem.prompt.upper().replace(" ", "\u2009")}
    with pytest.raises(ConfigError, match="evaluation set"):
        harvest([cg.ThoughtGraph.of(problem.model_copy(update=rewritten))]).verified()


def test_nothing_is_trained_on_generated_items_from_a_million_on() -> None:
    [problem] = cg.tasks.load("reasoning_gym/chain_sum?size=1&seed=1000000")
    with pytest.raises(ConfigError, match="for measuring"):
        harvest([cg.ThoughtGraph.of(problem)]).verified()
    [allowed] = cg.tasks.load("reasoning_gym/chain_sum?size=1&seed=999999")
    assert held_back(allowed) is None


def test_a_problem_that_no_grader_can_verify_is_refused() -> None:
    with pytest.raises(ConfigError, match="no reference"):
        harvest([cg.ThoughtGraph.of(Problem(prompt="Why?"))]).verified()


def test_unseen_problems_are_those_whose_text_is_nowhere() -> None:
    problems = ProblemSet(
        "dev",
        [Problem(id=str(i), prompt=f"{i} + {i}?", reference=str(2 * i)) for i in range(5)],
        dropped=2,
    )
    row = harvest([thought_of(numbered("Answer: 42"), 1)]).rows[0]
    seen = [
        row.model_copy(update={"question": "0  + 0?"}),
        Problem(prompt="1 + 1?"),
        Example(prompt="2 + 2?", response="Answer: 4"),
        "3 +\n3?",
    ]
    left = unseen(problems, than=seen)
    assert [problem.id for problem in left] == ["4"]
    assert left.dropped == 2 + 4


def test_a_set_of_seen_problems_is_refused() -> None:
    with pytest.raises(ConfigError, match="seen before"):
        unseen(ProblemSet("dev", [SUM]), than=[SUM])


def test_rows_are_the_same_after_a_file(tmp_path: Path) -> None:
    rows = harvest([thought_of(sampled, 2, examples=1)]).rows
    save_rows(tmp_path / "new" / "rows.jsonl", rows)
    assert load_rows(tmp_path / "new" / "rows.jsonl") == rows


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    save_rows(path, harvest([thought_of(sampled, 1)]).rows)
    path.write_text(path.read_text() + '{"problem": "p"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: question"):
        load_rows(path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="harvest rows first"):
        load_rows(tmp_path / "rows.jsonl")


def test_rows_of_two_rounds_are_put_together_without_repetition() -> None:
    rows = harvest([thought_of(sampled, 2)]).rows
    assert distinct([*rows, *rows]) == (rows, 2, 0)


def test_a_path_or_a_name_in_place_of_what_it_stands_for_says_what_to_give() -> None:
    with pytest.raises(ConfigError, match="open the file first"):
        harvest("runs.db")  # type: ignore[arg-type]  # the point
    with pytest.raises(ConfigError, match="credit_named"):
        harvest([], credit="value-backup")  # type: ignore[arg-type]  # the point
