"""Running others' graders on model text, where a hang or a crash can do no harm.

Some graders are other people's code that was never meant for hostile text: symbolic algebra can
run for ever, and a few scorers evaluate what they are given. They run in a child process, started
once per kind of job and kept; it forks for each answer, and kills the fork at its limit (how, and
what a fork may do, is in `cogitate.tasks.sandbox`). Threads and event loops may share a child.

Left out: Windows, which has neither fork nor resource limits.
"""

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from cogitate.errors import GraderError

__all__ = ["Child", "JobFailed"]

_HERE = Path(__file__).parent
# One hash seed, because some problem generators depend on the order of sets; one thread, because
# a process with threads cannot be forked safely.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_START_LIMIT = 120.0
_MAX_REQUEST = 4 << 20


class JobFailed(Exception):
    """The job gave no result for this payload: it hung, died, or raised. The next is unaffected."""


class Child:
    """A child process for one job file, started when first needed and again if it dies.

    Args:
        job: A file beside this one, with `warm_up()` and `run(payload)`.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self._process: _Process | None = None
        self._starting = threading.Lock()
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    async def run(self, payload: JsonValue, *, limit: float) -> JsonValue:
        """Run the job on a payload in a process of its own.

        Starting the child and waiting for one of its eight places do not count towards the limit.

        Args:
            payload: What the job's `run` is given.
            limit: Seconds after which it is killed.

        Raises:
            JobFailed: It hung, died or raised; the message says which.
            GraderError: The child itself cannot be started or was killed from outside.
        """
        process = self._process
        if process is None or process.dead:
            process = await asyncio.to_thread(self._ready)
        return await asyncio.wrap_future(process.ask(payload, limit))

    def run_sync(self, payload: JsonValue, *, limit: float) -> JsonValue:
        """Run the job as `run` does, where there is no event loop to wait in."""
        return self._ready().ask(payload, limit).result()

    def close(self) -> None:
        """End the child, and with it whatever it runs. A later `run` starts it again."""
        with self._starting:
            if self._process is not None:
                self._process.close()
                self._process = None

    def _ready(self) -> "_Process":
        with self._starting:
            if self._process is None or self._process.dead:
                if self._process is not None:
                    self._process.close()
                self._process = _Process(self._job)
            return self._process

    def _forget(self) -> None:
        # After os.fork the copy of this process must not share the child's pipes, nor wait for it.
        if self._process is not None:
            self._process.disown()
        self._process = None
        self._starting = threading.Lock()


class _Process:
    def __init__(self, job: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="cogitate-grader-"))
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-B", str(_HERE / "sandbox.py"), str(_HERE / job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._home,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        self._futures: dict[int, Future[JsonValue]] = {}
        self._numbers = count()
        self._lock = threading.Lock()
        self.dead = False
        paths = [str(Path(path).resolve()) for path in sys.path if path]
        try:
            self._write(json.dumps(paths))
            self._await_ready(job)
        except BaseException:  # Ctrl-C as well
            self.close()
            raise
        self._reader = threading.Thread(target=self._read, name=f"cogitate-{job}", daemon=True)
        self._reader.start()

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None and self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def _await_ready(self, job: str) -> None:
        late = threading.Timer(_START_LIMIT, self._process.kill)
        late.start()
        try:
            line = self._pipes[1].readline()
        finally:
            late.cancel()
        state = json.loads(line) if line else {"error": f"it died or took over {_START_LIMIT:g} s"}
        if not state.get("ready"):
            raise GraderError(
                f"the grading process for {job} did not start: {state['error']}. "
                "Run `cogitate doctor` to see what is missing"
            )

    def ask(self, payload: JsonValue, limit: float) -> Future[JsonValue]:
        future: Future[JsonValue] = Future()
        future.set_running_or_notify_cancel()  # from here on only the reader ends it
        with self._lock:
            number = next(self._numbers)
            if self.dead:
                future.set_exception(_died())
                return future
            self._futures[number] = future
            line = json.dumps({"id": number, "limit": limit, "payload": payload})
            if len(line) > _MAX_REQUEST:
                del self._futures[number]
                future.set_exception(JobFailed("the problem and answer are too long to grade"))
                return future
            with contextlib.suppress(BrokenPipeError):  # then the reader sees the end as well
                self._write(line)
        return future

    def _write(self, line: str) -> None:
        stdin, _ = self._pipes
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def _read(self) -> None:
        for line in self._pipes[1]:
            reply = json.loads(line)
            with self._lock:
                future = self._futures.pop(reply["id"])
            if "error" in reply:
                future.set_exception(JobFailed(reply["error"]))
            else:
                future.set_result(reply["ok"])
        with self._lock:
            self.dead = True
            left = list(self._futures.values())
            self._futures.clear()
        for future in left:
            future.set_exception(_died())

    def disown(self) -> None:
        self._process.returncode = 0

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipes[0].close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if hasattr(self, "_reader"):
            self._reader.join(timeout=2)
        self._pipes[1].close()
        shutil.rmtree(self._home, ignore_errors=True)


def _died() -> GraderError:
    return GraderError(
        "the grading process was ended from outside; it starts again with the next answer"
    )
