"""What a sandbox is asked for, and what comes out of it: text, never an object of the program's."""

import asyncio
import os
from typing import NamedTuple, Protocol

from cogitate.tasks.code.case import Case

__all__ = ["MAX_OUTPUT", "Outcome", "Places", "Sandbox"]

MAX_OUTPUT = 1 << 20
"""Bytes that a program may return or print in one test."""


class Outcome(NamedTuple):
    """What a program did in one test. All of it is the program's own word."""

    value: str | None = None
    """What the call returned, as JSON text in the form of `cogitate.tasks.code.encoder`."""
    output: str | None = None
    """What it printed, where the test gave it an input to read."""
    failure: str = ""
    """Why there is neither."""


class Sandbox(Protocol):
    """Something that runs an untrusted program on one test."""

    async def run(self, program: str, case: Case, *, limit: float) -> Outcome:
        """Run `program` and the input of `case`, in a process of their own, for `limit` seconds.

        Raises:
            ConfigError: The sandbox is not there; the message says what to install.
            GraderError: The sandbox failed, whatever the program.
        """
        ...


class Places:
    """Room for as many programs at once as there are cores, in each event loop."""

    def __init__(self) -> None:
        self._rooms: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    def here(self) -> asyncio.Semaphore:
        """Return the room of the running loop."""
        for loop in list(self._rooms):
            if loop.is_closed():
                self._rooms.pop(loop, None)
        places = asyncio.Semaphore(os.cpu_count() or 1)
        return self._rooms.setdefault(asyncio.get_running_loop(), places)
