"""Models by name: `provider/model` opens an engine, once for all the agents that share it."""

import asyncio
from difflib import get_close_matches
from types import TracebackType
from typing import Self

from cogitate.errors import ConfigError
from cogitate.inference.engine import Engine
from cogitate.inference.layers import layered

__all__ = ["PROVIDERS", "Engines", "open_engine"]

PROVIDERS = {
    "hf": "transformers, in process: a model id, a folder, or smollm2-135m (embedded)",
    "openai": "any OpenAI-compatible server: give its address as base_url, and what it can do as "
    "openai/NAME?logprobs=true&continues=true&concurrency=64",
    "scripted": "no model: cogitate.inference.Scripted(...) itself",
    "vllm": "vLLM, in process, for GPUs: a model id, a folder, or smollm2-135m",
}
"""What stands before the slash in a model's name, and what follows it."""


def open_engine(model: str, *, base_url: str | None = None) -> Engine:
    """Open the engine that a name means, without layers. Loads no weights and connects to nothing.

    Args:
        model: `provider/model`, such as `hf/smollm2-135m` or `openai/my-critic`.
        base_url: The address of an OpenAI-compatible server, such as `http://127.0.0.1:8000/v1`.

    Raises:
        ConfigError: The name means no model, or a key or an address is missing.

    Example:
        >>> open_engine("openai/critic", base_url="http://127.0.0.1:8000/v1").info.model
        'openai/critic'
    """
    provider, slash, name = model.partition("/")
    if not slash or provider not in PROVIDERS:
        raise ConfigError(_unknown(model, provider, slash))
    if not name:
        raise ConfigError(f"{model!r} names no model: write it after the slash, as in {provider}/…")
    if provider == "openai":
        from cogitate.inference.openai.named import open_named  # its HTTP client imports slowly

        return open_named(name, base_url=base_url)
    if base_url is not None:
        raise ConfigError(
            f"{model!r} takes no base_url: for a server, name the model openai/{name}"
        )
    if provider == "hf":
        from cogitate.inference.hf.engine import HF  # imports torch

        return HF(name)
    if provider == "vllm":
        from cogitate.inference.vllm.engine import VLLM  # imports nothing heavy, but its kin do

        return VLLM(name)
    raise ConfigError(
        f"{model!r}: a script has no name. Pass the engine itself where the name stands: "
        "cogitate.inference.Scripted([...])"
    )


def _unknown(model: str, provider: str, slash: str) -> str:
    listed = "; ".join(f"{name}/ ({what})" for name, what in PROVIDERS.items())
    close = get_close_matches(provider.lower(), PROVIDERS, n=1)
    if not slash:
        guess = f"hf/{model}" if model else "hf/smollm2-135m"
    elif close:
        guess = f"{close[0]}/{model.partition('/')[2]}"
    else:
        guess = f"hf/{model}"
    return f"{model!r} is no model name: write provider/model, such as {guess}. Providers: {listed}"


class Engines:
    """Engines with their layers: opened once by name, shared between agents, closed together.

    Example:
        >>> from cogitate.inference import Scripted
        >>> engines, script = Engines(), Scripted(["Answer: 4"])
        >>> engines.open(script) is engines.open(script)
        True
    """

    def __init__(self) -> None:
        self._named: dict[tuple[str, str | None], Engine] = {}
        self._given: dict[int, tuple[Engine, Engine]] = {}

    def open(self, model: str | Engine, *, base_url: str | None = None) -> Engine:
        """Return the engine that `model` names, or is, with its layers around it.

        The same name and address, or the same engine, give the same object each time.

        Args:
            model: `provider/model`, or an engine.
            base_url: The address of an OpenAI-compatible server.

        Raises:
            ConfigError: As `open_engine`; or an engine was given together with an address.
        """
        if not isinstance(model, str):
            if base_url is not None:
                raise ConfigError("base_url goes with a model's name: give it to the engine itself")
            given = self._given.setdefault(id(model), (model, layered(model)))
            return given[1]
        key = model, base_url.rstrip("/") if base_url else base_url
        if key not in self._named:
            self._named[key] = layered(open_engine(model, base_url=base_url))
        return self._named[key]

    async def close(self) -> None:
        """Close the engines opened here by name; those that were given belong to who made them."""
        opened = list(self._named.values())
        self._named.clear()
        self._given.clear()
        results = await asyncio.gather(*(e.close() for e in opened), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
