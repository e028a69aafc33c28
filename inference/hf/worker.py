"""The thread that owns a model: it takes asks, steps the batch and settles what is done."""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from cogitate.errors import CogitateError, EngineError, EngineRefused
from cogitate.inference.hf.adapters import Adapters
from cogitate.inference.hf.rolling import Rolling
from cogitate.inference.hf.row import Ask, Row

__all__ = ["Machine", "Worker", "as_engine_error"]


class Machine(NamedTuple):
    """A loaded model."""

    rolling: Rolling
    adapters: Adapters


class Worker:
    """Runs a model in a thread of its own, started by the first ask.

    Args:
        load: Loads the model, in the thread. Where it fails, the asks fail, and the next ask tries
            again.
    """

    def __init__(self, load: Callable[[], Machine]) -> None:
        self._load = load
        self._changed = threading.Condition()
        self._asks: list[Ask] = []
        self._open: set[Ask] = set()
        self._waiting: deque[Row] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, ask: Ask) -> None:
        """Hand an ask over.

        Raises:
            EngineRefused: The worker is closed.
        """
        with self._changed:
            if self._closed:
                raise EngineRefused("this engine is closed: make a new one")
            self._asks.append(ask)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cogitate-hf", daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self, ask: Ask) -> None:
        """Free what an ask holds before the next token."""
        with self._changed:
            ask.cancelled = True
            self._changed.notify()

    def close(self) -> None:
        """Refuse asks from now on, fail those under way, and wait for the thread to end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        try:
            machine = self._load()
        except Exception as error:
            with self._changed:
                failed, self._asks, self._thread = self._asks, [], None
            for ask in failed:
                ask.end(as_engine_error(error))
            return
        while self._take(machine):
            self._advance(machine)

    def _take(self, machine: Machine) -> bool:
        """Wait for something to do and sort it in; False when closed."""
        with self._changed:
            while not (self._asks or self._open or self._closed):
                self._changed.wait()
            asks, self._asks = self._asks, []
            closed = self._closed
        self._open.update(asks)
        if closed:
            for ask in self._open:
                ask.end(EngineRefused("this engine was closed: make a new one"))
            return False
        for ask in asks:
            self._queue(ask, machine)
        gone = {ask for ask in self._open if ask.cancelled or ask.settled}
        if gone:
            self._open -= gone
            machine.rolling.drop({row for ask in gone for row in ask.rows})
            self._waiting = deque(row for row in self._waiting if row.ask not in gone)
        return True

    def _queue(self, ask: Ask, machine: Machine) -> None:
        name, root = "", b""
        if ask.adapter is not None:
            in_use = {row.adapter for other in self._open for row in other.rows}
            try:
                name, ask.adapter_revision = machine.adapters.load(ask.adapter, in_use=in_use)
            except Exception as error:
                ask.end(as_engine_error(error))
                return
            root = ask.adapter_revision.encode()
            machine.rolling.adapters = True
        for row in ask.rows:
            row.rooted(name, root)
        self._waiting.extend(ask.rows)

    def _advance(self, machine: Machine) -> None:
        """Let rows join, and sample one token of each."""
        try:
            done = machine.rolling.admit(self._waiting)
            done += machine.rolling.step()
        except Exception as error:
            machine.rolling.reset()
            waiting = set(self._waiting)
            for ask in self._open:
                if any(row.finish is None and row not in waiting for row in ask.rows):
                    ask.end(as_engine_error(error))
            return
        for ask in {row.ask for row in done}:
            ask.check()


def as_engine_error(error: Exception) -> CogitateError:
    """What a caller is told of a failure inside the model."""
    if isinstance(error, CogitateError):
        return error
    advice = "lower max_tokens_in_memory or max_rows, or use a smaller model"
    if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
        advice = "the model or its adapter may not fit this engine; other asks go on"
    wrapped = EngineError(f"the model failed ({type(error).__name__}: {error}): {advice}")
    wrapped.__cause__ = error
    return wrapped
