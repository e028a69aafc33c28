"""Loading a model folder into the machine that a worker runs."""

import threading
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from cogitate.errors import ConfigError
from cogitate.inference.hf.adapters import Adapters
from cogitate.inference.hf.attention import GROUPED, register_grouped_attention
from cogitate.inference.hf.locate import rates_of
from cogitate.inference.hf.memory import Memory
from cogitate.inference.hf.rolling import Rolling
from cogitate.inference.hf.slots import Network
from cogitate.inference.hf.worker import Machine

__all__ = ["ONE_AT_A_TIME", "load"]

ONE_AT_A_TIME = threading.Lock()
"""transformers changes PyTorch's default type, which all threads share, while it loads."""


def load(
    folder: Path,
    end: int | None,
    *,
    device: str | None,
    dtype: str | None,
    adapters: Mapping[str, Path],
    memory: Memory,
) -> Machine:
    """Load the weights of a model folder.

    Args:
        folder: The model folder, with safetensors.
        end: The tokenizer's end-of-text token; the model's own are added.
        device: As PyTorch names it; None: a GPU where there is one.
        dtype: The name of a PyTorch type; None: as saved.
        adapters: Adapter folders by name.
        memory: The bounds.

    Raises:
        ConfigError: The folder, the device or the architecture cannot be used.
    """
    if rates_of(folder) is not None:
        raise ConfigError(
            f"{folder} is a reward model and writes nothing: give it to a Verifier, and run again"
        )
    register_grouped_attention()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no annotations there
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with ONE_AT_A_TIME:
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype or "auto", use_safetensors=True, attn_implementation=GROUPED
            )
        torch.nn.Module.to(model, device)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ConfigError(f"cannot load {folder} on {device}: {error}") from error
    model.train(False)
    model.requires_grad_(False)
    network = Network(model)
    rolling = Rolling(network, ends=_ends(model, end), memory=memory)
    return Machine(rolling, Adapters(network, adapters))


def _ends(model: PreTrainedModel, end: int | None) -> set[int]:
    """Return every token that ends a completion."""
    stated = model.generation_config.eos_token_id if model.generation_config else None
    ends = {stated} if isinstance(stated, int) else set(stated or ())
    return ends | ({end} if end is not None else set())
