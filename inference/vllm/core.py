"""A model that vLLM runs: an event loop in a thread of its own here, and processes beside it.

    VLLM ──coroutine──► Core: thread with an event loop ──► AsyncLLM ──► EngineCore, workers
                                                                            (processes)

vLLM's engine belongs to the event loop that started it, while an engine of ours outlives loops; and
its start holds a loop up for seconds to minutes. So it gets a loop that nobody else uses. Its
processes end when the core is stopped, when its owner is forgotten, and when the interpreter exits.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import threading
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cogitate.errors import ConfigError, EngineError, EngineRefused, EngineUnavailable
from cogitate.inference.hf.locate import rates_of
from cogitate.inference.vllm.adapters import Adapters
from cogitate.inference.vllm.gate import Gate
from cogitate.inference.vllm.head import check_head, padding
from cogitate.inference.vllm.library import (
    AsyncLLM,
    Lora,
    Output,
    Parameters,
    Pooled,
    Vllm,
    load_vllm,
)
from cogitate.inference.vllm.settings import Settings
from cogitate.inference.vllm.weights import same_tensors

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["Core"]

T = TypeVar("T")

_STARTS = threading.Lock()
"""A start changes the environment, and tells its processes by those that were there before."""
_CLOSED = "this engine was closed: make a new one"
_GRACE = 5.0
"""Seconds that processes have to end by themselves."""


class Core:
    """A running model.

    Args:
        folder: The model folder.
        tokenizer: The folder of its tokenizer.
        settings: How it is run.
        adapters: Adapter folders by name.
    """

    def __init__(
        self, folder: Path, tokenizer: Path, settings: Settings, adapters: Mapping[str, Path]
    ) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self.padding = padding(folder)
        """The token that the model is padded with."""
        self._settings = settings
        self._adapter_folders = adapters
        self._loop = asyncio.new_event_loop()
        self._gate = Gate()
        self._ids = itertools.count()
        self._there: set[int | None] | None = None
        """The processes that were there before the model's."""
        self._engine: AsyncLLM | None = None
        self._adapters: Adapters | None = None
        self._library: Vllm | None = None
        self._stopped = False
        self._ended = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="cogitate-vllm", daemon=True)
        self._thread.start()
        self.started = self.submit(self._start())
        """Done when the model is loaded, or could not be."""

    def submit(self, call: Coroutine[None, None, T]) -> "concurrent.futures.Future[T]":
        """Run a coroutine in the core's event loop; cancelling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    @property
    def dead(self) -> bool:
        """Whether the model's process has died, or was stopped."""
        return self._stopped or (self._engine is not None and self._engine.errored)

    @property
    def library(self) -> Vllm:
        """VLLM itself, once the model is started."""
        if self._library is None:
            raise EngineUnavailable("vLLM has not started yet: ask again")
        return self._library

    async def sample(
        self,
        prompt: Sequence[int],
        parameters: Sequence[Parameters],
        adapter: str | None,
        made: Callable[[Output, str, float], T],
    ) -> list[T]:
        """Sample one completion for each of `parameters`. Runs in the core's event loop.

        Args:
            prompt: The ids of the prompt they share.
            parameters: How to sample each.
            adapter: The adapter all of them wear.
            made: Makes the result of an output, the adapter's revision and the seconds it took.

        Raises:
            ConfigError: No such adapter.
            EngineError: vLLM refused or failed.
        """
        begun = time.perf_counter()
        async with self._gate.together():
            if adapter is None:
                return await self._together(prompt, parameters, None, "", begun, made)
            if self._adapters is None:
                raise ConfigError("this engine takes no adapters: open it with adapter_slots=4")
            try:
                async with self._adapters.worn(adapter) as worn:
                    return await self._together(
                        prompt, parameters, worn.lora, worn.revision, begun, made
                    )
            except self.library.dead as error:
                raise self._failure(error) from error

    async def _together(
        self,
        prompt: Sequence[int],
        parameters: Sequence[Parameters],
        lora: Lora | None,
        revision: str,
        begun: float,
        made: Callable[[Output, str, float], T],
    ) -> list[T]:
        async def one(how: Parameters) -> T:
            output = await self._one(prompt, how, lora)
            return made(output, revision, time.perf_counter() - begun)

        if len(parameters) == 1:
            return [await one(parameters[0])]
        return await _all(map(one, parameters))

    async def _one(self, prompt: Sequence[int], how: Parameters, lora: Lora | None) -> Output:
        given = self.library.prompt(prompt)
        return await self._last(
            lambda engine, name: engine.generate(given, how, name, lora_request=lora)
        )

    async def classify(self, prompts: Sequence[Sequence[int]]) -> list[Pooled]:
        """Have a reward model's head classify each prompt. Runs in the core's event loop.

        The last prompt is begun first: where it contains the others, they find it in the cache.

        Raises:
            EngineError: vLLM refused or failed.
        """

        async def one(prompt: Sequence[int]) -> Pooled:
            given = self.library.prompt(prompt)
            return await self._last(lambda engine, name: engine.encode(given, how, name))

        async with self._gate.together():
            how = self.library.pooling()
            return (await _all(map(one, reversed(prompts))))[::-1]

    async def _last(self, ask: Callable[[AsyncLLM, str], AsyncGenerator[T, None]]) -> T:
        """Return the last that vLLM gives to a request of its own name."""
        if self._engine is None or self._stopped:
            raise EngineRefused(_CLOSED)
        name, last = f"r{next(self._ids)}", None
        try:
            async for output in ask(self._engine, name):
                last = output
        except asyncio.CancelledError:
            if self._stopped:
                raise EngineRefused(_CLOSED) from None
            raise
        except Exception as error:  # vLLM passes on whatever failed in it
            raise self._failure(error) from error
        if last is None:
            raise EngineUnavailable("vLLM gave a request up: ask again")
        return last

    async def reload(self, folder: Path, then: Callable[[], None]) -> None:
        """Put other weights in place, when the asks under way are done. Later ones wait.

        Args:
            folder: Weights of the same tensors.
            then: Called before the first ask that gets them.

        Raises:
            ConfigError: They are of another model; nothing has changed.
            EngineError: It failed half-way: the core must be stopped.
        """
        await asyncio.to_thread(same_tensors, folder, self._folder)
        async with self._gate.alone():
            if self._engine is None or self._stopped:
                raise EngineRefused(_CLOSED)
            try:
                await self._engine.collective_rpc(
                    "reload_weights", kwargs={"weights_path": str(folder)}
                )
                await self._engine.reset_prefix_cache()
                then()
            except Exception as error:  # vLLM passes on whatever its worker raised
                raise EngineError(
                    f"vLLM could not load the weights of {folder} ({error}): the next ask starts "
                    "the model anew"
                ) from error

    def _failure(self, error: Exception) -> EngineError:
        """What an error of vLLM means to who asked."""
        if self._stopped:
            return EngineRefused(_CLOSED)
        if isinstance(error, EngineError):
            return error
        if isinstance(error, self.library.dead):
            return EngineUnavailable(
                "vLLM's process died (its log says why; often memory): asked again, it is started "
                "again. If it dies again, lower max_rows or cache_gib"
            )
        if isinstance(error, (self.library.refused, ValueError)):
            return EngineRefused(f"vLLM refuses this request: {error}. Change it, or leave it out")
        return EngineError(f"vLLM failed ({type(error).__name__}: {error}): see its log")

    def stop(self) -> None:
        """Fail what is under way, end the processes and the thread. Blocks for a moment."""
        with self._ended:
            if self._stopped and not self._thread.is_alive():
                return
            self._stopped = True
            atexit.unregister(self.stop)
            self._soon(self._cancel_all)
            if self._there is not None:
                self._end_processes()
            self._soon(self._loop.stop)
            if threading.current_thread() is not self._thread:
                self._thread.join(_GRACE)
            adapters, self._adapters = self._adapters, None
            if adapters is not None:
                adapters.close()

    def _soon(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is under way
            self._loop.call_soon_threadsafe(act)

    def _cancel_all(self) -> list[asyncio.Task[object]]:
        tasks = list(asyncio.all_tasks(self._loop))
        for task in tasks:
            task.cancel()
        return tasks

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            if tasks := self._cancel_all():
                self._loop.run_until_complete(asyncio.wait(tasks))
        finally:
            self._loop.close()

    async def _start(self) -> None:
        try:
            rates = rates_of(self._folder)
            if rates is not None:
                check_head(self._folder)
            self._library = load_vllm()
            with _STARTS:
                if self._stopped:
                    raise EngineRefused(_CLOSED)
                self._there = {process.pid for process in multiprocessing.active_children()}
                atexit.register(self.stop)
                on_cpu = self._library.on_cpu
                self._engine = self._library.start(
                    self._settings.options(
                        self._folder, self._tokenizer, on_cpu=on_cpu, rates=rates
                    ),
                    eager=self._settings.is_eager(on_cpu=on_cpu),
                    classifies=rates is not None,
                )
            if self._settings.adapter_slots and rates is None:
                self._adapters = Adapters(
                    self._library, self._engine, self._folder, self._adapter_folders
                )
        except (ConfigError, EngineRefused):
            raise
        except Exception as error:  # vLLM raises many kinds for what it cannot run
            if not self._stopped:
                raise ConfigError(_cannot_start(self._folder, error)) from error
        if self._stopped:  # meanwhile, and perhaps before there were processes to end
            self._end_processes()
            raise EngineRefused(_CLOSED)

    def _processes(self) -> "list[BaseProcess]":
        if self._there is None:
            return []
        mine = [p for p in multiprocessing.active_children() if p.pid not in self._there]
        return [process for process in mine if process.name.startswith("EngineCore")]

    def _end_processes(self) -> None:
        """End the model's processes and their children, by force where they do not heed."""
        import psutil  # comes with vLLM

        roots = self._processes()
        workers: list[psutil.Process] = []
        for root in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                workers += psutil.Process(root.pid).children(recursive=True)
        # vLLM lets its processes end one after the other, each waiting for the next. A worker of
        # the CPU build often hangs as it ends, and holds nothing that its end would lose.
        on_cpu = self._library is not None and self._library.on_cpu
        for member in (*roots, *workers):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill() if on_cpu and member in workers else member.terminate()
        if self._engine is not None:
            self._engine.shutdown(timeout=_GRACE)
            self._engine = None
        for root in roots:
            root.join(_GRACE)
            root.kill()
        _, left = psutil.wait_procs(workers, timeout=_GRACE)
        for worker in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


async def _all(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Await several at once; where one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _cannot_start(folder: Path, error: Exception) -> str:
    said = str(error).strip() or type(error).__name__
    if "LoRA" in said:
        advice = "open it with VLLM(..., adapter_slots=0)"
    elif "memory" in said.lower() or "KV cache" in said:
        advice = "give VLLM(..., context=...) a shorter one, or more cache_gib or gpu_memory"
    else:
        advice = "its log, on standard error, says more; hf/ may run the model"
    return f"vLLM cannot run {folder}: {said}. To mend it: {advice}"
