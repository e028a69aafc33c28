import json
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Answer, FakeServer, Seen, chat, in_background

Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    """Four problems; 42 is the answer to the first two."""
    file = tmp_path / "sums.jsonl"
    rows = [("6 * 7?", "42"), ("40 + 2?", "42"), ("1 + 1?", "2"), ("2 + 2?", "4")]
    lines = [json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in rows]
    file.write_text("\n".join(lines))
    return str(file)


def refusing(number: int, status: int = 422) -> Callable[[Seen], Answer]:
    """Answers 42 until the request of that number, and from then on with a status."""
    count = 0

    def answer(seen: Seen) -> Answer:
        nonlocal count
        count += 1
        refused = Answer({"error": {"message": "only Latin"}}, status)
        return refused if count >= number else chat("Answer: 42")

    return answer


def serving(answer: Callable[[Seen], Answer]) -> FakeServer:
    async def handler(seen: Seen) -> Answer:
        return answer(seen)

    return FakeServer(handler=handler)


def test_every_strategy_meets_every_set(
    cogitate: Command, on_server: list[str], problems: str
) -> None:
    code, out, err, _ = cogitate(
        *("eval", problems, f"{problems}?size=2", *on_server),
        *("--strategy", "direct", "--strategy", "self-consistency?n=3"),
    )
    assert code == 0
    rows = [line.split("|") for line in out.splitlines() if line.startswith("|")]
    assert [(row[1].strip(), row[2].strip(), row[4].strip()) for row in rows if "/" in row[2]] == [
        ("direct", "2/4", "15.0% to 85.0%"),
        ("self-consistency?n=3", "2/4", "15.0% to 85.0%"),
        ("direct", "2/2", "34.2% to 100.0%"),
        ("self-consistency?n=3", "2/2", "34.2% to 100.0%"),
    ]
    assert err.splitlines()[-1].startswith("cogitate: 4/4 ")
    assert "2/2 · 100.0% right · " in err.splitlines()[-1]


def test_json_holds_every_number_of_the_table(
    cogitate: Command, on_server: list[str], problems: str
) -> None:
    code, out, err, _ = cogitate(
        "eval", problems, *on_server, "--strategy", "direct", "--json", "--quiet"
    )
    [row] = json.loads(out)["evaluations"]

    assert (code, err) == (0, "")
    assert (row["set"], row["size"], row["problems"], row["correct"]) == (problems, 4, 4, 2)
    assert (row["format_rate"], row["calls"], row["errors"]) == (1.0, 4, 0)
    assert json.loads(out)["interrupted"] is False


def test_what_is_in_the_results_file_is_not_thought_again(
    cogitate: Command, server: FakeServer, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"

    def asked(*options: str) -> int:
        before = len(server.seen)
        code, out, _, _ = cogitate(
            *("eval", *options, *on_server, "--output", str(file), "--strategy", "direct")
        )
        assert code == 0
        assert "direct   |   2/" in out
        return len(server.seen) - before

    assert asked(problems) == 4
    assert asked(problems) == 0
    with Path(problems).open("a") as rows:
        rows.write('\n{"prompt": "3 + 3?", "answer": "6"}')
    assert asked(problems) == 1, "one problem more"
    assert asked(problems, "--seed", "1") == 5
    assert asked(problems, "--temperature", "0.1") == 5
    assert asked(problems, "--budget", "calls=5") == 5
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 20
    assert lines[0]["strategy"] == "direct"
    assert {line["answer"] for line in lines} == {"42"}
    assert all(line["seconds"] >= 0 and line["calls"] == 1 for line in lines)


def test_a_line_that_was_cut_by_a_crash_is_thought_again(
    cogitate: Command, server: FakeServer, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"
    command = ["eval", problems, *on_server, "--output", str(file), "--strategy", "direct"]
    cogitate(*command)
    file.write_bytes(file.read_bytes()[:-20])

    code, out, _, _ = cogitate(*command)
    assert (code, len(server.seen)) == (0, 5)
    assert "2/4" in out
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 4


def test_a_results_file_of_another_kind_is_refused_with_its_line(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"note": "mine"}\n')
    code, _, err, _ = cogitate(
        "eval", problems, *on_server, "--output", str(file), "--strategy", "direct"
    )
    assert code == 2
    assert "notes.jsonl, line 1: " in err
    assert file.read_text() == '{"note": "mine"}\n'


def test_an_oracle_is_called_one(cogitate: Command, on_server: list[str], problems: str) -> None:
    _, out, _, _ = cogitate(
        "eval", problems, *on_server, "--strategy", "best-of-n?n=2", "--verifier", "grader"
    )
    assert "best-of-n?n=2 (oracle)" in out
    assert "the verifier read the right answers" in out


def test_some_failures_are_counted(cogitate: Command, problems: str) -> None:
    with in_background(serving(refusing(4))) as server:
        code, out, _, _ = cogitate(
            *("eval", problems, "--model", "openai/m", "--base-url", server.url, "--json"),
            *("--strategy", "direct", "--concurrency", "1"),
        )
    [row] = json.loads(out)["evaluations"]
    assert (code, row["correct"], row["problems"], row["errors"]) == (0, 2, 4, 1)


def test_nothing_but_failures_is_a_failure(cogitate: Command, problems: str) -> None:
    with in_background(serving(refusing(1))) as server:
        code, out, err, _ = cogitate(
            *("eval", problems, "--model", "openai/m", "--base-url", server.url),
            *("--strategy", "direct"),
        )
    assert code == 1
    assert "0/4" in out
    assert "no model wrote anything, on any problem" in err.splitlines()[-1]
    assert "only Latin" in err.splitlines()[-1]


def test_a_key_that_is_taken_back_half_way_loses_nothing(
    cogitate: Command, problems: str, tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"
    with in_background(serving(refusing(3, status=401))) as server:
        code, out, err, _ = cogitate(
            *("eval", problems, "--model", "openai/m", "--base-url", server.url),
            *("--strategy", "direct", "--concurrency", "1", "--output", str(file)),
        )
    assert code == 2
    assert "direct (interrupted) |   2/2" in out
    assert "Check the key" in err.splitlines()[-1]
    assert len(file.read_text().splitlines()) == 2


def test_a_bad_row_is_named_by_its_line(
    cogitate: Command, on_server: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"prompt": "6 * 7?", "answer": "42"}\n{"prompt": \n')
    code, _, err, _ = cogitate("eval", str(file), *on_server, "--strategy", "direct")
    assert code == 2
    assert "bad.jsonl" in err
    assert "line 2" in err


def test_problems_without_answers_cannot_be_evaluated(
    cogitate: Command, on_server: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "open.jsonl"
    file.write_text('{"prompt": "What is good?"}\n')
    code, _, err, _ = cogitate("eval", str(file), *on_server, "--strategy", "direct")
    assert code == 2
    assert "has no reference answer" in err
