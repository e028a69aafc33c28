"""The thread that owns a reward model: all replies that wait at one moment are rated as one batch.

    HF.rate ──► Rater ──wake, once the loop has heard all askers──► thread: read, pad, one forward
       ▲                                                               │
       └────────── Rating, by call_soon_threadsafe ◄───────────────────┘

The thread encodes too, so nothing here holds the event loop up.
"""

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cogitate.errors import EngineError, EngineRefused, PromptTooLong
from cogitate.inference.completion import Rating, Usage
from cogitate.inference.hf.reading import Reading
from cogitate.inference.hf.reward import RewardModel
from cogitate.inference.hf.worker import as_engine_error
from cogitate.inference.request import Message, Request

__all__ = ["Rater"]

_NO_NUMBER = "the reward model gave a score that is no number: load it in another dtype"


@dataclass(slots=True, eq=False)
class _Reply:
    """A reply on its way through the thread."""

    messages: tuple[Message, ...]
    steps: tuple[str, ...]
    loop: asyncio.AbstractEventLoop
    rating: asyncio.Future[Rating]
    reading: Reading | None = None
    cancelled: bool = False

    def settle(self, scores: tuple[float, ...], error: Exception | None) -> None:
        """Hand over what came of it, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed: nobody waits
            self.loop.call_soon_threadsafe(self._resolve, scores, error)

    def _resolve(self, scores: tuple[float, ...], error: Exception | None) -> None:
        if self.rating.done():
            return
        if error is not None:
            self.rating.set_exception(error)
        else:
            tokens = len(self.reading.ids) if self.reading else 0
            self.rating.set_result(Rating(scores, Usage(prompt=tokens)))


class Rater:
    """Rates replies in a thread of its own, started by the first of them.

    Args:
        load: Loads the model, in the thread. Where it fails the replies fail, and the next one
            tries again.
        context: The most tokens of a conversation, once the model is loaded; None: no limit.
        max_tokens: The most tokens of a batch, padding to the longest included.
    """

    def __init__(
        self,
        load: Callable[[], RewardModel],
        *,
        context: Callable[[], int | None],
        max_tokens: int,
    ) -> None:
        self._load = load
        self._context = context
        self._max_tokens = max_tokens
        self._changed = threading.Condition()
        self._replies: list[_Reply] = []
        self._woken = False
        self._thread: threading.Thread | None = None
        self._closed = False

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate a reply, together with all that are to be rated at the same moment.

        Raises:
            EngineRefused: The rater is closed; a reply without text, or too long for a batch.
            PromptTooLong: It does not fit the model's context.
            ConfigError: The model cannot be loaded.
            EngineError: The model failed.
        """
        loop = asyncio.get_running_loop()
        reply = _Reply(request.messages, tuple(steps), loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise EngineRefused("this engine is closed: make a new one")
            self._replies.append(reply)
        loop.call_soon(self._wake)  # when all who ask at this moment have asked
        try:
            return await reply.rating
        except asyncio.CancelledError:
            reply.cancelled = True
            raise

    def close(self) -> None:
        """Refuse replies from now on, fail those that wait, and wait for the thread to end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _wake(self) -> None:
        with self._changed:
            if self._closed:
                self._refuse()
                return
            self._woken = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cogitate-rate", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        try:
            model = self._load()
        except Exception as error:
            with self._changed:
                failed, self._replies, self._thread = self._replies, [], None
            for reply in failed:
                reply.settle((), as_engine_error(error))
            return
        waiting: list[_Reply] = []
        while self._take(waiting):
            self._read(model, waiting)
            self._advance(model, waiting)

    def _take(self, waiting: list[_Reply]) -> bool:
        """Wait for something to do and add it to what waits; False when closed."""
        with self._changed:
            while not (self._woken or waiting or self._closed):
                self._changed.wait()
            if self._closed:
                self._replies += waiting
                self._refuse()
                return False
            if self._woken:
                waiting += self._replies
                self._replies, self._woken = [], False
        waiting[:] = [reply for reply in waiting if not reply.cancelled]
        return True

    def _refuse(self) -> None:
        refused, self._replies = self._replies, []
        for reply in refused:
            reply.settle((), EngineRefused("this engine was closed: make a new one"))

    def _read(self, model: RewardModel, waiting: list[_Reply]) -> None:
        """Encode what is new; what cannot be rated is settled and waits no more."""
        for reply in [reply for reply in waiting if reply.reading is None]:
            try:
                reply.reading = model.read(reply.messages, reply.steps)
                self._fit(len(reply.reading.ids))
            except Exception as error:
                waiting.remove(reply)
                reply.settle((), as_engine_error(error))

    def _fit(self, tokens: int) -> None:
        context = self._context()
        if context is not None and tokens > context:
            raise PromptTooLong(
                f"problem and reply have {tokens} tokens and the reward model's context "
                f"{context}: shorten them, or use a model with a longer context"
            )
        if tokens > self._max_tokens:
            raise EngineRefused(
                f"problem and reply have {tokens} tokens and do not fit "
                f"max_tokens_in_memory={self._max_tokens}: raise it"
            )

    def _advance(self, model: RewardModel, waiting: list[_Reply]) -> None:
        """Rate one batch: those that waited longest, as many as fit."""
        batch: list[_Reply] = []
        readings: list[Reading] = []
        longest = 0
        for reply in waiting:
            if reply.reading is None:
                continue
            longest = max(longest, len(reply.reading.ids))
            if batch and longest * (len(batch) + 1) > self._max_tokens:
                break
            batch.append(reply)
            readings.append(reply.reading)
        if not batch:
            return
        del waiting[: len(batch)]
        try:
            rated = model.rate(readings)
        except Exception as error:
            for reply in batch:
                reply.settle((), as_engine_error(error))
            return
        for reply, scores in zip(batch, rated, strict=True):
            wrong = None if all(map(math.isfinite, scores)) else EngineError(_NO_NUMBER)
            reply.settle(scores, wrong)
