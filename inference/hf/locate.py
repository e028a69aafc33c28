"""Where the files of a model are, and what they say of it before any weight is loaded.

A model is the name of an embedded one, a folder, or a Hugging Face hub id. Weights must be
safetensors; code that comes with a model is never run.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from cogitate.errors import ConfigError
from cogitate.inference.engine import EngineInfo
from cogitate.inference.hf.embedded import EMBEDDED, cache_folder, ensure_embedded

__all__ = ["describe", "fetch", "find", "fingerprint", "rates_of"]

_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
_PAGES = 64


def find(model: str | Path) -> Path | None:
    """Return the folder of a model that is on this machine, or None; needs no network.

    Raises:
        ConfigError: What is there is not a model folder.
    """
    if str(model) in EMBEDDED:
        folder = cache_folder() / "models" / str(model)
        return ensure_embedded(str(model)) if folder.is_dir() else None
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"{path} has no config.json: give the folder of a saved model")
        return path
    if path.exists() or isinstance(model, Path) or not _is_hub_id(model):
        raise ConfigError(
            f"no model {str(model)!r}: give {', '.join(EMBEDDED)}, an existing model folder, or a "
            "Hugging Face id such as Qwen/Qwen3-8B"
        )
    return _snapshot(model, local_files_only=True)


def fetch(model: str | Path) -> Path:
    """Return the folder of a model, downloaded first where it is not on this machine.

    Raises:
        ConfigError: No such model, no network, or no safetensors.
    """
    folder = find(model)
    if folder is None and str(model) in EMBEDDED:
        folder = ensure_embedded(str(model))
    if folder is None:
        folder = _snapshot(str(model), local_files_only=False)
    if folder is None:
        raise ConfigError(
            f"no download of {model}: check its name, the network and HF_TOKEN, or give a folder"
        )
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder} has no *.safetensors: save the model in that format")
    return folder


def _is_hub_id(model: str) -> bool:
    owner, slash, name = model.partition("/")
    return bool(owner and slash and name) and "/" not in name and owner not in (".", "..", "~")


def _snapshot(model: str, *, local_files_only: bool) -> Path | None:
    from huggingface_hub import snapshot_download  # only hub ids need it
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                model, allow_patterns=list(_WANTED), local_files_only=local_files_only
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None


def describe(model: str | Path) -> EngineInfo:
    """Say what the files of a model say of it; loads no weights and needs no network."""
    folder = find(model)
    if folder is None:
        return EngineInfo(model=f"hf/{model}", logprobs=True, scores=True)
    whole, rates = _config(folder), rates_of(folder)
    inner = whole.get("text_config")
    known = inner if isinstance(inner, dict) and inner else whole
    context = known.get("max_position_embeddings") or known.get("n_positions")
    return EngineInfo(
        model=f"hf/{model}",
        revision=fingerprint(folder),
        context=context if isinstance(context, int) else None,
        parameters=_parameters(folder),
        logprobs=rates is None,
        scores=rates is None,
        rates=rates,
    )


def rates_of(folder: Path) -> Literal["outcome", "process"] | None:
    """Say what the model of a folder rates: whole replies, their steps, or nothing.

    A head that classifies sequences rates outcomes; one that classifies tokens rates steps.
    """
    architectures = _config(folder).get("architectures")
    for name in architectures if isinstance(architectures, list) else []:
        if str(name).endswith("ForSequenceClassification"):
            return "outcome"
        if str(name).endswith("ForTokenClassification"):
            return "process"
    return None


def _config(folder: Path) -> dict[str, JsonValue]:
    try:
        known = json.loads((folder / "config.json").read_text())
    except ValueError as error:
        raise ConfigError(f"{folder}/config.json is not JSON: save the model again") from error
    return known if isinstance(known, dict) else {}


def _parameters(folder: Path) -> int | None:
    total = 0
    for file in folder.glob("*.safetensors"):
        for name, tensor in _header(file).items():
            if name != "__metadata__":
                size = 1
                for dimension in tensor["shape"]:
                    size *= dimension
                total += size
    return total or None


def _header(file: Path) -> dict[str, dict[str, list[int]]]:
    try:
        with file.open("rb") as weights:
            (size,) = struct.unpack("<Q", weights.read(8))
            header: dict[str, dict[str, list[int]]] = json.loads(weights.read(min(size, 1 << 26)))
            return header
    except (struct.error, ValueError) as error:
        raise ConfigError(f"{file} is not a safetensors file: save or download it again") from error


def fingerprint(folder: Path) -> str:
    """Return which weights a folder holds: of its settings, and of pages spread over each file.

    Reading all of a large model would take minutes. Training changes nearly every page, so a few
    of them tell two trained models apart.
    """
    digest = hashlib.blake2b(digest_size=8)
    files = [*folder.glob("*.safetensors"), *folder.glob("*config.json")]
    for file in sorted(files):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            if size <= 1 << 24:
                digest.update(stream.read())
            else:
                for page in range(_PAGES + 1):
                    stream.seek((size - 4096) * page // _PAGES)
                    digest.update(stream.read(4096))
    return digest.hexdigest()
