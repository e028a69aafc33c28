"""Every solution of a graph is graded, also of problems that nothing may be trained on."""

import pytest

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training import grade, roles


def test_drafts_and_refinements_get_grades_even_where_the_problem_is_held_back() -> None:
    held_back = cg.tasks.load("gsm8k?size=1")[0]

    def reply(request: Request) -> str:
        if request.role == "critic":
            return "Accept: no"
        return "Answer: -1" if request.role == "generator" else f"Answer: {held_back.reference}"

    graph = cg.solve(held_back, cg.Team.of(Scripted(reply)), cg.SelfRefine(rounds=1)).graph
    assert grade([graph]) == {"right": 1, "wrong": 1, "ungraded": 0}
    found = roles([graph])
    assert (found.first.right, found.repaired.right, found.specificity.right) == (0, 1, 1)


def test_a_problem_without_a_reference_is_refused() -> None:
    graph = cg.solve("Why?", cg.Team.of(Scripted(["Answer: 1"])), cg.Direct()).graph
    with pytest.raises(ConfigError, match="no reference answer"):
        grade([graph])


def test_what_failed_is_counted_apart() -> None:
    def reply(request: Request) -> str:
        raise cg.EngineError("no")

    problem = Problem(prompt="6 * 7?", reference="42")
    graph = cg.solve(problem, cg.Team.of(Scripted(reply)), cg.Direct()).graph
    assert grade([graph]) == {"right": 0, "wrong": 0, "ungraded": 1}
