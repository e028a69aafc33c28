"""What each role did, counted by hand."""

import pytest

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.graphs import Relation, Thought, ThoughtGraph, ThoughtKind
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training.intervals import clustered_interval, student_quantile, wilson
from cogitate.training.roles import role_table, roles


def add(
    graph: ThoughtGraph,
    name: str,
    parents: list[Thought],
    kind: ThoughtKind,
    relation: Relation,
    *,
    grade: float | None = None,
    accepts: bool | None = None,
) -> Thought:
    thought = Thought(name, kind, name, about=graph.root.id, accepts=accepts)
    graph.add(thought, parents, relation)
    if grade is not None:
        graph.score(thought, "grader", grade)
    return thought


def refined(number: int, before: float, accepts: bool | None, after: float | None) -> ThoughtGraph:
    graph = ThoughtGraph.of(Problem(id=f"p{number}", prompt=f"{number}?", reference="1"))
    draft = add(graph, "d.0", [graph.root], ThoughtKind.SOLUTION, Relation.GENERATES, grade=before)
    said = add(graph, "c.0", [draft], ThoughtKind.CRITIQUE, Relation.CRITIQUES, accepts=accepts)
    if after is not None:
        add(graph, "r.0", [draft, said], ThoughtKind.SOLUTION, Relation.REFINES, grade=after)
    return graph


def test_critics_and_refiners_are_counted_against_the_grades() -> None:
    report = roles(
        [
            refined(0, 0, False, 1),  # wrong, rejected, repaired
            refined(1, 0, True, 0),  # wrong, accepted, still wrong
            refined(2, 0, False, 0),
            refined(3, 1, True, None),
            refined(4, 1, False, 0),  # right, rejected, damaged
            refined(5, 1, None, 1),  # the critic did not say
        ]
    )
    counted = {
        name: (share.right, share.total)
        for name, share in report
        if name in ("first", "solutions", "critic_accuracy", "sensitivity", "specificity",
                    "repaired", "damaged")
    }  # fmt: skip
    assert counted == {
        "solutions": (5, 11),
        "first": (3, 6),
        "critic_accuracy": (3, 6),
        "sensitivity": (1, 3),
        "specificity": (2, 3),
        "repaired": (1, 3),
        "damaged": (1, 2),
    }
    assert (report.silent, report.several, report.ungraded) == (1, 0, 0)
    assert report.sensitivity.interval.low == pytest.approx(wilson(1, 3).low)
    assert "| wrong solutions repaired | 1/3 | 33.3% |" in role_table(report)


def test_what_has_no_one_solution_before_it_and_what_no_grader_saw_is_counted_apart() -> None:
    graph = refined(0, 0, True, 1)
    first, second = graph.thought("d.0"), graph.thought("r.0")
    add(graph, "m.0", [first, second], ThoughtKind.SOLUTION, Relation.REFINES, grade=1)
    bare = add(graph, "u.0", [graph.root], ThoughtKind.SOLUTION, Relation.GENERATES)
    add(graph, "c.1", [bare], ThoughtKind.CRITIQUE, Relation.CRITIQUES, accepts=True)
    report = roles([graph])
    assert (report.several, report.ungraded) == (1, 1)
    assert (report.repaired.right, report.repaired.total) == (1, 1)
    assert report.damaged.share is None and report.damaged.interval == (0, 1)


def test_tokens_and_formats_are_counted_by_role_for_a_strategy_that_ran() -> None:
    def reply(request: Request) -> str:
        if request.role == "critic":
            return "Accept: no"
        return "I guess 41" if request.role == "generator" else "Answer: 42"

    problem = Problem(id="p", prompt="6 * 7?", reference="42")
    graph = cg.solve(problem, cg.Team.of(Scripted(reply)), cg.SelfRefine(rounds=1)).graph
    cg.training.grade([graph])
    report = roles([graph])
    assert report.completion_tokens == {"critic": 2, "generator": 3, "refiner": 2}
    assert {role: share.share for role, share in report.format_rate.items()} == {
        "critic": 1,
        "generator": 0,
        "refiner": 1,
    }
    assert (report.repaired.right, report.repaired.total) == (1, 1)


def test_many_cases_of_one_problem_tell_no_more_than_one() -> None:
    assert clustered_interval([(5, 5)] * 4) == wilson(4, 4)
    # four clusters, each all right or all wrong: variance 4/3 * 100 / 40^2 = 1/12 against
    # 1/4 / 39 of independent cases: design effect 13, so 40 cases count as 40/13
    assert clustered_interval([(10, 10), (0, 10)] * 2) == pytest.approx((0.1274, 0.8726), abs=5e-5)
    assert clustered_interval([(1, 2)] * 20) == wilson(20, 40)
    assert clustered_interval([]) == (0, 1)
    with pytest.raises(ConfigError, match="right <= total"):
        clustered_interval([(2, 1)])


@pytest.mark.parametrize(("degrees", "t"), [(1, 12.7062), (2, 4.3027), (10, 2.2281), (100, 1.984)])
def test_student_quantiles_are_those_of_the_tables(degrees: int, t: float) -> None:
    assert student_quantile(degrees) == pytest.approx(t, abs=5e-5)
