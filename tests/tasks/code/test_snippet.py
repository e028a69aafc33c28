"""A snippet reaches nothing outside its interpreter, takes little and leaves nothing."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from cogitate.errors import GraderError
from cogitate.tasks.code import Case, Outcome, Snippet

REACHING = {
    "open a file": "open('/etc/passwd').read()",
    "write a file": "open('/tmp/written', 'w').write('x')",
    "read through a path": "__import__('pathlib').Path('/etc/passwd').read_text()",
    "list a folder": "__import__('os').listdir('/')",
    "the environment": "__import__('os').environ['PATH']",
    "one variable": "__import__('os').getenv('PATH', 1 / 0)",
    "a shell": "__import__('os').system('true')",
    "another process": "__import__('subprocess').run(['true'])",
    "fork": "__import__('os').fork()",
    "kill": "__import__('os').kill(-1, 9)",
    "exit at once": "__import__('os')._exit(0)",
    "a descriptor": "__import__('os').write(1, b'x')",
    "the network": "__import__('socket').create_connection(('127.0.0.1', 80))",
    "a request": "__import__('urllib.request').request.urlopen('http://127.0.0.1')",
    "the C library": "__import__('ctypes').CDLL(None)",
    "signals": "__import__('signal').alarm(1)",
    "limits": "__import__('resource').getrlimit(0)",
    "memory files": "__import__('mmap').mmap(-1, 4096)",
    "frames": "__import__('sys')._getframe().f_back.f_locals",
    "modules": "__import__('sys').modules['os']",
    "all objects": "__import__('gc').get_objects()",
    "all classes": "().__class__.__base__.__subclasses__()",
    "the names of a function": "f.__globals__['__builtins__']",
    "the code of a function": "f.__code__.co_consts",
    "evaluation": "eval(\"open('/etc/passwd').read()\")",
    "execution": "exec(\"open('/etc/passwd').read()\")",
    "an installed package": "__import__('pydantic').BaseModel",
    "this package": "__import__('cogitate').tasks",
    "the terminal": "input()",
}


def run(program: str, *, limit: float = 5.0, setup: str = "") -> Outcome:
    return asyncio.run(Snippet().run(program, Case("f()", None, setup), limit=limit))


def children() -> list[str]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]


@pytest.mark.parametrize("what", REACHING)
def test_a_snippet_reaches_nothing(what: str) -> None:
    outcome = run(f"def f():\n    {REACHING[what]}\n    return 'reached'\n")
    assert outcome.value is None and outcome.failure.startswith("it raised ")


def test_imports_reach_nothing_either() -> None:
    for module in (
        "os",
        "sys",
        "pathlib",
        "socket",
        "subprocess",
        "ctypes",
        "importlib",
        "builtins",
    ):
        outcome = run(
            f"def f():\n    import {module} as m\n"
            "    try:\n        return m.listdir('/')\n"
            "    except AttributeError:\n        return m.Path('/etc/passwd').read_text()\n"
        )
        assert outcome.value is None, (module, outcome)


BOMBS = {
    "a loop": "while True: pass",
    "a long sum": "return sum(range(10**12))",
    "memory": "x = [0]\n    while True: x += x",
    "a long text": "return 'x' * 10**12",
    "an integer without end": "return 9 ** 9 ** 9",
    "recursion": "return f()",
    "a pattern": "import re\n    re.match('(a+)+$', 'a' * 60 + 'b')\n    while True: pass",
    "output": "while True: print('x' * 1000)",
    "much to return": "return 'x' * (2 << 20)",
    "no plain value": "return object()",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_snippet_that_takes_too_much_is_ended(bomb: str) -> None:
    start = time.monotonic()
    outcome = run(f"def f():\n    {BOMBS[bomb]}\n", limit=0.5)
    assert outcome.value is None and outcome.failure
    assert time.monotonic() - start < 5  # far from for ever, whatever else the machine does


def test_the_limit_is_one_for_program_setup_and_call_together() -> None:
    spin = "for _ in range(10**9): pass"
    start = time.monotonic()
    assert run(f"{spin}\ndef f(): return 1", setup=spin, limit=0.4).failure == (
        "no result within 0.4 s"
    )
    assert time.monotonic() - start < 5


def test_waiting_takes_no_time() -> None:
    program = "import time\ndef f():\n    time.sleep(1000)\n    return 1\n"
    assert run(program, limit=5.0) == Outcome(value="1")


@pytest.mark.parametrize("program", ["\0", "x = '\ud800'", "def f(:", "(" * 10_000, "f = 1"])
def test_a_snippet_that_is_none_fails(program: str) -> None:
    assert run(program).failure.startswith("it raised ")


def test_nothing_runs_where_the_interpreter_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "monty"))
    with pytest.raises(GraderError, match="interpreter for snippets did not start"):
        run("def f(): return 1")


def test_a_test_that_gives_an_input_is_refused() -> None:
    with pytest.raises(GraderError, match="use kind='code'"):
        asyncio.run(Snippet().run("", Case(None, None, stdin="1"), limit=1.0))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are read from /proc")
def test_nothing_is_left_of_a_snippet_that_was_cancelled() -> None:
    async def cancel() -> list[str]:
        before = set(children())
        program = "def f():\n    while True: pass\n"
        task = asyncio.create_task(Snippet().run(program, Case("f()", None), limit=60.0))
        while not (started := set(children()) - before):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return sorted(started)

    [worker] = asyncio.run(cancel())
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()
