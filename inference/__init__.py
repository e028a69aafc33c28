"""How a model is called: requests, completions, engines and the layers around them."""

from cogitate.inference.completion import Completion, Score, Usage
from cogitate.inference.engine import Engine, EngineInfo, Price
from cogitate.inference.request import Message, Prefix, Request, Sampling
from cogitate.inference.scripted import Scripted

__all__ = [
    "Completion",
    "Engine",
    "EngineInfo",
    "Message",
    "Prefix",
    "Price",
    "Request",
    "Sampling",
    "Score",
    "Scripted",
    "Usage",
]
