"""How a model is called: requests, completions, engines and the layers around them."""

from typing import TYPE_CHECKING

from cogitate.inference.coalesce import Coalesce
from cogitate.inference.completion import Completion, Rating, Score, Usage
from cogitate.inference.engine import Engine, EngineInfo, Price
from cogitate.inference.layers import layered
from cogitate.inference.models import PROVIDERS, Engines, open_engine
from cogitate.inference.request import Message, Prefix, Request, Sampling
from cogitate.inference.retry import Retry
from cogitate.inference.scripted import Scripted

if TYPE_CHECKING:
    from cogitate.inference.hf.engine import HF
    from cogitate.inference.openai.engine import OpenAI
    from cogitate.inference.vllm.engine import VLLM

__all__ = [
    "HF",
    "PROVIDERS",
    "VLLM",
    "Coalesce",
    "Completion",
    "Engine",
    "EngineInfo",
    "Engines",
    "Message",
    "OpenAI",
    "Prefix",
    "Price",
    "Rating",
    "Request",
    "Retry",
    "Sampling",
    "Score",
    "Scripted",
    "Usage",
    "layered",
    "open_engine",
]


def __getattr__(name: str) -> object:
    """Import the engines that need a heavy library only when they are asked for."""
    if name == "HF":
        from cogitate.inference.hf.engine import HF

        return HF
    if name == "OpenAI":
        from cogitate.inference.openai.engine import OpenAI

        return OpenAI
    if name == "VLLM":
        from cogitate.inference.vllm.engine import VLLM

        return VLLM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
