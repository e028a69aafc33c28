"""Whatever a program tries in its sandbox, it reaches nothing, takes little and leaves nothing."""

import asyncio
import gc
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.tasks.code import Bubblewrap, Case, Outcome
from cogitate.tasks.code.values import Tagged, parse

PROBES = Path(__file__).with_name("probes.py").read_text(encoding="utf-8")
NONE: list[object] = []
MUST_COME_OF = {
    "host_files": NONE,
    "a_file_of_the_test": "ENOENT",
    "the_tests_and_the_package": NONE,
    "installed_packages": "ModuleNotFoundError",
    "environment": ["HOME", "LANG", "MALLOC_ARENA_MAX", "PATH", "PWD", "PYTHONHASHSEED", "TZ"],
    "processes_in_proc": NONE,
    "process_numbers": [1],  # the sandbox's own first process
    "the_test_s_own_process": "ESRCH",
    "kill_everybody": "ESRCH",
    "kill_the_first_process": "alive",
    "trace_the_first_process": "EPERM",
    "be_traced": "EPERM",
    "read_another_s_memory": "EPERM",
    "write_another_s_memory": "EPERM",
    "hold_a_process": "EPERM",
    "take_a_descriptor": "EPERM",
    "tcp_to_the_host": "EPERM",
    "udp": "EPERM",
    "ipv6": "EPERM",
    "raw_packets": "EPERM",
    "netlink": "EPERM",
    "the_virtual_machine_s_host": "EPERM",
    "the_kernel_s_ciphers": "EPERM",
    "bluetooth": "EPERM",
    "a_pair_of_another_family": "EPERM",
    "names_on_the_network": "gaierror",
    "a_unix_socket_of_the_host": "ENOENT",
    "an_abstract_socket_of_the_host": "ECONNREFUSED",
    "an_event_loop": "works",
    "mount": "EPERM",
    "mount_again_for_writing": "EPERM",
    "unmount": "EPERM",
    "open_a_tree": "EPERM",
    "make_a_file_system": "EPERM",
    "change_root": "EPERM",
    "pivot_root": "EPERM",
    "a_namespace_of_users": "EPERM",
    "a_namespace_by_clone": "EPERM",
    "another_s_namespace": "EPERM",
    "a_file_by_its_handle": "EPERM",
    "fork": "EPERM",
    "vfork": "EPERM",
    "clone": "EPERM",
    "clone3": "ENOSYS",
    "spawn": "EPERM",
    "threads": True,
    "write_to_the_root": "EROFS",
    "write_to_the_scratch_folder": "EROFS",
    "write_to_the_library": "EROFS",
    "change_the_library": ("EACCES", "EROFS"),
    "make_a_device": "EROFS",
    "devices": ["null", "random", "urandom", "zero"],
    "a_file_in_memory": "EPERM",
    "a_secret_file_in_memory": "EPERM",
    "shared_memory": "EPERM",
    "a_queue_of_messages": "EPERM",
    "descriptors": [0, 1, 2, 3],
    "type_into_the_terminal": ["ENOTTY"],
    "open_the_terminal": "ENOENT",
    "become_root": (["EPERM"], ["EINVAL"]),
    "is_root": False,
    "capabilities": [0, 0, 0, 0],
    "new_privileges_by_a_setuid_file": "refused",
    "io_uring": "EPERM",
    "asynchronous_io": "EPERM",
    "bpf": "EPERM",
    "add_a_key": "EPERM",
    "read_keys": "EPERM",
    "performance_events": "EPERM",
    "page_faults": "EPERM",
    "a_kernel_module": "EPERM",
    "another_kernel": "EPERM",
    "reboot": "EPERM",
    "the_kernel_s_log": "EPERM",
    "set_the_clock": "EPERM",
    "set_the_name_of_the_host": "EPERM",
    "the_name_of_the_host": "sandbox",
    "an_older_personality": "EPERM",
    "swap": "EPERM",
    "a_call_of_tomorrow": "ENOSYS",
    "a_call_of_x32": "ENOSYS",
    "raise_a_limit": ["ValueError"],
}


def call(sandbox: Bubblewrap, program: str, *, expression: str = "f()", limit: float) -> Outcome:
    return asyncio.run(sandbox.run(program, Case(expression, None), limit=limit))


def script(sandbox: Bubblewrap, program: str, *, stdin: str = "", limit: float = 5.0) -> Outcome:
    return asyncio.run(sandbox.run(program, Case(None, None, stdin=stdin), limit=limit))


@pytest.fixture(scope="session")
def found(bubblewrap: Bubblewrap) -> dict[object, object]:
    """What the probes found on a machine that has all that they look for."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
        open(Path(folder) / "file", "w") as file,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("COGITATE_SECRET", "not to be seen")
        os.set_inheritable(file.fileno(), True)
        named.bind(f"{folder}/socket")
        abstract.bind(f"\0cogitate-{os.getpid()}")
        named.listen()
        abstract.listen()
        given = {
            "file": f"{folder}/file",
            "tests": str(Path(__file__).parents[2]),
            "package": str(Path(sys.modules["cogitate.tasks.code"].__file__ or "").parent),
            "pid": str(os.getpid()),
            "port": str(server.getsockname()[1]),
            "socket": f"{folder}/socket",
            "abstract": f"cogitate-{os.getpid()}",
        }
        outcome = call(bubblewrap, PROBES, expression=f"look_for_a_way_out({given!r})", limit=20.0)
    assert outcome.value is not None, outcome.failure
    told = parse(outcome.value)
    assert isinstance(told, Tagged)
    return {pair[0]: pair[1] for pair in told.parts if isinstance(pair, list)}


def test_every_probe_was_run(found: dict[object, object]) -> None:
    assert found.keys() == MUST_COME_OF.keys()


@pytest.mark.parametrize("probe", MUST_COME_OF)
def test_a_probe_reaches_nothing(probe: str, found: dict[object, object]) -> None:
    right = MUST_COME_OF[probe]
    assert found[probe] in right if isinstance(right, tuple) else found[probe] == right


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has calls of 32 bits")
def test_a_system_call_of_32_bits_ends_the_program(bubblewrap: Bubblewrap) -> None:
    program = """
import ctypes, mmap
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))  # eax = getpid; int 0x80; return
f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
"""
    assert call(bubblewrap, program, limit=5.0) == Outcome(failure="it ended without returning")


BOMBS = {
    "a loop": "while True: pass",
    "sleep": "import time\n    time.sleep(1000)",
    "a loop that no signal ends": (
        "import signal\n    for n in (2, 14, 15): signal.signal(n, signal.SIG_IGN)\n"
        "    while True: pass"
    ),
    "threads that go on": (
        "import threading, time\n"
        "    for _ in range(20): threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "    time.sleep(1000)"
    ),
    "an integer without end": "return 9 ** 9 ** 9",
    "a pattern": "import re\n    return re.match('(a+)+$', 'a' * 60 + 'b')",
    "a sort that compares for ever": (
        "class X:\n        def __lt__(self, other):\n            while True: pass\n"
        "    return sorted([X(), X()])"
    ),
    "an error that is never described": (
        "class E(Exception):\n        def __str__(self):\n            while True: pass\n    raise E"
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_program_that_goes_on_is_ended_at_its_limit(bomb: str, bubblewrap: Bubblewrap) -> None:
    program = f"def f():\n    {BOMBS[bomb]}\n"
    start = time.monotonic()
    assert call(bubblewrap, program, limit=0.4) == Outcome(failure="no result within 0.4 s")
    assert time.monotonic() - start < 5  # far from for ever, whatever else the machine does


def test_memory_has_a_limit(bubblewrap: Bubblewrap) -> None:
    bombs = [
        "return len(bytearray(1 << 30))",
        "x = [0]\n    while True: x += x",
        "import mmap\n    return len(mmap.mmap(-1, 1 << 30))",
        "x = []\n    while True: x.append(bytearray(1 << 20))",
    ]
    for bomb in bombs:
        failure = call(bubblewrap, f"def f():\n    {bomb}\n", limit=5.0).failure
        assert "MemoryError" in failure or "Cannot allocate memory" in failure


def test_descriptors_have_a_limit(bubblewrap: Bubblewrap) -> None:
    program = "import os\ndef f():\n    while True: os.dup(0)\n"
    assert "Too many open files" in call(bubblewrap, program, limit=5.0).failure


def test_a_crash_is_a_failure(bubblewrap: Bubblewrap) -> None:
    for body in ("ctypes.string_at(0)", "os.abort()", "os.kill(os.getpid(), 9)"):
        program = f"import ctypes, os\ndef f(): {body}\n"
        assert call(bubblewrap, program, limit=5.0).failure == "it ended without returning"
    assert script(bubblewrap, "import os\nos.abort()").failure.startswith("it ended with status ")


def test_output_without_end_is_a_failure(bubblewrap: Bubblewrap) -> None:
    for body in (
        "while True: print('x' * 4096)",
        "import os\nwhile True: os.write(3, b'x' * 4096)",
    ):
        assert script(bubblewrap, body).failure == "it wrote too much"
    for value in ("'x' * (3 << 20)", "list(range(1 << 20))"):
        program = f"def f(): return {value}\n"
        assert call(bubblewrap, program, limit=10.0).failure == "it wrote too much"


def test_what_a_call_prints_goes_nowhere(bubblewrap: Bubblewrap) -> None:
    program = "def f():\n    for _ in range(1 << 16): print('x' * 64)\n    return 1\n"
    assert call(bubblewrap, program, limit=10.0) == Outcome(value="1")


def test_a_script_reads_its_input_and_its_output_is_what_it_printed(
    bubblewrap: Bubblewrap,
) -> None:
    program = "import sys\nif __name__ == '__main__':\n    print(sum(map(int, sys.stdin)))\n"
    assert script(bubblewrap, program, stdin="1\n2\n3\n") == Outcome(output="6\n")
    assert script(bubblewrap, "print(input())", stdin="é€𝄞") == Outcome(output="é€𝄞\n")
    assert script(bubblewrap, "print('早い')\nexit()") == Outcome(output="早い\n")


def test_a_script_that_does_not_read_is_not_waited_for(bubblewrap: Bubblewrap) -> None:
    assert script(bubblewrap, "print(1)", stdin="x" * (8 << 20)) == Outcome(output="1\n")


@pytest.mark.parametrize("size", [0, 100_000, 400_000])
def test_what_nobody_reads_leaves_no_pipe_open(size: int, bubblewrap: Bubblewrap) -> None:
    for _ in range(20):
        script(bubblewrap, "1 / 0", stdin="x" * size)
    gc.collect()  # a pipe that is still open complains


def test_a_script_that_fails_says_why(bubblewrap: Bubblewrap) -> None:
    assert script(bubblewrap, "print(1)\n1 / 0").failure == "ZeroDivisionError: division by zero"
    assert script(bubblewrap, "import sys\nsys.exit(3)").failure == "it ended with status 3"
    assert script(bubblewrap, "def").failure.startswith("SyntaxError: ")


@pytest.mark.parametrize(
    "program", ["\0", "x = '\ud800'", "def f(:", "(" * 10_000, "x" * (2 << 20)]
)
def test_a_program_that_is_none_fails(program: str, bubblewrap: Bubblewrap) -> None:
    assert call(bubblewrap, program, limit=5.0).failure


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that they started."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = {int(child) for child in task.read_text().split()}
        except OSError:
            continue
        found |= children.union(*map(descendants, children))
    return found


def gone(pids: set[int]) -> bool:
    """Whether all of them end, a moment at most after they were killed."""
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


async def sleeping(sandbox: Bubblewrap, before: set[int]) -> tuple[asyncio.Task[Outcome], set[int]]:
    """Start a program that sleeps; return it with its processes, once there are all three."""
    case = Case("f()", None)
    program = "import time\ndef f(): time.sleep(1000)"
    task = asyncio.create_task(sandbox.run(program, case, limit=60.0))
    while len(started := descendants(os.getpid()) - before) < 3:
        await asyncio.sleep(0.02)
    return task, started


def test_nothing_is_left_of_a_program_that_was_cancelled(bubblewrap: Bubblewrap) -> None:
    async def cancel() -> set[int]:
        task, started = await sleeping(bubblewrap, descendants(os.getpid()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return started

    started = asyncio.run(cancel())
    assert len(started) >= 3
    assert gone(started)


def test_nothing_is_left_when_a_second_cancellation_does_not_wait(bubblewrap: Bubblewrap) -> None:
    async def cancel() -> set[int]:
        task, started = await sleeping(bubblewrap, descendants(os.getpid()))
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.1)  # the loop's own watcher takes the child's status
        return started

    assert gone(asyncio.run(cancel()))


def test_a_cancellation_at_any_moment_of_the_start_ends_it(bubblewrap: Bubblewrap) -> None:
    async def cancel_after(steps: int) -> None:
        case = Case("f()", None)
        program = "import time\ndef f(): time.sleep(1000)"
        task = asyncio.create_task(bubblewrap.run(program, case, limit=60.0))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=30)
        assert done == {task} and task.cancelled()

    before = descendants(os.getpid())
    for steps in range(16):
        asyncio.run(cancel_after(steps))
    assert gone(descendants(os.getpid()) - before)


def test_nothing_is_left_when_this_process_is_killed(bubblewrap: Bubblewrap) -> None:
    source = """
import asyncio
from cogitate.tasks.code import Bubblewrap, Case
program = "import time\\ndef f(): time.sleep(1000)"
asyncio.run(Bubblewrap().run(program, Case("f()", None), limit=60.0))
"""
    with subprocess.Popen([sys.executable, "-c", source]) as process:
        while len(started := descendants(process.pid)) < 3 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert len(started) >= 3
    assert gone(started)


def test_many_programs_run_side_by_side_and_are_not_mixed_up(bubblewrap: Bubblewrap) -> None:
    async def run_all() -> list[Outcome]:
        return await asyncio.gather(
            *(
                bubblewrap.run(f"def f(): return {n}", Case("f()", None), limit=10.0)
                for n in range(12)
            )
        )

    assert [outcome.value for outcome in asyncio.run(run_all())] == [str(n) for n in range(12)]


def test_nothing_runs_where_bubblewrap_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no program runs without a sandbox.*(install|Linux)"):
        call(Bubblewrap(), f"open({str(tmp_path / 'ran')!r}, 'w')", limit=5.0)
    assert not (tmp_path / "ran").exists()


def test_nothing_runs_where_bubblewrap_does_not_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.defpath)
    with pytest.raises(ConfigError, match=r"does not work here: bwrap: No permissions.*sysctl"):
        call(Bubblewrap(), f"open({str(tmp_path / 'ran')!r}, 'w')", limit=5.0)
    assert not (tmp_path / "ran").exists()


def test_a_bwrap_that_runs_the_program_without_being_ready_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = tmp_path / "bwrap"
    silent.write_text(f"#!/bin/sh\nexec {shutil.which('true')}")
    silent.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.defpath)
    with pytest.raises(ConfigError, match="it said nothing"):
        call(Bubblewrap(), "", limit=5.0)
