"""The head of a reward model, as far as a folder's files tell of it before anything starts."""

import json
from pathlib import Path
from typing import Literal

from cogitate.errors import ConfigError
from cogitate.inference.vllm.weights import shapes

__all__ = ["architecture", "check_head", "padding"]

_WEIGHT = "score.weight"
_SUFFIX = {"outcome": "ForSequenceClassification", "process": "ForTokenClassification"}


def architecture(folder: Path, rates: Literal["outcome", "process"]) -> str:
    """Return by which name vLLM knows a reward model: that of the classifier of sequences.

    Of the models that write, it has no classifiers of tokens, whose body and head are the same.
    """
    config = json.loads((folder / "config.json").read_text())
    suffix = _SUFFIX[rates]
    name = next(str(name) for name in config["architectures"] if str(name).endswith(suffix))
    return name.removesuffix(suffix) + _SUFFIX["outcome"]


def check_head(folder: Path) -> None:
    """Refuse a folder whose head vLLM could not use.

    Raises:
        ConfigError: No head, one of another build, or of too many labels.
    """
    found = shapes(folder)
    shape = found.get(_WEIGHT)
    if shape is None:
        raise ConfigError(
            f"{folder} lacks weights of its reward model ({_WEIGHT}). If the trained model was "
            "saved without its head, save it again; if its head has other names, open it as hf/"
        )
    if len(shape) != 2 or shape[0] > 2:
        raise ConfigError(f"{folder} has {shape[0]} labels: a reward model has one or two")


def padding(folder: Path) -> int | None:
    """Return the token that a model is padded with."""
    config = json.loads((folder / "config.json").read_text())
    found = (config.get("text_config") or config).get("pad_token_id")
    return found if isinstance(found, int) else None
