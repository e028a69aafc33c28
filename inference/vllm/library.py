"""The part of vLLM that is used here, with its types: what depends on its version is in this file.

vLLM is optional, heavy, and has a GPU and a CPU build under two names, so it is imported when a
model starts and described here by protocols.
"""

import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast

from cogitate.errors import ConfigError
from cogitate.inference.vllm.orphan import OWNER

__all__ = [
    "AsyncLLM",
    "Lora",
    "Output",
    "Parameters",
    "Pooled",
    "Pooling",
    "Sample",
    "Vllm",
    "load_vllm",
]

_INSTALL = (
    "vLLM is not installed. With a GPU: pip install vllm. Without one: pip install --no-deps -r "
    "requirements-vllm.lock (what `make test-vllm` does in an environment of its own), or use hf/"
)
_QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # standard output belongs to `--json`
    "VLLM_NO_USAGE_STATS": "1",
}
"""What vLLM is told by its environment, where the user has not said otherwise."""


class _Logprob(Protocol):
    @property
    def logprob(self) -> float: ...


class Sample(Protocol):
    """One sampled completion."""

    text: str
    token_ids: Sequence[int]
    logprobs: Sequence[Mapping[int, _Logprob]] | None
    finish_reason: str | None
    stop_reason: int | str | None


class Output(Protocol):
    """What came of one request."""

    outputs: Sequence[Sample]
    prompt_logprobs: Sequence[Mapping[int, _Logprob] | None] | None
    num_cached_tokens: int | None


class _Logits(Protocol):
    def tolist(self) -> list[float]: ...


class _Classified(Protocol):
    @property
    def data(self) -> _Logits: ...


class Pooled(Protocol):
    """What the head of a model said of one prompt."""

    @property
    def outputs(self) -> _Classified:
        """Its logits, one a label."""
        ...

    @property
    def num_cached_tokens(self) -> int | None:
        """How many of the prompt's tokens were found in the cache."""
        ...


class Parameters(Protocol):
    """How a request is sampled; vLLM's `SamplingParams`."""


class Pooling(Protocol):
    """What is made of a prompt's states; vLLM's `PoolingParams`."""


class Lora(Protocol):
    """A LoRA adapter, as a request names it; vLLM's `LoRARequest`."""

    @property
    def adapter_id(self) -> int:
        """Its number."""
        ...


class AsyncLLM(Protocol):
    """vLLM's asynchronous engine: it belongs to one event loop, its model to other processes."""

    @property
    def errored(self) -> bool:
        """Whether the model's process has died."""
        ...

    def generate(
        self,
        prompt: object,
        sampling_params: Parameters,
        request_id: str,
        *,
        lora_request: Lora | None = None,
    ) -> AsyncGenerator[Output, None]:
        """Sample; to leave the generator early is to abort."""
        ...

    def encode(
        self, prompt: object, pooling_params: Pooling, request_id: str
    ) -> AsyncGenerator[Pooled, None]:
        """Read; to be cancelled meanwhile is to abort."""
        ...

    async def add_lora(self, lora_request: Lora) -> bool:
        """Load an adapter."""
        ...

    async def remove_lora(self, lora_id: int) -> bool:
        """Forget an adapter."""
        ...

    async def collective_rpc(self, method: str, *, kwargs: dict[str, str]) -> object:
        """Call a method of every worker."""
        ...

    async def reset_prefix_cache(self) -> bool:
        """Forget all keys and values; False where some are in use."""
        ...

    def shutdown(self, timeout: float | None = None) -> None:
        """End the processes."""
        ...


class Vllm:
    """The installed vLLM."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.dead = cast(
            type[Exception], import_module("vllm.v1.engine.exceptions").EngineDeadError
        )
        """Raised by every call once the model's process has died."""
        self.refused = cast(type[Exception], import_module("vllm.exceptions").VLLMClientError)
        """Raised for a request that vLLM will not take."""

    @property
    def on_cpu(self) -> bool:
        """Whether models run on the CPU."""
        platform = import_module("vllm.platforms").current_platform
        return bool(platform.is_cpu())

    def start(
        self, options: Mapping[str, object], *, eager: bool, classifies: bool = False
    ) -> AsyncLLM:
        """Start a model in processes of its own; takes seconds to minutes.

        Args:
            options: By vLLM's own names.
            eager: Nothing is compiled.
            classifies: It has a head that classifies, of which the logits are wanted.

        Raises:
            ConfigError: It is to classify, and its tokens see what follows them.
            The library's own errors: it cannot be run.
        """
        if classifies:
            pooler = import_module("vllm.config").PoolerConfig
            # All that a folder made for another purpose might say otherwise.
            head = pooler(task="classify", seq_pooling_type="LAST", use_activation=False)
            options = {**options, "runner": "pooling", "convert": "classify", "pooler_config": head}
        arguments = import_module("vllm.engine.arg_utils").AsyncEngineArgs(**options)
        engine = import_module("vllm.v1.engine.async_llm").AsyncLLM
        configuration = arguments.create_engine_config(
            import_module("vllm.usage.usage_lib").UsageContext.ENGINE_CONTEXT
        )
        model = configuration.model_config
        if classifies and model.attn_type != "decoder":
            raise ConfigError(
                f"vllm/ rates with models whose tokens see only those before them, and those of "
                f"{model.architecture} do not: open it as hf/"
            )
        # In eager mode one small function of the sampler would still wait for a C++ compiler.
        inherited = {"TORCH_COMPILE_DISABLE": "1"} if eager and self.on_cpu else {}
        inherited |= {"PYTHONWARNINGS": "ignore", OWNER: str(os.getpid())}
        with _environment(inherited), _main_is_not_run_again():
            return cast(AsyncLLM, engine.from_vllm_config(configuration, disable_log_stats=True))

    def parameters(
        self,
        *,
        temperature: float,
        max_tokens: int,
        top_p: float = 1.0,
        top_k: int = 0,
        stop: Sequence[str] = (),
        seed: int | None = None,
        schema: str | None = None,
        prompt_logprobs: bool = False,
        logprobs_of: Sequence[int] | None = None,
    ) -> Parameters:
        """Say how to sample one completion, the log-probability of each token included.

        Raises:
            The library's own errors: the values cannot be used.
        """
        held = None
        if schema is not None:
            held = import_module("vllm.sampling_params").StructuredOutputsParams(json=schema)
        return cast(
            Parameters,
            self._module.SamplingParams(
                temperature=temperature,
                max_tokens=max_tokens,
                top_p=top_p,
                top_k=top_k,
                stop=list(stop) or None,
                seed=seed,
                structured_outputs=held,
                logprobs=None if logprobs_of else 0,
                logprob_token_ids=list(logprobs_of) if logprobs_of else None,
                prompt_logprobs=0 if prompt_logprobs else None,
                output_kind=import_module("vllm.sampling_params").RequestOutputKind.FINAL_ONLY,
                skip_clone=True,
            ),
        )

    def pooling(self) -> Pooling:
        """Ask for the logits of a head that classifies."""
        return cast(Pooling, self._module.PoolingParams(task="classify", use_activation=False))

    def lora(self, name: str, number: int, folder: str) -> Lora:
        """Name an adapter.

        Args:
            name: Tells its cached blocks from those of other adapters.
            number: Its own, from 1.
            folder: Where its files are.
        """
        request = import_module("vllm.lora.request").LoRARequest
        return cast(Lora, request(lora_name=name, lora_int_id=number, lora_path=folder))

    def prompt(self, ids: Sequence[int]) -> object:
        """Make a prompt of token ids."""
        return import_module("vllm.inputs").tokens_input(list(ids))


def load_vllm() -> Vllm:
    """Import vLLM; takes seconds.

    Raises:
        ConfigError: It is not installed, or cannot be imported.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return Vllm(import_module("vllm"))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "vllm":
            raise ConfigError(_INSTALL) from None
        raise ConfigError(f"vLLM lacks {error.name}: install it again. {_INSTALL}") from error
    except (ImportError, OSError, AttributeError) as error:
        raise ConfigError(
            f"the installed vLLM cannot be used ({error}): pip install 'vllm>=0.32'"
        ) from error


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what processes started meanwhile inherit."""
    missing = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _main_is_not_run_again() -> Iterator[None]:
    """Keep a spawned process from importing the user's script, which may have no main guard.

    vLLM's processes need nothing from it.
    """
    main = sys.modules["__main__"]
    seen: dict[str, object] = vars(main)
    hidden: dict[str, object] = {
        name: seen.pop(name) for name in ("__file__", "__spec__") if name in seen
    }
    main.__spec__ = None
    try:
        yield
    finally:
        seen.update(hidden)
