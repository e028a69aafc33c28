"""The in-process engine: a transformers model that many asks share, token by token.

    HF ──ask──► Worker (one thread a model) ──rows──► Rolling ──► Slots, PrefixCache, draw
     ▲                                                               │
     └──────────────── completions, by call_soon_threadsafe ◄────────┘

A model whose head classifies is a reward model: it rates (see `rater`), and writes nothing.

Left out: JSON schemas (`vllm/` and `openai/` follow them), and models that do not keep one plain
cache of keys and values.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cogitate.errors import ConfigError, EngineRefused, PromptTooLong
from cogitate.inference.completion import Completion, Rating, Score
from cogitate.inference.engine import EngineInfo
from cogitate.inference.hf import locate
from cogitate.inference.hf.memory import Memory
from cogitate.inference.request import Request, Sampling

if TYPE_CHECKING:
    from cogitate.inference.hf.encode import Encoder, Prompt
    from cogitate.inference.hf.rater import Rater
    from cogitate.inference.hf.reward import RewardModel
    from cogitate.inference.hf.row import Ask
    from cogitate.inference.hf.worker import Machine, Worker

__all__ = ["HF"]

_LONG = 20_000
"""Characters from which encoding is left to a thread."""
_ENDLESS = 1 << 40
"""The context of a model that states none."""


class HF:
    """A transformers model in this process.

    Nothing is loaded before the first ask; `info` reads the files alone.

    Args:
        model: `smollm2-135m` (embedded), a model folder, or a Hugging Face hub id.
        device: As PyTorch names it; None: a GPU where there is one.
        dtype: `float32`, `bfloat16`, `float16`; None: as the weights were saved.
        adapters: Folders of PEFT adapters by name. A request may also name a folder.
        chat_template: A Jinja template instead of the model's own.
        max_rows: The most completions computed at once; None: 64, on a GPU 256.
        max_tokens_in_memory: The most tokens whose keys and values are held for them, padding to
            the longest included. Asks beyond it wait.
        prefix_tokens: The most tokens kept of prompts seen before, in addition; 0 keeps none and
            shares nothing between different prompts.
        prefill_tokens: The most prompt tokens in one forward pass.
        step_end: For a process reward model: what each step must end with, added where it does
            not. Give what it was trained with, such as a blank line; by default steps stay as they
            are.

    Raises:
        ConfigError: An option that cannot work. An unknown model is found at the first use.
    """

    def __init__(
        self,
        model: str | Path = "smollm2-135m",
        *,
        device: str | None = None,
        dtype: str | None = None,
        adapters: Mapping[str, str | Path] | None = None,
        chat_template: str | None = None,
        max_rows: int | None = None,
        max_tokens_in_memory: int = 32_768,
        prefix_tokens: int = 16_384,
        prefill_tokens: int = 2_048,
        step_end: str = "",
    ) -> None:
        if dtype not in (None, "float32", "bfloat16", "float16"):
            raise ConfigError(f"dtype={dtype!r}: give float32, bfloat16 or float16")
        self._model = model
        self._device = device
        self._dtype = dtype
        self._adapters = {name: Path(folder) for name, folder in (adapters or {}).items()}
        self._template = chat_template
        self._memory = Memory(
            max_rows=max_rows,
            max_tokens_in_memory=max_tokens_in_memory,
            prefix_tokens=prefix_tokens,
            prefill_tokens=prefill_tokens,
        )
        self._step_end = step_end
        self._lock = threading.Lock()
        self._info: EngineInfo | None = None
        self._coder: Encoder | None = None
        self._worker: Worker | None = None
        self._rater: Rater | None = None
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """What the model's files say; without them (not downloaded yet) only its name."""
        if self._info is not None:
            return self._info
        info = locate.describe(self._model)
        if info.revision:
            self._info = info
        return info

    def count(self, request: Request) -> int:
        """The prompt tokens of `request`, exactly. The first call loads the tokenizer."""
        return len(self._encoder().prompt(request.messages, request.prefix).ids)

    async def complete(self, request: Request) -> list[Completion]:
        """Sample `request.n` completions.

        Raises:
            EngineRefused: A schema, a closed engine, or more than fits `max_tokens_in_memory`.
            PromptTooLong: Prompt and one token do not fit the model's context.
            ConfigError: No such model or adapter.
            EngineError: The model failed.
        """
        self._check(request)
        from cogitate.inference.hf.answered import answered
        from cogitate.inference.hf.reply import completions, stop_check
        from cogitate.inference.hf.row import Row
        from cogitate.inference.hf.sampling import random_source

        prompt = await self._prompt(request)
        encoder, info = self._encoder(), self.info
        limit = min(request.sampling.max_tokens, (info.context or _ENDLESS) - len(prompt.ids))
        self._fit(len(prompt.ids), limit, info)

        def rows(ask: "Ask") -> list[Row]:
            return [
                Row(ask, prompt.ids, limit, request.sampling, random_source(request, number))
                for number in request.sample_numbers
            ]

        return await answered(
            self._running(),
            request,
            rows,
            lambda ask: completions(ask, request, prompt, encoder, info),
            stop_check(request.sampling.stop, encoder),
        )

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """The log-probability of each of `texts` as the reply, at temperature 1.

        The prompt is computed once. No end token is added. A usage counts the scored tokens as
        prompt tokens: nothing was sampled.

        Raises:
            EngineRefused: A text without tokens, a closed engine, or more than fits the memory.
            PromptTooLong: Prompt and text do not fit the model's context.
        """
        self._check(request)
        from cogitate.inference.hf.answered import answered
        from cogitate.inference.hf.reply import scores
        from cogitate.inference.hf.row import Row
        from cogitate.inference.hf.sampling import random_source

        prompt = await self._prompt(request)
        encoder, info = self._encoder(), self.info
        given = [encoder.text(text) for text in texts]
        for text, ids in zip(texts, given, strict=True):
            if not ids:
                raise EngineRefused(f"cannot score {text!r}: it has no tokens; give some text")
            self._fit(len(prompt.ids), len(ids), info)
            if info.context and len(prompt.ids) + len(ids) > info.context:
                raise PromptTooLong(_too_long(len(prompt.ids) + len(ids), info))

        def rows(ask: "Ask") -> list[Row]:
            source, sampling = random_source(request, 0), Sampling(temperature=0)
            return [Row(ask, prompt.ids, 0, sampling, source, ids) for ids in given]

        def answer(ask: "Ask") -> list[Score]:
            return scores(ask, texts, prompt)

        if not texts:
            return []
        return await answered(self._running(), request, rows, answer, lambda _ids: False)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate a reply with a reward model: all that wait at one moment in one padded batch.

        Raises:
            EngineRefused: No reward model, an adapter, a reply without text, a closed engine, or
                more than fits `max_tokens_in_memory`.
            PromptTooLong: The conversation and the reply do not fit the model's context.
        """
        info = self.info
        if info.rates is None and info.revision:
            raise EngineRefused(
                f"{info.model} is no reward model: its config.json names an architecture that "
                "writes text, and none ...ForSequenceClassification or ...ForTokenClassification"
            )
        if request.adapter is not None:
            raise EngineRefused("hf/ reward models wear no adapter: save it merged into the model")
        rater = self._rater
        if rater is None:
            rater = await asyncio.to_thread(self._running_rater)  # imports torch
        return await rater.rate(request, steps)

    async def close(self) -> None:
        """Stop the model's thread and free its memory."""
        with self._lock:
            self._closed = True
            threads, self._worker, self._rater = (self._worker, self._rater), None, None
        for thread in threads:
            if thread is not None:
                await asyncio.to_thread(thread.close)

    def _check(self, request: Request) -> None:
        if self._closed:
            raise EngineRefused(f"{self.info.model} is closed: make a new engine")
        if self.info.rates is not None:
            raise EngineRefused(
                f"{self.info.model} is a reward model: it rates replies and writes none. Give it "
                "to a Verifier, and the other roles a model that writes"
            )
        if request.schema is not None:
            raise EngineRefused(
                "hf/ cannot hold a reply to a JSON schema: use vllm/ or openai/, or leave it out"
            )

    def _fit(self, prompt: int, more: int, info: EngineInfo) -> None:
        if info.context and prompt >= info.context:
            raise PromptTooLong(_too_long(prompt, info))
        most = self._memory.max_tokens_in_memory
        if prompt + more > most:
            raise EngineRefused(
                f"{prompt} prompt tokens and up to {more} more do not fit "
                f"max_tokens_in_memory={most}: raise it, or lower max_tokens"
            )

    async def _prompt(self, request: Request) -> "Prompt":
        """Encode in a thread what would hold the event loop up."""
        size = sum(len(message.content) for message in request.messages)
        if self._coder is not None and size < _LONG:
            return self._coder.prompt(request.messages, request.prefix)
        return await asyncio.to_thread(
            lambda: self._encoder().prompt(request.messages, request.prefix)
        )

    def _encoder(self) -> "Encoder":
        with self._lock:
            if self._coder is None:
                from cogitate.inference.hf.encode import Encoder

                self._coder = Encoder(locate.fetch(self._model), self._template)
            return self._coder

    def _running(self) -> "Worker":
        from cogitate.inference.hf.worker import Worker

        with self._lock:
            if self._closed:
                raise EngineRefused(f"{self.info.model} is closed: make a new engine")
            if self._worker is None:
                self._worker = Worker(self._load)
            return self._worker

    def _running_rater(self) -> "Rater":
        from cogitate.inference.hf.rater import Rater

        with self._lock:
            if self._closed:
                raise EngineRefused(f"{self.info.model} is closed: make a new engine")
            if self._rater is None:
                self._rater = Rater(
                    self._load_reward,
                    context=lambda: self.info.context,
                    max_tokens=self._memory.max_tokens_in_memory,
                )
            return self._rater

    def _load_reward(self) -> "RewardModel":
        """Load the weights of a reward model; runs in the rater's thread."""
        from cogitate.inference.hf.reward import load_reward

        return load_reward(
            locate.fetch(self._model),
            self._encoder(),
            device=self._device,
            dtype=self._dtype,
            step_end=self._step_end,
        )

    def _load(self) -> "Machine":
        """Load the weights; runs in the worker's thread."""
        from cogitate.inference.hf.load import load

        return load(
            locate.fetch(self._model),
            self._encoder().end,
            device=self._device,
            dtype=self._dtype,
            adapters=self._adapters,
            memory=self._memory,
        )


def _too_long(tokens: int, info: EngineInfo) -> str:
    return (
        f"{tokens} tokens do not fit the context of {info.model} ({info.context}): "
        "shorten the prompt, or use a model with a longer context"
    )
