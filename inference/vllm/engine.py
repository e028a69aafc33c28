"""The engine for GPUs: a model that vLLM runs, in processes of its own beside this one.

One module serves vLLM's GPU build and its CPU build. vLLM batches whatever is outstanding, shares
the blocks of prompts that begin alike, and mixes adapters in a batch; what is added here is what an
engine promises: prompts as token ids, typed errors, an end to every process. A model whose head
classifies is a reward model: it rates (see `rating`), and writes nothing.

Left out: images and sound, speculative decoding, and vLLM's own chat and tool parsers.
"""

import asyncio
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cogitate.errors import ConfigError, EngineError, EngineRefused, PromptTooLong
from cogitate.inference.completion import Completion, Rating, Score
from cogitate.inference.engine import EngineInfo
from cogitate.inference.hf import locate
from cogitate.inference.request import Request
from cogitate.inference.vllm.calls import all_within, within
from cogitate.inference.vllm.coder import Coder
from cogitate.inference.vllm.settings import Settings

if TYPE_CHECKING:
    from cogitate.inference.vllm.core import Core
    from cogitate.inference.vllm.library import Output, Parameters

__all__ = ["VLLM"]

_ENDLESS = 1 << 40
"""The context of a model that states none."""
_TOP = 128
"""The most tokens whose log-probabilities vLLM reads off one distribution."""

_TAIL = 32
"""Tokens of a prompt that are about to be computed although all before them is cached."""


class VLLM:
    """A model that vLLM runs.

    Nothing is loaded before the first ask; `info` reads the files alone. With `top_p` or `top_k`,
    log-probabilities are those of the truncated distribution, which is the one sampled from.

    Args:
        model: `smollm2-135m` (embedded), a model folder, or a Hugging Face hub id.
        dtype: `float32`, `bfloat16`, `float16`; None: as the weights were saved.
        context: The most tokens of prompt and completion together; None: what the model states.
            Less needs less memory.
        adapters: Folders of LoRA adapters by name. A request may also name a folder.
        chat_template: A Jinja template instead of the model's own.
        max_rows: The most completions computed at once; None: vLLM's choice.
        adapter_slots: The most different adapters in one batch; 0: none can be used, which saves
            memory and time.
        adapter_rank: The largest rank of an adapter.
        block_tokens: Tokens in a block of the prefix cache; None: 32 on a CPU, else vLLM's choice.
        cache_gib: Memory for keys and values, in GiB; None: what a GPU has left, on a CPU 4.
        gpu_memory: The share of a GPU's memory that vLLM may use.
        tensor_parallel: GPUs that share the model.
        eager: Compile nothing: starts sooner and runs slower; None: on a CPU.
        seeds: Sample each completion from the run's seed and its place. On GPUs alone, and slower.
        step_end: For a process reward model: what each step must end with, added where it does
            not; by default steps stay as they are.

    Raises:
        ConfigError: An option that cannot work. An unknown model is found at the first use.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        dtype: str | None = None,
        context: int | None = None,
        adapters: Mapping[str, str | Path] | None = None,
        chat_template: str | None = None,
        max_rows: int | None = None,
        adapter_slots: int = 4,
        adapter_rank: int = 64,
        block_tokens: int | None = None,
        cache_gib: float | None = None,
        gpu_memory: float = 0.9,
        tensor_parallel: int = 1,
        eager: bool | None = None,
        seeds: bool = False,
        step_end: str = "",
    ) -> None:
        self._model = model
        self._adapters = {name: Path(folder) for name, folder in (adapters or {}).items()}
        self._seeds = seeds
        self._settings = Settings(
            dtype=dtype,
            context=context,
            max_rows=max_rows,
            adapter_slots=adapter_slots,
            adapter_rank=adapter_rank,
            block_tokens=block_tokens,
            cache_gib=cache_gib,
            gpu_memory=gpu_memory,
            tensor_parallel=tensor_parallel,
            eager=eager,
        )
        self._lock = threading.Lock()
        self._info: EngineInfo | None = None
        self._coder = Coder(partial(locate.fetch, model), chat_template, step_end=step_end)
        self._core: Core | None = None
        self._weights: Path | None = None
        """The folder whose weights took the place of the model's own."""
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """What the model's files say; without them (not downloaded yet) only its name."""
        if self._info is not None:
            return self._info
        found = locate.describe(self._model)
        limits = [limit for limit in (found.context, self._settings.context) if limit]
        info = replace(found, model=f"vllm/{self._model}", context=min(limits, default=None))
        if info.revision:
            self._info = info
        return info

    def count(self, request: Request) -> int:
        """The prompt tokens of `request`, exactly. The first call loads the tokenizer."""
        return len(self._coder.encoder().prompt(request.messages, request.prefix).ids)

    async def complete(self, request: Request) -> list[Completion]:
        """Sample `request.n` completions.

        Raises:
            EngineUnavailable: vLLM's process died; asked again, it is started again.
            EngineRefused: A schema that vLLM cannot follow, or a closed engine.
            PromptTooLong: Prompt and one token do not fit the model's context.
            ConfigError: vLLM is not installed or cannot run the model; no such adapter.
            EngineError: The model failed.
        """
        self._check()
        prompt = await self._coder.prompt(request)
        encoder, context = self._coder.encoder(), self.info.context or _ENDLESS
        if len(prompt.ids) >= context:
            raise PromptTooLong(_too_long(len(prompt.ids), self.info))
        core = await self._running()
        from cogitate.inference.vllm.reply import Sampled, completion

        sampling = request.sampling
        most = min(sampling.max_tokens, context - len(prompt.ids))

        def parameters(seed: int | None) -> "Parameters":
            return core.library.parameters(
                temperature=sampling.temperature,
                max_tokens=most,
                top_p=sampling.top_p,
                top_k=sampling.top_k or 0,
                stop=sampling.stop,
                seed=seed,
                schema=request.schema,
            )

        def sampled(output: "Output", revision: str, latency: float) -> Sampled:
            return Sampled(output, self.info, revision, latency)

        seeds = [self._seed(request, number, core) for number in request.sample_numbers]
        ways = [parameters(seed) for seed in seeds]
        done = await within(core, core.sample(prompt.ids, ways, request.adapter, sampled))
        return [
            completion(one, request, prompt, encoder, first=i == 0) for i, one in enumerate(done)
        ]

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """The log-probability of each of `texts` as the reply, at temperature 1.

        Short texts are read off the distributions after the prompt and after their beginnings, all
        of whose blocks come from the cache; for long ones the prompt is computed again. No end
        token is added. A usage counts the scored tokens as prompt tokens: nothing was sampled.

        Raises:
            EngineRefused: A text without tokens, or a closed engine.
            PromptTooLong: Prompt, text and one token do not fit the model's context.
        """
        self._check()
        if not texts:
            return []
        prompt = await self._coder.prompt(request)
        given = [self._coder.encoder().text(text) for text in texts]
        for text, ids in zip(texts, given, strict=True):
            if not ids:
                raise EngineRefused(f"cannot score {text!r}: it has no tokens; give some text")
            if len(prompt.ids) + len(ids) >= (self.info.context or _ENDLESS):
                raise PromptTooLong(_too_long(len(prompt.ids) + len(ids) + 1, self.info))
        core = await self._running()
        from cogitate.inference.vllm.reply import following, scores_by_context, text_score

        after = following(given)
        worth = len(after) * _TAIL <= len(given) * len(prompt.ids)
        if worth and max(map(len, after.values())) <= _TOP:
            ways = [
                core.library.parameters(temperature=0, max_tokens=1, logprobs_of=list(tokens))
                for tokens in after.values()
            ]
            calls = [
                core.sample((*prompt.ids, *context), [way], request.adapter, _output)
                for context, way in zip(after, ways, strict=True)
            ]
            outputs = await all_within(core, calls)
            found = dict(zip(after, outputs, strict=True))
            return scores_by_context(found, texts, given, prompt)
        way = core.library.parameters(temperature=0, max_tokens=1, prompt_logprobs=True)
        calls = [core.sample((*prompt.ids, *ids), [way], request.adapter, _output) for ids in given]
        outputs = await all_within(core, calls)
        return [
            text_score(output, text, ids, prompt, first=i == 0)
            for i, (output, text, ids) in enumerate(zip(outputs, texts, given, strict=True))
        ]

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate a reply with a reward model, in one batch with all that is asked meanwhile.

        Raises:
            EngineUnavailable: vLLM's process died; asked again, it is started again.
            EngineRefused: No reward model, an adapter, a reply without text, or a closed engine.
            PromptTooLong: The conversation and the reply do not fit the model's context.
            ConfigError: vLLM is not installed or cannot run the model.
            EngineError: The model failed.
        """
        self._check(rating=True)
        if request.adapter is not None:
            raise EngineRefused(
                "vllm/ reward models wear no adapter: save it merged into the model"
            )
        reading = await self._coder.reading(request, steps, self._rates)
        if len(reading.ids) > (self.info.context or _ENDLESS):
            raise PromptTooLong(_too_long(len(reading.ids), self.info))
        core = await self._running(rating=True)
        from cogitate.inference.vllm.rating import prompts, rating

        pooled = await within(core, core.classify(prompts(reading, core.padding)))
        return rating(reading, pooled)

    async def reload_weights(self, folder: str | Path | None = None) -> None:
        """Put other weights of the same model in place, without starting it again.

        Asks under way end with the weights they began with; later ones wait for the new ones, and
        their completions carry the new revision. Nothing in the prefix cache survives.

        Args:
            folder: A saved model of the same shape; None: what the model's own folder holds now.

        Raises:
            ConfigError: It holds another model; nothing has changed.
            EngineRefused: This is a reward model, or the engine is closed.
            EngineError: vLLM failed; the next ask starts the model anew, with the old weights.
        """
        if self.info.rates is not None:
            raise EngineRefused(
                f"vLLM cannot replace the weights of the reward model {self.info.model} while it "
                "runs: close the engine, and open the new folder"
            )
        self._check()
        core = await self._running()
        new = self._folder() if folder is None else Path(folder).expanduser()
        info = replace(self.info, revision=await asyncio.to_thread(locate.fingerprint, new))

        def then() -> None:
            self._weights, self._info = new, info

        try:
            await within(core, core.reload(new, then))
        except EngineError:
            await self._drop(core)
            raise

    async def close(self) -> None:
        """End vLLM's processes and free their memory."""
        with self._lock:
            self._closed = True
            core, self._core = self._core, None
        if core is not None:
            await asyncio.to_thread(core.stop)

    def _check(self, *, rating: bool = False) -> None:
        info = self.info
        if self._closed:
            raise EngineRefused(f"{info.model} is closed: make a new engine")
        if rating and info.revision:
            self._rates()
        if not rating and info.rates is not None:
            raise EngineRefused(
                f"{info.model} is a reward model: it rates replies and writes none. Give it to a "
                "Verifier, and the other roles a model that writes"
            )

    def _rates(self) -> Literal["outcome", "process"]:
        rates = self.info.rates
        if rates is None:
            raise EngineRefused(
                f"{self.info.model} is no reward model: its config.json names an architecture "
                "that writes text, and none ...ForSequenceClassification or "
                "...ForTokenClassification"
            )
        return rates

    def _folder(self) -> Path:
        return locate.fetch(self._model)

    def _seed(self, request: Request, number: int, core: "Core") -> int | None:
        if not self._seeds or request.seed is None:
            return None
        if core.library.on_cpu:
            raise ConfigError("vLLM's CPU build takes no seeds: open it without seeds=True")
        from cogitate.inference.hf.sampling import random_source

        return random_source(request, number).getrandbits(31)

    async def _running(self, *, rating: bool = False) -> "Core":
        """Return the started core; starts one where there is none, or it died."""
        self._check(rating=rating)  # again: of a model just downloaded nothing was known
        core = self._core
        if core is None or core.dead:
            core = await asyncio.to_thread(self._begun)
        try:
            if not core.started.done():
                await asyncio.shield(asyncio.wrap_future(core.started))
            core.started.result()
        except Exception:
            await self._drop(core)
            raise
        return core

    async def _drop(self, core: "Core") -> None:
        """Have the next ask start the model anew."""
        with self._lock:
            if self._core is core:
                self._core = None
        await asyncio.to_thread(core.stop)

    def _begun(self) -> "Core":
        from cogitate.inference.vllm.core import Core  # its parts import vLLM when started

        with self._lock:
            if self._closed:
                raise EngineRefused(f"{self.info.model} is closed: make a new engine")
            old = self._core
            if old is not None and not old.dead:
                return old
            home = self._folder()
            self._core = Core(self._weights or home, home, self._settings, self._adapters)
            weakref.finalize(self, self._core.stop).atexit = False  # the core sees to that itself
        if old is not None:
            old.stop()
        return self._core


def _output(output: "Output", _revision: str, _latency: float) -> "Output":
    return output


def _too_long(tokens: int, info: EngineInfo) -> str:
    return (
        f"{tokens} tokens do not fit the context of {info.model} ({info.context}): "
        "shorten the prompt, or use a model with a longer context"
    )
