"""Signals, through the real entry point in a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Answer, FakeServer, Seen, chat, in_background

from cogitate.memory import RunStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cogitate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": ""},
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hanging_after(replies: int, released: threading.Event | None = None) -> FakeServer:
    """Answers so many requests, and lets the next ones wait until it is released."""
    count = 0

    async def handler(seen: Seen) -> Answer:
        nonlocal count
        count += 1
        if count > replies and not (released and released.is_set()):
            await asyncio.Event().wait()
        return chat("6 * 7 = 42\nAnswer: 42")

    return FakeServer(handler=handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_evaluation_keeps_and_continues(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    problems, results = tmp_path / "p.jsonl", tmp_path / "results.jsonl"
    rows = [{"prompt": f"{n} + {42 - n}?", "answer": "42"} for n in range(5)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    command = [
        *("eval", str(problems), "--strategy", "direct", "--strategy", "chain-of-thought"),
        *("--model", "openai/m", "--concurrency", "2", "--output", str(results)),
    ]
    with in_background(hanging_after(3)) as server:
        process = start(*command, "--base-url", server.url)
        until(lambda: results.exists() and len(results.read_text().splitlines()) == 3)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert process.returncode == code
    assert "direct (interrupted) |   3/3" in out
    assert "1 of 2 evaluations were not begun." in out
    assert f"the same command continues from {results}" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert len(results.read_text().splitlines()) == 3


def test_the_same_command_finishes_what_was_interrupted(tmp_path: Path) -> None:
    problems, results = tmp_path / "p.jsonl", tmp_path / "results.jsonl"
    rows = [{"prompt": f"{n} + {42 - n}?", "answer": "42"} for n in range(5)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    released = threading.Event()
    with in_background(hanging_after(3, released)) as server:
        command = [
            *("eval", str(problems), "--strategy", "direct", "--concurrency", "1", "--json"),
            *("--model", "openai/m", "--base-url", server.url, "--output", str(results)),
        ]
        process = start(*command)
        until(lambda: results.exists() and len(results.read_text().splitlines()) == 3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert json.loads(out)["interrupted"] is True

        asked = len(server.seen)
        released.set()
        again = start(*command)
        out, _ = again.communicate(timeout=60)

    [row] = json.loads(out)["evaluations"]
    assert again.returncode == 0
    assert (row["problems"], row["correct"], row["interrupted"]) == (5, 5, False)
    assert len(server.seen) - asked == 2


def test_an_interrupted_run_is_kept_and_resumed_with_what_is_missing(tmp_path: Path) -> None:
    problems, store = tmp_path / "p.jsonl", tmp_path / "runs.db"
    rows = [{"prompt": f"{n} + {42 - n}?", "answer": "42"} for n in range(5)]
    problems.write_text("\n".join(map(json.dumps, rows)))
    released = threading.Event()
    with in_background(hanging_after(7, released)) as server:
        process = start(
            *("run", str(problems), "--strategy", "self-consistency?n=2", "--concurrency", "1"),
            *("--model", "openai/m", "--base-url", server.url, "--store", str(store)),
            *("--temperature", "0.3", "--budget", "calls=9", "--seed", "5"),
        )
        until(lambda: len(server.seen) == 8)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "3 of 5 finished, 3 right, 6 calls" in out
        assert f"the same command, or `cogitate resume {store}`, goes on" in err.splitlines()[-1]
        assert "Traceback" not in err

        released.set()
        again = start("resume", str(store), "--json", "--durability", "normal")
        out, err = again.communicate(timeout=60)
        assert (again.returncode, err.count("Traceback")) == (0, 0)
        [run] = json.loads(out)["runs"]
        assert (run["finished"], run["correct"], run["calls"]) == (5, 5, 10)
        assert (run["strategy"], run["seed"]) == ("self-consistency?n=2", 5)
        last = [seen.body for seen in server.seen[8:]]
        assert last and all(request["temperature"] == 0.3 for request in last)
    with RunStore(store) as kept:
        assert [run.finished for run in kept.runs()] == [5]


def test_an_interrupted_solve_gives_the_best_thought_so_far() -> None:
    with in_background(hanging_after(1)) as server:
        process = start(
            *("solve", "What is 6 * 7?", "--json", "--strategy", "self-refine"),
            *("--model", "openai/m", "--base-url", server.url),
        )
        until(lambda: len(server.seen) == 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert json.loads(out)["answer"] == "42"
    assert json.loads(out)["stopped"] == "interrupted"
    assert err.splitlines()[-1] == "cogitate: interrupted: the best thought so far is kept"


def test_a_second_signal_waits_for_nothing() -> None:
    stuck = """
import asyncio, time
from cogitate.cli.interrupt import interruptible
async def work():
    with interruptible():
        print("ready", flush=True)
        while True:
            time.sleep(0.05)
asyncio.run(work())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", stuck], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert "once more quits at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)  # the same one, sent once more by a wrapper
    time.sleep(0.6)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
