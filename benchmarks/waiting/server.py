"""A chat completions server on loopback that takes the same time for every call.

It runs in a process of its own (`Server.start`), answers what `waiting.solver` says, and keeps when
each call came and went. A reply is made while its call waits, so making it takes no extra time.
`time.monotonic` is one clock for all processes of a machine.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from types import TracebackType
from typing import NamedTuple, Self

from waiting.solver import reply

__all__ = ["Call", "Server"]


class Call(NamedTuple):
    """When a call came, and when its reply went, in seconds of `time.monotonic`."""

    begin: float
    end: float


class _Connection(asyncio.Protocol):
    """One connection: calls come one after the other, each whole before its reply."""

    def __init__(self, latency: float, calls: list[Call]) -> None:
        self._latency = latency
        self._calls = calls
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            _, _, rest = head.partition(b"content-length:")
            length = int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._asked(head, body)

    def _asked(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get "):
            self._send(json.dumps(self._calls).encode())
            if head.startswith(b"get /forget"):
                self._calls.clear()
            return
        begin = time.monotonic()
        asyncio.get_running_loop().call_later(self._latency, self._answer, begin, reply(body))

    def _answer(self, begin: float, body: bytes) -> None:
        self._calls.append(Call(begin, time.monotonic()))
        self._send(body)

    def _send(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        if not self._transport.is_closing():
            self._transport.write(head.encode() + b"\r\n\r\n" + body)


class Server:
    """The server, in a process of its own; use it as a context manager.

    Args:
        latency: Seconds from a call to its reply.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}/v1"

    def calls(self) -> list[Call]:
        """Return the calls since this was last asked, and forget them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/forget", timeout=10) as said:
            return [Call(*times) for times in json.load(said)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waiting.server", str(self._latency)],
            cwd=__file__.rpartition("/waiting/")[0],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()


async def _serve(latency: float) -> None:
    calls: list[Call] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latency, calls), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
