"""Ctrl-C and SIGTERM: the first one stops thinking and keeps what is finished, the second quits.

`cogitate.training.stop_on_interrupt` is the same for scripts. A command quits harder: it has
written what is finished, so at the second signal there is nothing left to wait for.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cogitate.cli.terminal import note

__all__ = ["Interrupt", "interruptible"]

_SAME_SIGNAL_SECONDS = 0.5
"""`timeout` and other wrappers send one signal twice: to the process, and to its group."""


class Interrupt:
    """Whether, and by which signal, the command was told to stop."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.signal: int | None = None
        self.since = 0.0
        """When it came, by the monotonic clock."""

    @property
    def code(self) -> int | None:
        """The exit code that the signal asks for; None where there was none."""
        return None if self.signal is None else 128 + self.signal


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Give what the first signal sets; to be entered inside the running event loop."""
    interrupt, loop = Interrupt(), asyncio.get_running_loop()

    def stop(number: int, _frame: FrameType | None) -> None:
        if interrupt.signal is not None:
            if time.monotonic() - interrupt.since < _SAME_SIGNAL_SECONDS:
                return
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a live display hides the cursor
            os._exit(128 + number)
        interrupt.signal, interrupt.since = number, time.monotonic()
        loop.call_soon_threadsafe(interrupt.event.set)
        note("stopping, and keeping what is finished; once more quits at once")

    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
