"""OpenAI-compatible servers for tests: one that follows a script, and a real one.

`FakeServer` lives in the test's own event loop and speaks HTTP by hand, so that it can also do what
no framework allows: drop a connection in the middle of a reply, or answer nonsense.
`TransformersServer` is `transformers serve` in a process of its own, which can be killed and
started again on the same port.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from pydantic import BaseModel, JsonValue

from cogitate.inference import Completion, Engine, Message, Prefix, Request, Sampling, Usage

Body: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True)
class Seen:
    """A request that the server received."""

    path: str
    headers: Mapping[str, str]
    body: Body


@dataclass(frozen=True)
class Answer:
    """What to send back. `dropped` bytes of the body are announced, and never sent."""

    body: JsonValue | bytes = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0


Handler: TypeAlias = Callable[[Seen], Awaitable[Answer]]


def chat(*texts: str | None, usage: Body | None = None, **message: JsonValue) -> Answer:
    """A chat completion with one choice for each text, 10 prompt tokens and 4 for each choice."""
    choices: list[JsonValue] = [
        {
            "index": i,
            "message": {"role": "assistant", "content": text, **message},
            "finish_reason": "stop",
        }
        for i, text in enumerate(texts)
    ]
    counted: Body = {"prompt_tokens": 10, "completion_tokens": 4 * len(texts)}
    return Answer({"model": "m", "choices": choices, "usage": counted if usage is None else usage})


class FakeServer:
    """A server that answers by `handler`, or with `answers` one after the other.

    Use it as `async with FakeServer(...) as server`.
    """

    def __init__(self, *answers: Answer, handler: Handler | None = None) -> None:
        self._answers = list(answers)
        self._handler = handler or self._next
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.busy = 0
        self.most_busy = 0
        """The most requests that were under way at a time."""
        self.hung_up = 0
        """Requests whose client went away before the reply."""

    async def _next(self, seen: Seen) -> Answer:
        return self._answers.pop(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.close()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while (seen := await _read(reader)) is not None:
                self.seen.append(seen)
                answer = await self._answer(seen, reader)
                if answer is None:
                    break
                writer.write(_encode(answer))
                await writer.drain()
                if answer.dropped:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()
            del self._open[task]

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader) -> Answer | None:
        """The answer, or None where the client went away first."""
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        answering = asyncio.ensure_future(self._handler(seen))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            self.hung_up += 1
            return None
        finally:
            self.busy -= 1
            for task in (answering, leaving):
                task.cancel()
            await asyncio.wait({answering, leaving})


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(first.split()[1], headers, json.loads(body))


def _encode(answer: Answer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{k}: {v}\r\n" for k, v in {**headers, **answer.headers}.items())
    head = f"HTTP/1.1 {answer.status} Status\r\n{lines}\r\n".encode()
    return head + body[: len(body) - answer.dropped]


def speaking_for(engine: Engine) -> Handler:
    """A handler that lets `engine` answer, so that a server behaves as a model does."""

    async def answer(seen: Seen) -> Answer:
        completions = await engine.complete(_request(seen.body))
        told = seen.body.get("logprobs")
        choices: list[JsonValue] = [
            {
                "index": i,
                "message": {"content": c.text},
                "finish_reason": c.finish,
                "logprobs": _logprobs(c) if told else None,
            }
            for i, c in enumerate(completions)
        ]
        usage = sum((c.usage for c in completions), Usage(calls=0))
        counted: Body = {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion}
        return Answer({"model": "m", "choices": choices, "usage": counted})

    return answer


def _logprobs(completion: Completion) -> Body:
    return {"content": [{"token": "", "logprob": one} for one in completion.logprobs or ()]}


class _Asked(BaseModel):
    messages: list[Message]
    temperature: float
    max_tokens: int
    n: int = 1
    stop: tuple[str, ...] = ()
    continue_final_message: bool = False


def _request(body: Body) -> Request:
    asked = _Asked.model_validate(body)
    messages = list(asked.messages)
    prefix = Prefix(messages.pop().content) if asked.continue_final_message else None
    sampling = Sampling(temperature=asked.temperature, max_tokens=asked.max_tokens, stop=asked.stop)
    return Request(messages=tuple(messages), prefix=prefix, sampling=sampling, n=asked.n)


@contextmanager
def in_background(server: FakeServer) -> Iterator[FakeServer]:
    """Serve in a thread with a loop of its own, for tests that use several loops."""
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server:
            started.set()
            await ended.wait()

    with closing(asyncio.new_event_loop()) as loop:
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        started.wait()
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()


class TransformersServer:
    """`transformers serve` on a model folder, on the CPU; use it as a context manager.

    Args:
        folder: The model's folder, which is also the model's name.
        log: Where the server writes.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def model(self) -> str:
        return str(self._folder)

    def start(self, *, seconds: float = 60.0) -> None:
        """Start it, and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "transformers.cli.transformers", "serve"),
                    *(str(self._folder), "--device", "cpu"),
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            )
        deadline = time.monotonic() + seconds
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"transformers serve did not start:\n{self._log.read_text()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once (SIGKILL), with whatever it is doing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
