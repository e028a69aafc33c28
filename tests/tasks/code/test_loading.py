"""Problems whose answer is a program come from files, are voted about, and are solved."""

import asyncio
import json
import runpy
from pathlib import Path

import pytest

import cogitate as cg
from cogitate.errors import DataError
from cogitate.inference import Request
from cogitate.tasks.code import Bubblewrap

EXAMPLES = Path(__file__).parents[3] / "examples"
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == 9\n"
RIGHT = "def square(x):\n    return x * x"
WRONG = "def square(x):\n    return 2 * x"


def load(folder: Path, *rows: dict[str, object], kind: str = "snippet") -> cg.tasks.ProblemSet:
    path = folder / "programs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return cg.tasks.load(f"jsonl:{path}?kind={kind}")


def fenced(program: str) -> str:
    return f"So:\n```python\n{program}\n```\nDone."


def test_the_three_forms_of_tests_load(tmp_path: Path) -> None:
    problems = load(
        tmp_path,
        {"prompt": "a", "entry_point": "square", "test": CHECK, "canonical_solution": RIGHT},
        {"prompt": "b", "test_list": ["assert square(2) == 4"], "setup": "import math"},
        {"prompt": "c", "tests": [{"stdin": "2", "stdout": "4"}], "kind": "exact"},
        {"prompt": "d", "reference": "assert square(2) == 4"},
        {"prompt": "e"},
    )
    assert [problem.kind for problem in problems] == ["snippet"] * 5
    assert [problem.reference for problem in problems] == [
        CHECK,
        '["assert square(2) == 4"]',
        '[{"stdin": "2", "stdout": "4"}]',
        "assert square(2) == 4",
        None,
    ]
    assert problems[0].metadata == {"entry_point": "square", "canonical_solution": RIGHT}
    for problem in problems[:2]:
        grader = cg.tasks.grader_for(problem)
        assert asyncio.run(grader.grade(problem, RIGHT)).correct
        assert not asyncio.run(grader.grade(problem, "def square(x): return 5")).correct


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"test": CHECK}, "check.candidate. does not say what it checks"),
        ({"test": "assert f(1) == g(1)"}, "does not split"),
        ({"test_list": [3]}, "no JSON list of tests"),
        ({"test_list": []}, "there is no test"),
        ({"tests": {"call": "f(1)"}}, "must be a text or a number"),
        ({"tests": [{"call": "f(1)", "expected": 1, "verified": True}]}, "no JSON list of tests"),
    ],
)
def test_tests_that_cannot_be_split_are_refused_with_their_line(
    row: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"programs.jsonl, line 2: .*{why}"):
        load(tmp_path, {"prompt": "a"}, {"prompt": "b", **row})


def test_a_list_is_still_no_reference_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'answer' must be a text or a number"):
        load(tmp_path, {"prompt": "a", "answer": ["b"]}, kind="exact")


def test_programs_are_voted_about_by_their_text(tmp_path: Path) -> None:
    [problem] = load(tmp_path, {"prompt": "a", "entry_point": "square", "test": CHECK})
    replies = [WRONG, RIGHT, WRONG + "\n# more", RIGHT]

    def reply(request: Request) -> str:
        return fenced(replies[request.sample])

    team = cg.Team.of(cg.inference.Scripted(reply))
    result = cg.solve(problem, team, cg.SelfConsistency(n=4))
    assert result.answer == RIGHT


def test_the_best_of_n_by_the_tests_is_the_one_that_passes(tmp_path: Path) -> None:
    [problem] = load(tmp_path, {"prompt": "a", "entry_point": "square", "test": CHECK})
    replies = [WRONG, WRONG, RIGHT]

    def reply(request: Request) -> str:
        return fenced(replies[request.sample])

    team = cg.Team.of(cg.inference.Scripted(reply), verifier=cg.tasks.CodeGrader(sandbox="snippet"))
    result = cg.solve(problem, team, cg.BestOfN(n=3))
    assert (result.answer, result.oracle) == (RIGHT, True)


def test_an_agent_is_asked_for_a_program_and_is_shown_no_test(tmp_path: Path) -> None:
    [problem] = load(
        tmp_path,
        {
            "prompt": "Write square(x).",
            "entry_point": "square",
            "test": CHECK.replace("-3", "-31").replace("9", "961"),
            "canonical_solution": RIGHT,
        },
    )
    seen: list[str] = []

    def reply(request: Request) -> str:
        seen.extend(str(message) for message in request.messages or ())
        return fenced(RIGHT) if request.role in ("generator", "refiner") else "Accept: no"

    result = cg.solve(problem, cg.Team.of(cg.inference.Scripted(reply)), cg.SelfRefine(rounds=1))
    told = "\n".join(seen)
    assert result.answer == RIGHT
    assert "one block that begins with ```python" in told
    assert "961" not in told and "candidate" not in told


def test_the_example_of_code_problems_runs(
    bubblewrap: Bubblewrap, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(EXAMPLES / "code_problems.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1][0] for line in lines] == ["0", "1", "1"] * 3
