"""The child process that runs others' code on model text: a script that imports nothing of ours.

`python sandbox.py JOB.py` loads one job file (its `warm_up()` imports what it needs, its
`run(payload)` returns JSON), says that it is ready, and then forks itself once per request: the
fork answers and ends, or is killed at its limit. So a request costs a fork and not a start of
Python, it is killed without any loss, and no request can see or change another.

The first line on stdin is the parent's `sys.path`; each further line is a request
`{"id": 1, "limit": 5.0, "payload": …}`; each line on stdout is a reply `{"id": 1, "ok": …}` or
`{"id": 1, "error": "…"}`. When stdin ends, all ends: an orphan cannot live on.

What a fork cannot do, because the kernel holds it to that:

- anywhere: use more than its limit of time, put a byte into a file, or reply with more than 16 MiB
- as an ordinary user: start a process
- on Linux: use 1 GiB more memory than it started with, or outlive its parent
- on Linux with Landlock (kernel 5.13, all of it from 6.12): create, write, move or remove a file,
  run a program, use TCP, or send a signal to any process but its own

An audit hook also refuses all of these, other sockets, and changes of a file's mode and times, on
any system. It stops code that was let in by mistake, but is no wall against code written to break
CPython itself. A fork can read what its user can read, and has nowhere to send it but its reply.
Even so, no text of a model may reach an `eval` here: the graders see to that first.
"""

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import resource
import selectors
import signal
import sys
import time

MAX_REPLY = 16 << 20
MAX_FORKS = 8
EXTRA_MEMORY = 1 << 30

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same on every architecture
_READING = 1 << 2 | 1 << 3
# Each version of Landlock knows more ways to change a file: moving, truncating, device control.
_CHANGE_FILES_SINCE = {
    version: (1 << ways) - 1 & ~_READING
    for version, ways in {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}.items()
}
_ALL_TCP = 1 << 0 | 1 << 1
_SIGNALS_AND_ABSTRACT_SOCKETS = 1 << 0 | 1 << 1

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (
    "ctypes.", "fcntl.", "ftplib.", "http.", "imaplib.", "msvcrt.", "nntplib.", "os.chflags",
    "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.link",
    "os.lockf", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.removexattr",
    "os.rename", "os.rmdir", "os.setxattr", "os.spawn", "os.startfile", "os.symlink", "os.system",
    "os.truncate", "os.unsetenv", "os.utime", "poplib.", "pty.", "resource.", "shutil.",
    "signal.pthread_kill", "smtplib.", "socket.", "sqlite3.", "subprocess.", "syslog.",
    "tempfile.", "urllib.", "webbrowser.",
)  # fmt: skip


def confine() -> None:
    """Give up, in this process and for good, all that a grader does not need."""
    used = 0
    with contextlib.suppress(OSError), open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    if used:
        resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_MEMORY, used + EXTRA_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        landlock()
    sys.addaudithook(refuse)


def landlock() -> None:
    """Have the kernel refuse changes to files, programs, TCP and signals, as far as it can.

    A ruleset (linux/landlock.h) that handles these and allows none; reading stays possible.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    files = _CHANGE_FILES_SINCE[min(version, max(_CHANGE_FILES_SINCE))]
    handled = [files, _ALL_TCP, _SIGNALS_AND_ABSTRACT_SOCKETS]
    known = 1 if version < 4 else 2 if version < 6 else 3
    ruleset = (ctypes.c_uint64 * known)(*handled[:known])
    descriptor = libc.syscall(_LANDLOCK_CREATE_RULESET, ruleset, ctypes.sizeof(ruleset), 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if descriptor < 0 or libc.syscall(_LANDLOCK_RESTRICT_SELF, descriptor, 0):
        raise PermissionError("the kernel has Landlock but refused it")
    os.close(descriptor)


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse an event that a grader has no need of; an audit hook."""
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        writes = isinstance(flags, int) and flags & _WRITES
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise PermissionError("a grader may not write to a file")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"a grader may not use {event}")


class Fork:
    """One request that is being answered: its process, its reply so far, and its last moment."""

    def __init__(self, request: dict[str, object], run: object, inherited: list[int]) -> None:
        self.id = request["id"]
        self.limit = float(str(request["limit"]))
        self.reply = bytearray()
        self.pipe, writing = os.pipe()
        self.deadline = time.monotonic() + self.limit
        self.pid = os.fork()
        if self.pid == 0:
            answer(request["payload"], run, writing, [*inherited, self.pipe])
        os.close(writing)

    def read(self) -> bool:
        """Take what has come; return whether that was all."""
        part = os.read(self.pipe, 1 << 20)
        self.reply += part
        return not part or len(self.reply) > MAX_REPLY

    def end(self, error: str | None) -> dict[str, object]:
        """Kill the process, if it still lives, and return the reply."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        os.waitpid(self.pid, 0)
        if error is None and len(self.reply) > MAX_REPLY:
            error = "its reply was too long"
        if error is None:
            with contextlib.suppress(ValueError, RecursionError):
                reply = json.loads(self.reply)
                if isinstance(reply, dict) and reply.keys() in ({"ok"}, {"error"}):
                    return {"id": self.id, **reply}
            error = "the process that graded it died: it took too much memory, or crashed"
        return {"id": self.id, "error": error}


def answer(payload: object, run: object, writing: int, inherited: list[int]) -> None:
    """Answer one request inside the fork, and never return."""
    try:
        for descriptor in inherited:
            os.close(descriptor)
        confine()
        assert callable(run)
        reply = json.dumps({"ok": run(payload)})
    except MemoryError:
        reply = '{"error": "it took too much memory"}'
    except BaseException as error:
        reply = json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"})
    try:
        data = reply.encode()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


class Server:
    """Reads requests, keeps at most `MAX_FORKS` forks alive, and ends each at its limit."""

    def __init__(self, run: object, requests: int, replies: int) -> None:
        self.run = run
        self.requests = requests
        self.replies = replies
        self.selector = selectors.DefaultSelector()
        self.forks: set[Fork] = set()
        self.waiting: list[dict[str, object]] = []
        self.unread = b""
        self.selector.register(requests, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer requests until stdin ends."""
        while True:
            soonest = min((fork.deadline for fork in self.forks), default=None)
            wait = None if soonest is None else max(0.0, soonest - time.monotonic())
            for key, _ in self.selector.select(wait):
                if isinstance(key.data, Fork):
                    if key.data.read():
                        self.finish(key.data, None)
                elif not self.take():
                    return
            now = time.monotonic()
            for fork in [fork for fork in self.forks if fork.deadline <= now]:
                self.finish(fork, f"no result within {fork.limit:g} s")
            while self.waiting and len(self.forks) < MAX_FORKS:
                self.start(self.waiting.pop(0))

    def take(self) -> bool:
        """Read requests; return False at the end of stdin."""
        part = os.read(self.requests, 1 << 20)
        *lines, self.unread = (self.unread + part).split(b"\n")
        self.waiting += [json.loads(line) for line in lines]
        return bool(part)

    def start(self, request: dict[str, object]) -> None:
        """Fork for a request."""
        inherited = [self.requests, self.replies, *(fork.pipe for fork in self.forks)]
        fork = Fork(request, self.run, inherited)
        self.forks.add(fork)
        self.selector.register(fork.pipe, selectors.EVENT_READ, fork)

    def finish(self, fork: Fork, error: str | None) -> None:
        """End a fork and send its reply."""
        self.selector.unregister(fork.pipe)
        self.forks.discard(fork)
        self.send(fork.end(error))

    def send(self, reply: dict[str, object]) -> None:
        """Write one reply, wholly."""
        data = json.dumps(reply).encode() + b"\n"
        while data:
            data = data[os.write(self.replies, data) :]

    def close(self) -> None:
        """Kill what still runs."""
        for fork in self.forks:
            fork.end("the parent ended")


def main() -> None:
    """Load the job, say so, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    home, requests, replies = os.getcwd(), os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    first = b""
    while not first.endswith(b"\n"):
        first += os.read(requests, 1)
    sys.path[:] = json.loads(first)
    spec = importlib.util.spec_from_file_location("job", sys.argv[1])
    assert spec is not None and spec.loader is not None
    job = importlib.util.module_from_spec(spec)
    server = Server(None, requests, replies)
    try:
        spec.loader.exec_module(job)
        job.warm_up()
    except BaseException as error:
        server.send({"ready": False, "error": f"{type(error).__name__}: {error}"})
        return
    server.run = job.run
    gc.collect()
    gc.freeze()
    server.send({"ready": True})
    try:
        server.serve()
    finally:
        server.close()
        os.chdir("/")
        os.rmdir(home)  # the parent cannot, if it was killed


if __name__ == "__main__":
    main()
