"""Requests as tokens, encoded in a thread where that would hold the event loop up."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cogitate.inference.request import Request

if TYPE_CHECKING:
    from cogitate.inference.hf.encode import Encoder, Prompt
    from cogitate.inference.hf.reading import Reading

__all__ = ["Coder"]

_LONG = 20_000
"""Characters from which encoding is left to a thread."""


class Coder:
    """The tokenizer of a model, loaded when it is first needed. Safe to use from several threads.

    Args:
        folder: Returns the model folder; may take long, to download it.
        chat_template: A Jinja template instead of the folder's own.
        step_end: See `Reader`.
    """

    def __init__(
        self, folder: Callable[[], Path], chat_template: str | None, *, step_end: str
    ) -> None:
        self._folder = folder
        self._template = chat_template
        self._step_end = step_end
        self._lock = threading.Lock()
        self._loaded: Encoder | None = None

    def encoder(self) -> "Encoder":
        """Return the tokenizer; the first call loads it."""
        with self._lock:
            if self._loaded is None:
                from cogitate.inference.hf.encode import Encoder  # imports transformers

                self._loaded = Encoder(self._folder(), self._template)
            return self._loaded

    async def prompt(self, request: Request) -> "Prompt":
        """Encode what is to be continued."""
        size = sum(len(message.content) for message in request.messages)
        if self._loaded is not None and size < _LONG:
            return self._loaded.prompt(request.messages, request.prefix)
        return await asyncio.to_thread(
            lambda: self.encoder().prompt(request.messages, request.prefix)
        )

    async def reading(
        self,
        request: Request,
        steps: Sequence[str],
        rates: Callable[[], Literal["outcome", "process"]],
    ) -> "Reading":
        """Encode what a reward model is to rate.

        Args:
            request: The conversation.
            steps: The reply.
            rates: What the model rates; asked when its folder is there, and may refuse.
        """

        def read() -> "Reading":
            from cogitate.inference.hf.reading import Reader

            reader = Reader(self.encoder(), rates(), step_end=self._step_end)
            return reader.read(request.messages, steps)

        size = sum(len(message.content) for message in request.messages) + sum(map(len, steps))
        if self._loaded is not None and size < _LONG:
            return read()
        return await asyncio.to_thread(read)
