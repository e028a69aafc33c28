import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue
from servers import Answer, FakeServer, Seen, chat, in_background

from cogitate.graphs import ThoughtGraph

Command = Callable[..., tuple[int, str, str, BaseException | None]]
QUESTION = "What is 6 * 7?"


def test_the_answer_the_tree_the_grade_and_the_cost_are_the_result(
    cogitate: Command, on_server: list[str]
) -> None:
    code, out, err, _ = cogitate("solve", QUESTION, *on_server, "--reference", "42")

    assert code == 0
    assert f"problem: {QUESTION}" in out
    assert "critiques → critique · by critic · accepts" in out
    assert "Answer: 42\n" in out
    assert "Grade: 1, right" in out
    assert "self-refine: 2 calls, " in out
    assert [line.split(" · ")[3] for line in err.splitlines()] == ["solution", "critique"]


def test_json_is_one_object_and_quiet_says_nothing_else(
    cogitate: Command, on_server: list[str]
) -> None:
    code, out, err, _ = cogitate(
        "solve", QUESTION, *on_server, "--strategy", "direct", "--json", "--quiet"
    )
    result = json.loads(out)

    assert (code, err) == (0, "")
    assert result["answer"] == "42"
    assert result["strategy"] == "direct"
    assert (result["stopped"], result["grade"], result["errors"]) == (None, None, [])
    assert result["usage"]["calls"] == 1
    assert ThoughtGraph.from_json(json.dumps(result["graph"])).problem.prompt == QUESTION


def test_what_a_model_writes_cannot_steer_the_terminal(cogitate: Command) -> None:
    reply = "\x1b[2J[bold red]\u202eAnswer: 4\x072\x9b31m"

    async def hostile(seen: Seen) -> Answer:
        return chat(reply)

    with in_background(FakeServer(handler=hostile)) as server:
        options = ["--model", "openai/m", "--base-url", server.url, "--strategy", "direct"]
        shown = [cogitate("solve", QUESTION, *options, *extra) for extra in ([], ["--json"])]

    assert "[bold red]" in shown[0][1]
    for _, out, err, _ in shown:
        assert not {"\x1b", "\x07", "\x9b", "\u202e"}.intersection(out + err)


def test_a_saved_graph_is_shown_again(
    cogitate: Command, on_server: list[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "graph.json")
    _, solved, _, _ = cogitate("solve", QUESTION, *on_server, "--save", file)
    code, shown, err, _ = cogitate("show", file)

    assert (code, err) == (0, "")
    assert shown.splitlines()[:5] == solved.splitlines()[:5]
    assert shown.endswith("3 thoughts. Answer: 42\n")
    assert cogitate("show", file, "--mermaid")[1].startswith("flowchart TD\n")
    assert json.loads(cogitate("show", file, "--json")[1])["thoughts"] == 3


def test_each_role_may_have_a_model_of_its_own(
    cogitate: Command, server: FakeServer, on_server: list[str]
) -> None:
    cogitate("solve", QUESTION, *on_server, "--critic", "openai/other", "--temperature", "0.2")

    assert [seen.body["model"] for seen in server.seen] == ["m", "other"]
    assert [seen.body["temperature"] for seen in server.seen] == [0.2, 0.2]


def test_options_win_over_the_configuration_file(
    cogitate: Command, server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "team.toml"
    file.write_text(
        f"""
        strategy = "self-refine?rounds=1"
        [team]
        model = "openai/from-file"
        base_url = "{server.url}"
        max_tokens = 33
        [team.critic]
        model = "openai/critic-from-file"
        """
    )
    cogitate("solve", QUESTION, "--config", str(file))
    cogitate("solve", QUESTION, "--config", str(file), "--critic", "openai/chosen")
    cogitate("solve", QUESTION, "--config", str(file), "--model", "openai/all", "--max-tokens", "9")

    asked: list[tuple[JsonValue, JsonValue]] = [
        (seen.body["model"], seen.body["max_tokens"]) for seen in server.seen
    ]
    assert asked == [
        ("from-file", 33),
        ("critic-from-file", 33),
        ("from-file", 33),
        ("chosen", 33),
        ("all", 9),
        ("all", 9),
    ]


def test_a_grader_as_verifier_is_called_what_it_is(cogitate: Command, on_server: list[str]) -> None:
    best = ["solve", QUESTION, *on_server, "--strategy", "best-of-n?n=2"]
    graded = cogitate(*best, "--verifier", "grader:numeric", "--reference", "42")
    assert "its verifier saw the right answer" in graded[1]

    without = cogitate(*best, "--verifier", "grader")
    assert without[0] == 2
    assert "give it as --reference" in without[2]


def test_a_budget_that_was_met_is_said(cogitate: Command, on_server: list[str]) -> None:
    code, out, _, _ = cogitate("solve", QUESTION, *on_server, "--budget", "calls=1")
    assert code == 0
    assert "Stopped early: the calls budget was met" in out


def test_a_budget_for_not_one_reply_is_a_failure(cogitate: Command, on_server: list[str]) -> None:
    code, out, err, _ = cogitate("solve", QUESTION, *on_server, "--budget", "tokens=20", "--json")
    assert code == 1
    assert json.loads(out)["stopped"] == "tokens"
    assert "raise it with --budget tokens=" in err.splitlines()[-1]


def test_where_no_model_wrote_anything_the_servers_words_are_the_message(cogitate: Command) -> None:
    async def refusing(seen: Seen) -> Answer:
        return Answer({"error": {"message": "this model only speaks Latin"}}, 422)

    with in_background(FakeServer(handler=refusing)) as server:
        code, out, err, _ = cogitate(
            "solve", QUESTION, "--model", "openai/m", "--base-url", server.url, "--json"
        )
    assert code == 1
    assert json.loads(out)["answer"] is None
    assert "this model only speaks Latin" in json.loads(out)["errors"][0]
    assert "no model wrote a solution" in err.splitlines()[-1]
    assert "this model only speaks Latin" in err.splitlines()[-1]


def test_what_was_thought_before_a_failure_is_kept(cogitate: Command, tmp_path: Path) -> None:
    replies = [chat("Answer: 42"), Answer({"error": {"message": "no such key"}}, 401)]
    file = tmp_path / "graph.json"
    with in_background(FakeServer(*replies)) as server:
        code, out, err, _ = cogitate(
            *("solve", QUESTION, "--model", "openai/m", "--base-url", server.url),
            *("--json", "--save", str(file)),
        )
    assert code == 2
    assert (json.loads(out)["answer"], json.loads(out)["stopped"]) == ("42", "failed")
    assert "Check the key" in err.splitlines()[-1]
    assert len(ThoughtGraph.from_json(file.read_text())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_on_a_terminal_the_tree_grows_before_ones_eyes() -> None:
    async def slow(seen: Seen) -> Answer:
        await asyncio.sleep(0.6)
        return chat("[red]6 * 7 = 42\nAnswer: 42\nAccept: yes")

    main, terminal = os.openpty()
    with in_background(FakeServer(handler=slow)) as server:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "cogitate", "solve", QUESTION),
                *("--model", "openai/m", "--base-url", server.url),
            ],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "20"},
        )
        os.close(terminal)
        seen = read_all(main)
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert b"Answer: 42\n" in out
    assert f"problem: {QUESTION}" in seen
    assert "generates → solution · by generator · answer 42" in seen
    assert "[red]6 * 7" in seen
    assert "thinking · " in seen
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l"), "the cursor is back"


def read_all(terminal: int) -> str:
    """All that is written to a terminal until its other end is closed."""
    parts: list[bytes] = []
    with os.fdopen(terminal, "rb", buffering=0) as file, contextlib.suppress(OSError):
        while part := file.read(4096):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.model
def test_the_embedded_model_thinks(cogitate: Command) -> None:
    code, out, _, _ = cogitate(
        "solve", "What is 2 + 2?", "--strategy", "direct", "--max-tokens", "8", "--json"
    )
    assert code == 0
    assert json.loads(out)["usage"]["completion"] <= 8
