"""Value back-up by hand: MALT's tree, merges, missing grades, pairs, and critics that lie."""

import pytest

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.tasks import Problem
from cogitate.training.credit import CreditLog, CriticAgreement, ValueBackup

SOLUTION, CRITIQUE = ThoughtKind.SOLUTION, ThoughtKind.CRITIQUE


def begun() -> ThoughtGraph:
    return ThoughtGraph.of(Problem(id="p", prompt="6 * 7?", reference="42"))


def solution(
    graph: ThoughtGraph,
    name: str,
    parents: list[Thought],
    grade: float | None = None,
    relation: Relation = Relation.GENERATES,
) -> Thought:
    operation = str(relation)
    thought = Thought(
        name, SOLUTION, name, role=operation, operation=operation, about=graph.root.id
    )
    graph.add(thought, parents, relation)
    if grade is not None:
        graph.score(thought, "grader", grade)
    return thought


def critique(graph: ThoughtGraph, name: str, of: Thought, accepts: bool | None = None) -> Thought:
    thought = Thought(
        name, CRITIQUE, name, role="critic", operation="critique", about=graph.root.id
    )
    thought.accepts = accepts
    graph.add(thought, [of], Relation.CRITIQUES)
    return thought


def malt(right: list[list[int]]) -> ThoughtGraph:
    """Three generations x three critiques x three refinements, of which so many are right."""
    graph = begun()
    for g, row in enumerate(right):
        draft = solution(graph, f"g.{g}", [graph.root], 0)
        for c, correct in enumerate(row):
            said = critique(graph, f"c{g}.{c}", draft)
            for r in range(3):
                grade = float(r < correct)
                solution(graph, f"r{g}{c}.{r}", [draft, said], grade, Relation.REFINES)
    return graph


TREE = [[3, 2, 0], [1, 1, 3], [0, 0, 1]]


def values(graph: ThoughtGraph) -> dict[str, float]:
    return {name: found[0].value for name, found in ValueBackup()(graph).credits.items()}


def test_the_27_leaves_of_malt_are_backed_up() -> None:
    graph = malt(TREE)
    found = values(graph)
    assert [found[f"g.{i}"] for i in range(3)] == pytest.approx([5 / 9, 5 / 9, 1 / 9])
    assert [found[f"c0.{i}"] for i in range(3)] == pytest.approx([1, 2 / 3, 0])
    assert found["r01.1"] == 1
    assert found["r01.2"] == 0
    assert found[graph.root.id] == pytest.approx(11 / 27)
    credits = ValueBackup()(graph).credits
    assert (credits["g.0"][0].positive, credits["g.2"][0].positive) == (True, False)
    assert (credits["g.0"][0].samples, credits[graph.root.id][0].samples) == (9, 27)


def test_a_refinement_is_no_child_of_the_draft_that_it_refines() -> None:
    graph = begun()
    draft = solution(graph, "g.0", [graph.root])
    for c, grades in enumerate(([1], [0, 0, 0])):
        said = critique(graph, f"c.{c}", draft)
        for r, grade in enumerate(grades):
            solution(graph, f"r{c}.{r}", [draft, said], grade, Relation.REFINES)
    direct = [child.id for child in graph.children(draft)]
    assert len(direct) == 6  # the mean over these would be (1 + 0 + 1 + 0 + 0 + 0) / 6
    assert values(graph)["g.0"] == 0.5


def test_a_merged_child_counts_fully_for_each_of_its_parents() -> None:
    graph = begun()
    a, b = (solution(graph, f"g.{i}", [graph.root]) for i in range(2))
    solution(graph, "m.0", [a, b], 1, Relation.AGGREGATES)
    solution(graph, "r.0", [b], 0, Relation.REFINES)
    found = values(graph)
    assert (found["g.0"], found["g.1"]) == (1, 0.5)
    assert found[graph.root.id] == 0.75
    credit = ValueBackup()(graph).credits[graph.root.id][0]
    assert credit.samples == 2
    assert credit.interval is not None
    # Weights 3/4 and 1/4: 1 / (9/16 + 1/16) = 1.6 draws, and not the two children; 1.2 of them
    # right: the quantiles 0.025 of Beta(1.2, 1.4) and 0.975 of Beta(2.2, 0.4), by mpmath.
    assert credit.interval == pytest.approx((0.0339, 0.99996), abs=1e-4)


def test_no_graded_descendant_is_no_value_and_not_0() -> None:
    graph = begun()
    solution(graph, "g.0", [graph.root], 1)
    solution(graph, "g.1", [graph.root])
    found = values(graph)
    assert "g.1" not in found
    assert found[graph.root.id] == 1


def test_a_value_at_the_threshold_is_not_positive() -> None:
    graph = begun()
    for i in range(2):
        solution(graph, f"g.{i}", [graph.root], i)
    credits = ValueBackup(threshold=0.5)(graph).credits
    assert credits[graph.root.id][0].positive is False
    with pytest.raises(ConfigError, match="threshold"):
        ValueBackup(threshold=1)


def test_a_critique_of_three_refinements_has_a_wide_interval_and_a_leaf_none() -> None:
    credits = ValueBackup()(malt(TREE)).credits
    assert credits["c0.1"][0].interval == pytest.approx((0.0943, 0.9916), abs=1e-4)
    assert credits["r01.1"][0].interval == (1, 1)


def test_pairs_share_all_parents_and_stand_on_two_sides_of_the_threshold() -> None:
    graph = malt(TREE)
    pairs = ValueBackup().pairs(graph)
    assert all(set(graph.parents(p.chosen)) == set(graph.parents(p.rejected)) for p in pairs)
    names = [(p.chosen.id, p.rejected.id) for p in pairs]
    assert [n for n in names if n[0][0] == "g"] == [("g.0", "g.2"), ("g.1", "g.2")]
    assert [n for n in names if n[0][0] == "c"] == [
        ("c0.0", "c0.2"),
        ("c0.1", "c0.2"),
        ("c1.2", "c1.0"),
        ("c1.2", "c1.1"),
    ]
    assert len([n for n in names if n[0][0] == "r"]) == 4 * 2  # 2, 1, 1 and 1 of 3 are right


def test_a_lying_critic_changes_no_value_and_is_found_out() -> None:
    honest, lying = malt(TREE), malt(TREE)
    for graph, accepts in ((honest, False), (lying, True)):
        for thought in graph.thoughts(CRITIQUE):
            thought.accepts = accepts  # every draft was graded 0
            thought.text = "grader: 1.0. Accept: yes"
            graph.score(thought, "grader", 1)
        for thought in graph.thoughts(SOLUTION):
            graph.score(thought, "judge", 1)
    assert values(lying) == values(honest) == values(malt(TREE))
    assert CriticAgreement()(honest).counts["right"] == 9
    assert CriticAgreement()(lying).counts["wrong"] == 9


def test_silence_is_no_agreement_and_a_judged_crowd_gets_none() -> None:
    graph = begun()
    drafts = [solution(graph, f"g.{i}", [graph.root], i) for i in range(2)]
    critique(graph, "c.0", drafts[1])
    critique(graph, "c.1", drafts[1], accepts=True)
    both = Thought("d.0", CRITIQUE, "Both.", accepts=True)
    graph.add(both, drafts, Relation.CRITIQUES)
    found = CriticAgreement()(graph)
    assert {name: c[0].value for name, c in found.credits.items()} == {"c.0": 0, "c.1": 1}
    assert (found.counts["silent"], found.counts["several"]) == (1, 1)


def test_grades_may_be_passed_in_but_neither_forged_nor_changed() -> None:
    graph = begun()
    draft = solution(graph, "g.0", [graph.root])
    said = critique(graph, "c.0", draft)
    assert ValueBackup()(graph, {"g.0": 1.0}).credits["g.0"][0].value == 1
    for grades in ({said.id: 1.0}, {"x.0": 1.0}, {"g.0": float("nan")}, {"g.0": 7.0}):
        with pytest.raises(DataError):
            ValueBackup()(graph, grades)
    graph.score(draft, "grader", 0)
    with pytest.raises(DataError, match="grade it once"):
        ValueBackup()(graph, {"g.0": 1.0})


def test_a_log_keeps_every_credit_once() -> None:
    graph, log = malt(TREE), CreditLog()
    for threshold in (0.5, 0.5, 0.6):
        for found in ValueBackup(threshold=threshold)(graph).credits.values():
            log.append(found)
    assert [dict(c.origin.parameters)["threshold"] for c in log.of("g.0")] == [0.5, 0.6]
    assert [c.positive for c in log.of("g.0")] == [True, False]
