"""An adapter made part of its base: a whole model, which engines load like any other."""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cogitate.training.checkpoint import FILE, Checkpoint
from cogitate.training.trainers.weights import Start, load_policy, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["keep_model", "merge"]

_LIBRARIES = ("cogitate", "torch", "transformers", "peft")


def merge(base: str, adapter: Path, output: Path) -> Path:
    """Save a base with an adapter merged into it, and return the folder.

    The weights are in float32, in which adapters are trained. Its record is the adapter's: which
    rows it was trained on, and how. It also says which adapter that was.

    Args:
        base: A model's name or its folder.
        adapter: A PEFT folder.
        output: The folder to make, replaced once it is whole.

    Raises:
        ConfigError: No such base or adapter, or a kind that cannot be merged.
    """
    start = Start.at(base, adapter)
    found = keep_model(load_policy(start), tokenizer_of(start), output, start, method="merge")
    if (adapter / FILE).is_file():
        said = Checkpoint.load(adapter)
        said.model_copy(
            update={"merged": start.adapter_revision, "merged_from": start.parent}
        ).save(output)
    return found


def keep_model(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    output: Path,
    start: Start,
    *,
    method: str,
) -> Path:
    """Save a model that was made of another one without rows, all or nothing of it.

    Args:
        model: What to save.
        tokenizer: Its own.
        output: The folder to make.
        start: What it was made of.
        method: How, for its record.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    half = output.with_name(f"{output.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    model.save_pretrained(half)
    tokenizer.save_pretrained(half)
    Checkpoint(
        parent=start.parent,
        parent_revision=start.parent_revision,
        base=start.base,
        base_revision=start.revision,
        method=method,
        settings={},
        rows=0,
        data_hash="",
        metrics={},
        libraries={name: version(name) for name in _LIBRARIES},
    ).save(half)
    shutil.rmtree(output, ignore_errors=True)
    half.rename(output)
    return output
