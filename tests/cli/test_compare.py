"""`cogitate compare`, and the pass@k of `cogitate eval --samples`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from servers import FakeServer, in_background, speaking_for

from cogitate.cli.results import Line
from cogitate.inference import Request, Scripted

Command = Callable[..., tuple[int, str, str, BaseException | None]]


def line(strategy: str, problem: str, right: float, *, set_: str = "sums", seed: int = 0) -> str:
    return Line(
        problem=problem, reply="Answer: 1", answer="1", score=right, prompt_tokens=0,
        cached_tokens=0, completion_tokens=0, calls=1, money=0, stopped=None, errors=(), seconds=0,
        key=f"{strategy} {problem} {set_} {seed}", set=set_, strategy=strategy, seed=seed,
        run="r", elapsed=0,
    ).model_dump_json()  # fmt: skip


def written(file: Path, strategy: str, right: Sequence[float], *, more: Sequence[str] = ()) -> str:
    lines = [line(strategy, f"p{i}", score) for i, score in enumerate(right)]
    file.write_text("\n".join([*lines, *more]) + "\n")
    return str(file)


def test_two_files_are_compared_problem_by_problem(cogitate: Command, tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", "direct", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    b = written(tmp_path / "b.jsonl", "direct", [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    code, out, _, _ = cogitate("compare", a, b)
    assert code == 0
    [row] = [text for text in out.splitlines() if "direct" in text]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:6] == ["direct", "direct", "11", "18.2%", "90.9%", "+72.7%"]
    assert cells[7:10] == ["1", "9", "0.0215"]

    code, out, _, _ = cogitate("compare", a, b, "--json", "--draws", "50")
    [found] = json.loads(out)["comparisons"]
    assert (found["set"], found["only_a"], found["only_b"]) == ("sums", 1, 9)
    assert found["p"] == found["p_exact"] == 22 / 1024


def test_two_strategies_of_one_file_are_compared_by_name(cogitate: Command, tmp_path: Path) -> None:
    more = [line("best-of-n?n=4", f"p{i}", 1) for i in range(3)]
    file = written(tmp_path / "a.jsonl", "direct", [0, 1, 0, 0], more=more)
    code, _, err, _ = cogitate("compare", file, file)
    assert (code, "name two strategies" in err) == (2, True)
    options = ("--strategy", "direct", "--strategy", "best-of-n?n=4")
    code, out, _, _ = cogitate("compare", file, file, *options)
    assert code == 0 and "| direct | best-of-n?n=4 | 3 |" in out
    assert "Only problems that both files finished" in out


def test_several_samples_are_compared_as_shares(cogitate: Command, tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", "direct", [0, 1], more=[line("direct", "p0", 1, seed=1)])
    b = written(tmp_path / "b.jsonl", "direct", [1, 1])
    code, out, _, _ = cogitate("compare", a, b)
    assert code == 0 and "| 75.0% | 100.0% | +25.0% |" in out and "sign flips" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line("direct", "p0", 1, set_="other"), "in common"),
        (line("self-refine", "p0", 1), "--strategy, twice"),
        ("{}", "line 1"),
    ],
)
def test_what_cannot_be_compared_is_said(
    cogitate: Command, tmp_path: Path, text: str, message: str
) -> None:
    more = [line("chain-of-thought", "p0", 1)]
    a = written(tmp_path / "a.jsonl", "direct", [1, 0], more=more)
    (tmp_path / "b.jsonl").write_text(text + "\n")
    code, _, err, _ = cogitate("compare", a, str(tmp_path / "b.jsonl"))
    assert (code, message in err) == (2, True)


def test_a_file_of_several_teams_is_refused(cogitate: Command, tmp_path: Path) -> None:
    other = json.loads(line("direct", "p0", 1)) | {"key": "of another team"}
    a = written(tmp_path / "a.jsonl", "direct", [1], more=[json.dumps(other)])
    b = written(tmp_path / "b.jsonl", "direct", [1])
    code, _, err, _ = cogitate("compare", a, b)
    assert (code, "write a file for each" in err) == (2, True)


def test_a_verifier_that_read_the_answers_is_marked(cogitate: Command, tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", "direct", [1, 0])
    (tmp_path / "b.jsonl").write_text(
        "".join(
            json.dumps(json.loads(line("best-of-n", f"p{i}", 1)) | {"oracle": True}) + "\n"
            for i in range(2)
        )
    )
    code, out, _, _ = cogitate("compare", a, str(tmp_path / "b.jsonl"))
    assert code == 0 and "oracle: a verifier read the right answers" in out


def test_a_file_that_is_not_there_is_not_made(cogitate: Command, tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", "direct", [1])
    code, _, err, _ = cogitate("compare", a, str(tmp_path / "none.jsonl"))
    assert (code, "cannot be read" in err) == (2, True)
    assert not (tmp_path / "none.jsonl").exists()


def test_several_samples_give_pass_and_majority(cogitate: Command, tmp_path: Path) -> None:
    asked: dict[str, int] = {}

    def reply(request: Request) -> str:
        question = request.messages[-1].content
        asked[question] = asked.get(question, 0) + 1
        return f"Answer: {42 if asked[question] in (1, 2) else 41}"

    problems = tmp_path / "sums.jsonl"
    problems.write_text(json.dumps({"prompt": "6 * 7?", "answer": "42"}) + "\n")
    file = tmp_path / "out.jsonl"
    with in_background(FakeServer(handler=speaking_for(Scripted(reply)))) as server:
        command = (
            *("eval", str(problems), "--model", "openai/m", "--base-url", server.url),
            *("--strategy", "direct", "--samples", "3", "--output", str(file)),
        )
        code, out, err, _ = cogitate(*command)
        assert code == 0, err
        assert [text for text in out.splitlines() if "| direct | 1 |" in text] == [
            "| direct | 1 | 1 | 66.7% | 9.4% to 97.5% | 66.7% | 9.4% to 97.5% |",
            "| direct | 1 | 2 | 100.0% | 20.7% to 100.0% | 66.7% | 9.4% to 97.5% |",
            "| direct | 1 | 3 | 100.0% | 20.7% to 100.0% | 100.0% | 20.7% to 100.0% |",
        ]
        assert "direct (seed 2)" in out
        calls = len(server.seen)
        code, out, _, _ = cogitate(*command, "--json", "--quiet")
        assert len(server.seen) == calls == 3
    assert [one["k"] for one in json.loads(out)["passes"]] == [1, 2, 3]
    assert len(json.loads(out)["evaluations"]) == 3
