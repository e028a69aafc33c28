"""Problems split into parts: which problem a thought works on, and what counts as an answer."""

import pytest

import cogitate as cg
from cogitate.graphs import Relation, Thought, ThoughtKind, best_thought

PROBLEM = cg.tasks.Problem(id="p", prompt="Sort 4 3 2 1.", reference="1 2 3 4")


def problem(graph: cg.ThoughtGraph, name: str, parent: Thought, relation: Relation) -> Thought:
    part = Thought(f"{name}.0", ThoughtKind.PROBLEM, name, about=graph.problem_of([parent]))
    graph.add(part, [parent], relation)
    return part


def solution(graph: cg.ThoughtGraph, name: str, *parents: Thought) -> Thought:
    made = Thought(f"{name}.0", ThoughtKind.SOLUTION, name, about=graph.problem_of(parents))
    graph.add(made, parents, Relation.AGGREGATES)
    return made


@pytest.fixture
def graph() -> cg.ThoughtGraph:
    return cg.ThoughtGraph.of(PROBLEM)


def test_what_is_made_of_different_parts_works_on_what_was_split(graph: cg.ThoughtGraph) -> None:
    half, other = (problem(graph, n, graph.root, Relation.GENERATES) for n in ("half", "other"))
    first, second = (problem(graph, n, half, Relation.GENERATES) for n in ("first", "second"))
    one, two = solution(graph, "one", first), solution(graph, "two", second)
    three = solution(graph, "three", other)
    assert [t.about for t in (one, two, three)] == [first.id, second.id, other.id]
    both = solution(graph, "both", one, two)
    assert both.about == half.id
    assert solution(graph, "all", both, three).about == graph.root.id
    assert solution(graph, "at once", one, two, three).about == graph.root.id
    assert solution(graph, "again", one, both).about == half.id


def test_the_solution_of_a_part_is_no_answer_to_the_problem(graph: cg.ThoughtGraph) -> None:
    part = problem(graph, "part", graph.root, Relation.GENERATES)
    clearer = problem(graph, "clearer", graph.root, Relation.POLISHES)
    of_part, of_clearer = solution(graph, "1", part), solution(graph, "2", clearer)
    of_part.scores["judge"] = 1.0
    assert [graph.whole(t) for t in (graph.root, of_part, of_clearer)] == [True, False, True]
    assert not graph.whole(solution(graph, "3", problem(graph, "x", part, Relation.POLISHES)))
    assert best_thought(graph) is of_clearer
