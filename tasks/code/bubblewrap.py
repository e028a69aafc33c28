"""Real CPython in a sandbox of the kernel's: bubblewrap, as nobody, with limits and seccomp.

A program sees an interpreter, its library and the system's, four devices, and nothing else: no host
file, `/proc`, `/sys`, network, process, terminal, environment or user. It writes nothing but its
output: empty files in a scratch folder would take a gigabyte of the kernel's memory in seconds,
and no limit counts them. It has no capability and cannot gain one, runs as one process with
threads, and every descriptor but its input and output is closed. The process is ended with all it
holds at its limit, when its result is read, and when this process dies. How each is shown is in
`tests/tasks/code`.

Run by root, the program is given a user of its own that owns nothing; run by anybody else, it is
in a user namespace of its own. What does not start is refused, with the reason.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cogitate.errors import ConfigError, GraderError
from cogitate.tasks.code.case import Case
from cogitate.tasks.code.encoder import ENCODER
from cogitate.tasks.code.execution import MAX_OUTPUT, Outcome, Places
from cogitate.tasks.code.seccomp import seccomp_filter
from cogitate.tasks.code.visible import visible

__all__ = ["Bubblewrap"]

_RUNNER = Path(__file__).with_name("runner.py").read_text(encoding="utf-8")
_READY = b"ready\n"
_START_LIMIT = 20.0
_MAX_PROGRAM = 1 << 20
_NOBODY = 65534
_UNASSIGNED = range(61184, 65520)  # users that systemd gives out for a moment, and to nobody else
_DEVICES = ("null", "zero", "random", "urandom")
_INSTALL = (
    "install it (Debian, Ubuntu: apt-get install bubblewrap), or use kind='snippet', whose "
    "interpreter for a part of Python needs nothing installed"
)


class _Reply(BaseModel):
    """What the runner reports of a call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nonce: str
    value: str | None = None
    raised: str | None = None


class Bubblewrap:
    """Runs programs in CPython, each test in a new sandbox.

    Args:
        memory: Bytes of address space.
    """

    def __init__(self, *, memory: int = 512 << 20) -> None:
        self.memory = memory
        self._worked = False
        self._places = Places()

    async def run(self, program: str, case: Case, *, limit: float) -> Outcome:
        """Run a program on one test (see `cogitate.tasks.code.execution.Sandbox`)."""
        self.check()
        if len(program) > _MAX_PROGRAM:
            return Outcome(failure="the program is too long")
        async with self._places.here():
            return await self._run(program, case, limit)

    def check(self) -> None:
        """See that a sandbox can be had here.

        Raises:
            ConfigError: It cannot; the message says what to do.
        """
        if sys.platform != "linux":
            raise ConfigError(
                f"bubblewrap needs Linux, and this is {sys.platform}: use kind='snippet'"
            )
        if seccomp_filter() is None:
            raise ConfigError("the sandbox knows x86_64 and aarch64 only: use kind='snippet'")
        if shutil.which("bwrap") is None:
            raise ConfigError(
                f"no program runs without a sandbox, and bwrap is missing: {_INSTALL}"
            )

    def _command(self, runner: int, seccomp: int) -> list[str]:
        root = os.geteuid() == 0
        user = (
            ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            if root
            else ["--unshare-user", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
        )
        environment = {"PATH": "", "HOME": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC"}
        environment |= {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}
        python = os.path.realpath(sys.executable)
        return [
            "bwrap",
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
            *("--unshare-cgroup-try", "--hostname", "sandbox"),
            *("--die-with-parent", "--clearenv", "--cap-drop", "ALL", *user),
            *(word for item in environment.items() for word in ("--setenv", *item)),
            *("--perms", "0755", "--dir", "/tmp", "--perms", "0755", "--dir", "/dev"),
            *visible(python),
            *(word for name in _DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")),
            *("--remount-ro", "/", "--chdir", "/tmp", "--seccomp", str(seccomp), "--"),
            *(python, "-I", "-B", "-X", "utf8", "-c", _RUNNER, str(runner)),
        ]

    async def _run(self, program: str, case: Case, limit: float) -> Outcome:
        nonce = secrets.token_hex(16)
        request = {
            "program": program,
            "call": case.call,
            "setup": case.setup,
            "nonce": nonce,
            "encoder": ENCODER,
            "uid": secrets.choice(_UNASSIGNED) if os.geteuid() == 0 else None,
            "limits": self._limits(limit),
        }
        with _memory_file(json.dumps(request).encode()) as sent, _memory_file(_filter()) as rules:
            process = await _started(
                self._command(sent, rules),
                descriptors=(sent, rules),
                has_input=case.call is None,
            )
        feeding = asyncio.create_task(_feed(process, case.stdin))
        try:
            return await self._follow(process, case, nonce, limit)
        finally:
            _kill(process)
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await _ended(process)

    async def _follow(self, process: Process, case: Case, nonce: str, limit: float) -> Outcome:
        assert process.stdout is not None and process.stderr is not None
        try:
            async with asyncio.timeout(_START_LIMIT):
                first = await process.stderr.readline()
        except (TimeoutError, ValueError):
            first = b""
        if first != _READY:
            if self._worked:
                raise GraderError(
                    "a sandbox did not start, and others did: the system is overloaded"
                )
            raise _unstarted(first)
        self._worked = True
        try:
            async with asyncio.timeout(limit):
                output, report = await asyncio.gather(
                    _read(process, process.stdout), _read(process, process.stderr)
                )
                status = await process.wait()
        except TimeoutError:
            return Outcome(failure=f"no result within {limit:g} s")
        if len(output) > MAX_OUTPUT or len(report) > 2 * MAX_OUTPUT:
            return Outcome(failure="it wrote too much")
        if case.call is not None:
            return _returned(report, nonce)
        if status != 0:
            reason = report.decode(errors="replace")[:200] or f"it ended with status {status}"
            return Outcome(failure=reason)
        return Outcome(output=output.decode(errors="replace"))

    def _limits(self, limit: float) -> dict[str, int]:
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": int(limit) + 2,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_NPROC": 64,
            "RLIMIT_NOFILE": 64,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_SIGPENDING": 64,
        }


async def _started(command: list[str], *, descriptors: tuple[int, ...], has_input: bool) -> Process:
    """Start a process. A cancellation waits until it has started, and then ends it.

    One that came in between would wait for ever for pipes that asyncio has not connected.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE if has_input else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=descriptors,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,  # no terminal, and a group that `_kill` ends
        )
    )
    cancelled: asyncio.CancelledError | None = None
    while not starting.done():
        try:
            await asyncio.wait([starting])
        except asyncio.CancelledError as error:
            cancelled = error
    try:
        process = starting.result()
    except OSError as error:
        raise cancelled or GraderError(f"the sandbox did not start: {error}") from error
    if cancelled is not None:
        await _ended(process)
        raise cancelled
    return process


async def _ended(process: Process) -> None:
    """End a process and all that it started, and wait until every pipe to it is closed."""
    _kill(process)
    await asyncio.gather(_drain(process.stdout), _drain(process.stderr))
    await process.wait()
    if process.stdin is not None:
        if process.stdin.transport.get_write_buffer_size():
            process.stdin.transport.abort()  # what nobody has read
        process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()


def _kill(process: Process) -> None:
    """Kill bwrap together with the first process of its sandbox, with which all others end.

    Were bwrap killed alone while it starts, that process would wait for it for ever.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _returned(report: bytes, nonce: str) -> Outcome:
    """Read the report of a call: one line of JSON with the nonce, and nothing else."""
    if not report:
        return Outcome(failure="it ended without returning")
    try:
        reply = _Reply.model_validate_json(report.decode())
    except (ValidationError, UnicodeDecodeError):
        return Outcome(failure="it wrote to the channel of the result")
    if reply.nonce != nonce or (reply.value is None) == (reply.raised is None):
        return Outcome(failure="it wrote to the channel of the result")
    if reply.raised is not None:
        return Outcome(failure=f"it raised {reply.raised}")
    return Outcome(value=reply.value)


def _unstarted(first: bytes) -> ConfigError:
    said = first.decode(errors="replace").strip()[:300] or "it said nothing"
    return ConfigError(
        f"bwrap is installed and does not work here: {said}. It needs bubblewrap 0.7 or later and "
        "user namespaces (sysctl kernel.unprivileged_userns_clone=1, or on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0); a container must allow them. "
        "Or use kind='snippet'"
    )


async def _feed(process: Process, text: str) -> None:
    if process.stdin is not None:
        with contextlib.suppress(ConnectionError):
            process.stdin.write(text.encode(errors="replace"))
            await process.stdin.drain()
        process.stdin.close()


async def _read(process: Process, stream: asyncio.StreamReader) -> bytes:
    """Read to the end; a program that writes too much is ended."""
    found = bytearray()
    while part := await stream.read(1 << 16):
        found += part
        if len(found) > 2 * MAX_OUTPUT:
            _kill(process)
            break
    return bytes(found)


async def _drain(stream: asyncio.StreamReader | None) -> None:
    """Read what is left until the last holder of the other end is gone."""
    while stream is not None and await stream.read(1 << 16):
        pass


def _filter() -> bytes:
    found = seccomp_filter()
    assert found is not None  # `check` saw to it
    return found


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("cogitate")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
