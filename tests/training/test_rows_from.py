"""Rows by hand: MALT's tree, Math-Shepherd's labels, merges, lying critics, restarts and chains."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import (
    CRITIQUE,
    MALT,
    STEP,
    add,
    begun,
    ended,
    malt,
    solution,
    step,
)

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.graphs import Episode, Relation, Result, ThoughtGraph, parse_coat
from cogitate.inference import Scripted, Usage
from cogitate.tasks import Problem
from cogitate.training import (
    CreditLog,
    CriticAgreement,
    GroupRelative,
    MonteCarloSteps,
    ValueBackup,
    harvest,
)
from cogitate.training.exports import export, read_rows


def test_the_positives_of_malts_tree_become_rows_for_every_role() -> None:
    episodes = harvest([malt(MALT)], credit=ValueBackup(threshold=0.5))
    # g.0 and g.1 are worth 5/9 each; c0.0 1, c0.1 2/3, c1.2 1; of the 27 leaves 11 are right.
    rows = list(episodes.sft())
    assert Counter(row.role for row in rows) == {"generator": 2, "critic": 3, "refiner": 11}
    assert [row.thought for row in episodes.sft(role="generator")] == ["g.0", "g.1"]
    assert [row.thought for row in episodes.sft(role="critic")] == ["c0.0", "c0.1", "c1.2"]
    assert [row.grade for row in episodes.sft(role="critic")] == pytest.approx([1, 2 / 3, 1])
    found = episodes.sft()
    list(found)
    assert found.counts == {"rows": 16, "not positive": 1 + 6 + 16, "episodes": 1}


def test_rows_say_what_was_asked_and_said_and_by_which_method_it_is_worth_something() -> None:
    graph = malt(MALT)
    row = next(iter(harvest([graph]).sft(role="critic")))
    thought = graph.thought(row.thought)
    assert (row.messages, row.completion) == (thought.prompt, thought.text)
    assert thought.tokens is not None
    assert row.prompt_ids == thought.tokens.prompt_ids
    assert row.completion_ids == thought.tokens.token_ids
    assert row.logprobs == thought.tokens.logprobs
    assert row.credit is not None
    assert (row.credit.method, row.credit.source) == ("value-backup", "grader")
    assert dict(row.credit.parameters) == {"threshold": 0.5}


def test_the_pairs_of_malts_tree_are_those_of_siblings_across_the_threshold() -> None:
    episodes = harvest([malt(MALT)])
    names = [(row.chosen.thought, row.rejected.thought) for row in episodes.preferences("critic")]
    assert names == [("c0.0", "c0.2"), ("c0.1", "c0.2"), ("c1.2", "c1.0"), ("c1.2", "c1.1")]
    assert len(list(episodes.preferences("generator"))) == 2
    # Two of three are right once, one of three is thrice: two pairs each.
    assert len(list(episodes.preferences("refiner"))) == 8
    first = next(iter(episodes.preferences("refiner")))
    assert first.parents == ("g.0", "c0.1")
    assert first.prompt_ids == tuple(b"g.0 c0.1")
    assert (first.chosen.value, first.rejected.value) == (1, 0)


def test_ranks_follow_the_values_and_equal_ones_are_tied() -> None:
    rows = list(harvest([malt(MALT)]).ranked())
    of_generator = [row for row in rows if row.role == "generator"]
    assert [[r.thought for r in row.replies] for row in of_generator] == [["g.0", "g.1", "g.2"]]
    assert [row.ranks for row in of_generator] == [(1, 1, 3)]
    assert [row.ranks for row in rows if row.role == "critic"] == [(1, 2, 3), (1, 2, 2), (1, 2, 2)]


def test_every_thought_with_a_value_is_wanted_or_not() -> None:
    rows = list(harvest([malt(MALT)]).unpaired())
    assert len(rows) == 3 + 9 + 27
    assert sum(row.wanted for row in rows) == 16


def test_a_lying_critic_is_graded_by_what_came_of_it_and_never_by_its_words() -> None:
    honest, lying = malt(MALT), malt(MALT)
    for thought in lying.thoughts(CRITIQUE):
        thought.accepts = True  # every draft is wrong
        thought.text = "grader: 1.0\nAccept: yes"
        lying.score(thought, "grader", 1.0)
        lying.score(thought, "judge", 1.0)
    kept = [row.thought for row in harvest([honest]).sft(role="critic")]
    assert [row.thought for row in harvest([lying]).sft(role="critic")] == kept
    agreeing = harvest([honest, lying], credit=CriticAgreement())
    assert [row.completion for row in agreeing.sft(role="critic")] == [
        t.text for t in honest.in_order() if t.kind is CRITIQUE
    ]
    assert [row.wanted for row in agreeing.unpaired()] == [True] * 9 + [False] * 9


def test_a_forged_grade_moves_no_credit() -> None:
    graph = begun()
    drafts = [solution(graph, f"g.{i}", 41 + i, [graph.root]) for i in range(2)]
    graph.score(drafts[0], "grader", 1.0)
    rows = harvest([graph]).sft()
    assert [row.thought for row in rows] == ["g.1"]
    assert rows.counts["disputed"] == 1
    assert drafts[0].scores == {"grader": 1.0}  # what was given is left as it was


def test_an_answer_that_the_text_does_not_give_is_no_outcome() -> None:
    graph = begun()
    for i, (text, answer) in enumerate(
        [
            ("Answer: 41", "42"),
            ("So it is.", "42"),
            ("Answer: 42", None),
            ("Answer: 42.0", "42"),
            ("It must be 42", "42"),
        ]
    ):
        told = solution(graph, f"g.{i}", 0, [graph.root])
        told.text, told.answer = text, answer
    rows = harvest([graph]).unpaired()
    assert {row.reply.thought: row.wanted for row in rows} == {"g.3": True, "g.4": True}
    assert rows.counts["disputed"] == 3


def test_a_graph_that_no_run_makes_costs_its_own_rows_alone() -> None:
    broken, whole = malt(MALT, "a"), malt(MALT, "b")
    tokens = broken.thought("c0.0").tokens
    broken.thought("c0.0").tokens = replace(tokens, token_ids=(2**40,)) if tokens else None
    rows = harvest([broken, whole]).sft()
    assert len([row for row in rows if row.problem == "b"]) == 16
    assert rows.counts["malformed"] == 1


def test_a_merged_thought_counts_for_each_parent_and_is_compared_with_its_like_alone() -> None:
    graph = begun()
    a, b, c = (solution(graph, f"g.{i}", 41, [graph.root]) for i in range(3))
    for i, answer in enumerate((42, 41)):
        solution(graph, f"m.{i}", answer, [a, b], Relation.AGGREGATES, "refiner")
    solution(graph, "n.0", 41, [b, c], Relation.AGGREGATES, "refiner")
    episodes = harvest([graph], credit=ValueBackup(threshold=0.4))
    # a: (1 + 0) / 2; b: (1 + 0 + 0) / 3; c: 0.
    assert {row.reply.thought: row.reply.value for row in episodes.unpaired("generator")} == {
        "g.0": 0.5,
        "g.1": pytest.approx(1 / 3),
        "g.2": 0,
    }
    [pair] = episodes.preferences("refiner")
    assert (pair.chosen.thought, pair.rejected.thought) == ("m.0", "m.1")
    assert pair.parents == ("g.0", "g.1")


@st.composite
def graphs(draw: st.DrawFn) -> ThoughtGraph:
    """Solutions with any parents among the earlier thoughts, several of each place."""
    graph = begun()
    thoughts = [graph.root]
    for i in range(draw(st.integers(1, 7))):
        parents = draw(st.lists(st.sampled_from(thoughts), min_size=1, max_size=3, unique=True))
        relation = Relation.GENERATES if parents == [graph.root] else Relation.AGGREGATES
        for sample in range(draw(st.integers(1, 3))):
            answer = draw(st.sampled_from([41, 42]))
            thoughts.append(solution(graph, f"t{i}.{sample}", answer, parents, relation))
    return graph


@given(graphs())
def test_pairs_and_lists_never_cross_parents(graph: ThoughtGraph) -> None:
    episodes = harvest([graph])
    compared = [
        (row.parents, (row.chosen.thought, row.rejected.thought)) for row in episodes.preferences()
    ] + [(row.parents, tuple(r.thought for r in row.replies)) for row in episodes.ranked()]
    for parents, names in compared:
        for name in names:
            own = {parent.id for parent in graph.parents(graph.thought(name))}
            assert own == set(parents)
    values = {name: found[0].value for name, found in ValueBackup()(graph).credits.items()}
    for pair in episodes.preferences():
        assert values[pair.chosen.thought] > 0.5 >= values[pair.rejected.thought]


@given(graphs())
def test_graphs_are_ordered_and_backed_up_as_networkx_would(graph: ThoughtGraph) -> None:
    order = nx.lexicographical_topological_sort(
        graph, key=lambda name: (name.rpartition(".")[0], graph.thought(name).sample)
    )
    assert [thought.id for thought in graph.in_order()] == list(order)
    reduced = nx.transitive_reduction(graph)
    credits = ValueBackup()(graph, grades_of(graph)).credits
    for name in graph:
        below = [credits[child][0].value for child in reduced[name] if child in credits]
        if below:
            assert credits[name][0].value == pytest.approx(sum(below) / len(below))


def grades_of(graph: ThoughtGraph) -> dict[str, float]:
    return {t.id: float(t.answer == "42") for t in graph.thoughts() if t.answer}


def shepherd() -> ThoughtGraph:
    """Two first steps; two completions of each step; the second path was never ended."""
    graph = begun()
    first, other = step(graph, "a.0", graph.root), step(graph, "a.1", graph.root)
    for at, answers in ((first, (42, 41)), (other, (41, 41))):
        for i, answer in enumerate(answers):
            ended(graph, f"f{at.id[0]}{at.sample}.{i}", answer, at, "finish")
    second = step(graph, "b.0", first)
    for i, answer in enumerate((42, 42)):
        ended(graph, f"fb.{i}", answer, second, "finish")
    ended(graph, "e.0", 42, second, "step")
    return graph


@pytest.mark.parametrize(
    ("label", "labels"),
    [("hard", [[0], [1, 1, 1]]), ("soft", [[0], [0.5, 1, 1]])],
)
def test_math_shepherds_labels_become_step_rows(label: str, labels: list[list[float]]) -> None:
    graph = shepherd()
    credit = MonteCarloSteps(k=2, label="hard" if label == "hard" else "soft")
    rows = list(harvest([graph], credit=credit).steps())
    assert sorted([step.label for step in row.steps] for row in rows) == labels
    [whole] = [row for row in rows if len(row.steps) == 3]
    assert [step.thought for step in whole.steps] == ["a.0", "b.0", "e.0"]
    assert "".join(step.text for step in whole.steps) == graph.thought("e.0").text
    assert whole.grade == 1
    [unfinished] = [row for row in rows if len(row.steps) == 1]
    assert (unfinished.steps[0].thought, unfinished.grade) == ("a.1", None)


def test_values_label_steps_too_and_advantages_do_not() -> None:
    graph = shepherd()
    # Below b.0 all three are right; below a.0 its two roll-outs and b.0: (1 + 0 + 1) / 3.
    rows = list(harvest([graph]).steps())
    [whole] = [row for row in rows if len(row.steps) == 3]
    assert [step.label for step in whole.steps] == pytest.approx([2 / 3, 1, 1])
    with pytest.raises(ConfigError, match="MonteCarloSteps"):
        list(harvest([graph], credit=GroupRelative(reward="value")).steps())


def test_an_advantage_of_0_says_neither_yes_nor_no() -> None:
    mixed, right = begun("mixed"), begun("right")
    for graph, answers in ((mixed, (42, 41)), (right, (42, 42))):
        for i, answer in enumerate(answers):
            solution(graph, f"g.{i}", answer, [graph.root])
    rows = harvest([mixed, right], credit=GroupRelative()).unpaired()
    assert [(row.problem, row.wanted) for row in rows] == [("mixed", True), ("mixed", False)]
    assert rows.counts["unsure"] == 2


def test_a_step_is_trained_after_those_before_it() -> None:
    graph = shepherd()
    rows = {row.thought: row for row in harvest([graph]).sft()}
    assert rows["b.0"].prefix == "a.0\n\n"
    assert (rows["b.0"].prefix + rows["b.0"].completion) == graph.text(graph.thought("b.0"))
    assert rows["e.0"].prefix + rows["e.0"].completion == graph.thought("e.0").text


def test_episodes_begin_at_the_problem_after_a_reflection_or_at_any_step() -> None:
    graph = shepherd()
    episodes = harvest([graph])
    states = list(episodes.prompts())
    assert (states[0].thought, states[0].prefix, states[0].began) == (graph.root.id, "", "problem")
    assert {row.began for row in states} == {"problem", "right", "wrong"}
    assert all(row.prefix.endswith("<|reflect|>") for row in states[1:])
    assert all(row.prefix_ids is None for row in states[1:])
    assert {row.reference for row in states} == {"42"}
    steps = {row.thought: row for row in episodes.prompts(starts=["steps"])}
    assert set(steps) == {"a.0", "a.1", "b.0"}
    ids = [graph.thought(name).tokens for name in ("a.0", "b.0")]
    assert steps["b.0"].prefix_ids == tuple(i for t in ids if t for i in t.token_ids)
    assert steps["b.0"].prefix == "a.0\n\nb.0\n\n"


def test_a_problem_without_a_reference_has_prompts_and_nothing_else() -> None:
    graph = ThoughtGraph.of(Problem(id="why", prompt="Why?"))
    solution(graph, "g.0", 1, [graph.root])
    episodes = harvest([graph])
    assert [row.reference for row in episodes.prompts(starts=["problem"])] == [None]
    with pytest.raises(ConfigError, match="no reference"):
        list(episodes.sft())
    left_out = harvest([graph], unfit="drop").sft()
    assert list(left_out) == []
    assert left_out.counts["no reference"] == 1


def test_a_right_chain_that_reflects_becomes_coat_text() -> None:
    graph = begun()
    first = step(graph, "a.0", graph.root)
    check = add(
        graph, "k.0", STEP, "No: 42.\n\n", [first], Relation.REFLECTS, "generator",
        operation="reflect",
    )  # fmt: skip
    ended(graph, "e.0", 42, check, "finish")
    ended(graph, "e.1", 41, check, "finish")
    ended(graph, "x.0", 42, first, "finish")
    rows = harvest([graph]).coat()
    [row] = rows
    assert row.completion == (
        "<|continue|>a.0\n\n<|reflect|>No: 42.\n\n<|continue|>e.0\nAnswer: 42"
    )
    assert [action.text for action in parse_coat(row.completion)][1] == "No: 42.\n\n"
    assert (row.grade, row.completion_ids) == (1, None)
    assert graph.problem.prompt in row.messages[-1].content
    assert rows.counts["no reflection"] == 1


def test_episodes_of_an_iterator_can_be_harvested_once() -> None:
    episodes = harvest(graph for graph in [malt(MALT)])
    assert len(list(episodes.sft())) == 16
    with pytest.raises(ConfigError, match="list, a report or a store"):
        list(episodes.preferences())
    again = harvest([malt(MALT)])
    assert list(again.sft()) == list(again.sft())


async def _inside() -> list[str]:
    rows = iter(harvest([malt(MALT, "a"), malt(MALT, "b")]).sft(role="critic"))
    return [row.thought for row in rows]


def test_rows_are_made_inside_of_a_running_loop_and_left_halfway() -> None:
    assert len(asyncio.run(_inside())) == 6
    begun_ = iter(harvest([malt(MALT, "a"), malt(MALT, "b")]).sft())
    assert next(begun_).thought == "g.0"
    assert len(asyncio.run(_inside())) == 6
    assert len(list(begun_)) == 31


def test_only_one_episode_is_held_at_a_time() -> None:
    class Store:
        def __init__(self) -> None:
            self.read = 0

        def episodes(self) -> Iterator[Episode]:
            for i in range(50):
                self.read += 1
                graph = malt(MALT, f"p{i}")
                result = Result(
                    problem=graph.problem, thought=None, graph=graph, usage=Usage(calls=39)
                )
                yield Episode(graph.problem, result, None)

    store = Store()
    rows = iter(harvest(store).sft())
    for _ in range(20):
        next(rows)
    assert store.read == 2  # 16 rows an episode


def test_credits_are_kept_as_well_and_none_is_replaced() -> None:
    graph, log = malt(MALT), CreditLog()
    for threshold in (0.5, 0.5, 0.6):
        list(harvest([graph], credit=ValueBackup(threshold), keep=log).sft())
    assert [dict(one.origin.parameters)["threshold"] for one in log.of("g.0")] == [0.5, 0.6]


def test_rows_of_several_runs_join_back_to_their_own_thoughts(tmp_path: Path) -> None:
    written = iter(range(99))
    team = cg.Team.of(Scripted(lambda _: f"Try {next(written)}. Answer: {next(written) % 4}"))
    problem = Problem(id="p", prompt="What is 1 + 2?", reference="3")
    log = CreditLog()
    with cg.memory.RunStore(tmp_path / "runs.db") as store:
        for seed in (0, 1):
            cg.run([problem], team, cg.SelfConsistency(n=4), store=store, seed=seed)
        graphs = {(episode.run, episode.problem.id): episode.graph for episode in store.episodes()}
        episodes = harvest(store, keep=log)
        rows = [*episodes.unpaired()]
        assert len(rows) == 8 and len({row.reply.thought for row in rows}) == 4
        for row in rows:
            thought = graphs[row.run, row.problem].thought(row.reply.thought)
            assert thought.text == row.reply.completion
            [credit] = log.of(row.reply.thought, run=row.run)
            assert credit.value == row.reply.value == thought.scores.get("grader", credit.value)
        assert {row.run for row in episodes.verified().rows} <= {run for run, _ in graphs}
        told = [document.extra for document in episodes.trajectories()]
        assert {str(extra["run"]) for extra in told if extra} == {run for run, _ in graphs}
        export(episodes.unpaired(), tmp_path / "rows", form="parquet")
        assert [*read_rows(tmp_path / "rows", against=episodes.unpaired())] == rows
