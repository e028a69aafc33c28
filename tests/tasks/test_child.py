"""The child is shown with a job that runs any Python at all, so that only its own walls hold."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogitate.errors import GraderError
from cogitate.tasks.child import Child, JobFailed

JOB = Path(__file__).with_name("job_python.py")
LIMIT = 1.0
GRACE = 0.5


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child(str(JOB))
    assert child.run_sync("result = 1", limit=LIMIT) == 1
    yield child
    child.close()


def test_a_result_comes_back_as_json(child: Child) -> None:
    assert child.run_sync("result = {'a': [1, 'é', None]}", limit=LIMIT) == {"a": [1, "é", None]}


@pytest.mark.parametrize(
    "hang", ["while True: pass", "import time; time.sleep(60)", "9**9**9", "(lambda f: f(f))(0)"]
)
def test_a_hang_ends_at_its_limit_and_the_next_is_unaffected(child: Child, hang: str) -> None:
    start = time.monotonic()
    with pytest.raises(JobFailed):
        child.run_sync(hang, limit=LIMIT)
    assert time.monotonic() - start < LIMIT + GRACE
    assert child.run_sync("result = 2", limit=LIMIT) == 2


def test_hangs_side_by_side_end_together(child: Child) -> None:
    async def all_at_once() -> list[object]:
        hangs = [child.run("while True: pass", limit=LIMIT) for _ in range(6)]
        quick = [child.run(f"result = {n}", limit=LIMIT) for n in range(2)]
        return list(await asyncio.gather(*hangs, *quick, return_exceptions=True))

    start = time.monotonic()
    results = asyncio.run(all_at_once())
    assert time.monotonic() - start < LIMIT + GRACE
    assert all(isinstance(result, JobFailed) for result in results[:6])
    assert results[6:] == [0, 1]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = [0] * 10**10", "memory"),
        ("raise ValueError('no')", "ValueError: no"),
        ("import os; os._exit(3)", "died"),
        ("result = object()", "TypeError"),
        ("result = 'x' * (20 << 20)", "too long"),
        ("def f(): f()\nf()", "RecursionError"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_a_failure_says_why_and_stays_alone(child: Child, code: str, why: str) -> None:
    with pytest.raises(JobFailed, match=why):
        child.run_sync(code, limit=LIMIT)
    assert child.run_sync("result = 3", limit=LIMIT) == 3


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('touch {path}')",
        "open({path!r}, 'w').write('x')",
        "open({path!r}, 'a')",
        "import os; os.open({path!r}, os.O_CREAT | os.O_WRONLY)",
        "import os; os.mkdir({path!r})",
        "import os; os.symlink('/', {path!r})",
        "import os; os.rename({victim!r}, {path!r})",
        "import os; os.remove({victim!r})",
        "import os; os.truncate({victim!r}, 0)",
        "import os; os.chmod({victim!r}, 0)",
        "import os; os.utime({victim!r}, (0, 0))",
        "import pathlib; pathlib.Path({victim!r}).write_text('x')",
        "import shutil; shutil.copy({victim!r}, {path!r})",
        "import subprocess; subprocess.run(['touch', {path!r}])",
        "import os; os.execv('/bin/sh', ['sh', '-c', 'touch {path}'])",
        "import os; os.posix_spawn('/bin/sh', ['sh', '-c', 'touch {path}'], {{}})",
        "import os; os.fork()",
        "import sqlite3; sqlite3.connect({path!r}).execute('create table t (x)')",
        "import socket; socket.socket()",
        "import ctypes; ctypes.CDLL(None)",
        "import os; os.kill({parent}, 9)",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.killpg(0, 9)",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))",
    ],
)
def test_code_that_got_in_touches_nothing(child: Child, attack: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "new"
    victim.write_text("here")
    before = victim.stat()
    code = attack.format(path=str(path), victim=str(victim), parent=os.getpid())
    with pytest.raises(JobFailed):
        child.run_sync(code, limit=LIMIT)
    assert not path.exists()
    assert victim.read_text() == "here"
    assert (victim.stat().st_mode, victim.stat().st_mtime) == (before.st_mode, before.st_mtime)
    assert child.run_sync("result = 4", limit=LIMIT) == 4


def test_a_job_sees_no_environment_no_input_and_an_empty_folder(child: Child) -> None:
    assert "PATH" in os.environ
    look = "import os, sys; result = [dict(os.environ), sys.stdin.read(), os.listdir('.')]"
    result = child.run_sync(look, limit=LIMIT)
    assert isinstance(result, list) and isinstance(result[0], dict)
    assert not {"HOME", "PATH"} & result[0].keys()
    assert result[1:] == ["", []]


def test_one_job_cannot_change_the_next(child: Child) -> None:
    child.run_sync("import builtins; builtins.len = lambda _: 99", limit=LIMIT)
    assert child.run_sync("result = len([])", limit=LIMIT) == 0


def test_threads_and_event_loops_share_a_child(child: Child) -> None:
    results: list[object] = []

    def in_a_loop(number: int) -> None:
        results.append(asyncio.run(child.run(f"result = {number}", limit=LIMIT)))

    threads = [threading.Thread(target=in_a_loop, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == sorted(range(12), key=str)


def test_waiting_for_a_job_leaves_the_event_loop_free(child: Child) -> None:
    async def tick_while_it_hangs() -> int:
        job = asyncio.create_task(child.run("while True: pass", limit=0.5))
        ticks = 0
        while not job.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert isinstance(job.exception(), JobFailed)
        return ticks

    assert asyncio.run(tick_while_it_hangs()) > 5


def test_a_cancelled_wait_harms_nobody(child: Child) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(child.run("while True: pass", limit=LIMIT), 0.1)

    asyncio.run(give_up())
    assert child.run_sync("result = 5", limit=LIMIT) == 5


def test_a_child_that_was_killed_starts_again() -> None:
    child = Child(str(JOB))
    pid = child.run_sync("import os; result = os.getppid()", limit=LIMIT)
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert child.run_sync("result = 6", limit=LIMIT) == 6
            break
        except GraderError:
            time.sleep(0.01)
    else:
        pytest.fail("the child did not start again")
    child.close()


def test_a_job_file_that_does_not_load_says_so() -> None:
    with pytest.raises(GraderError, match=r"did not start.*NoSuchModule"):
        Child(str(Path(__file__).with_name("job_broken.py"))).run_sync("", limit=LIMIT)


PROGRAM = """
import asyncio, sys
from cogitate.tasks.child import Child
child = Child({job!r})
print(child.run_sync("import os; result = os.getppid()", limit=5), flush=True)
if sys.argv[1] == "hang":
    child.run_sync("while True: pass", limit=600)
"""


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has reaped yet does not run.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while _running(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)


def test_a_program_ends_quietly_and_takes_its_child_along() -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-X",
        "dev",
        "-c",
        PROGRAM.format(job=str(JOB)),
        "end",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    _await_end(int(ended.stdout))


def test_a_killed_program_takes_its_child_along() -> None:
    command = [sys.executable, "-c", PROGRAM.format(job=str(JOB)), "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pid = int(json.loads(program.stdout.readline()))
        program.kill()
    _await_end(pid)
