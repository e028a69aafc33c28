"""Reward models: a transformers model with a head that classifies sequences or tokens.

An outcome model (sequence classification) reads the whole conversation, the reply as its last turn,
just as the chat template writes it, and rates it once. A process model (token classification) reads
the prompt and then the steps, and rates each step at the step's last token (see `reading`).

A head of one label gives a logit, and its score is the sigmoid; of two labels the last is the good
one, and the score is its probability.

Left out: reward models whose classes come with the model as code, and those that answer with a
token of their own (`+`, `-`); adapters; sharing the computation of a prefix that replies have in
common.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)
from transformers.utils import logging

from cogitate.errors import ConfigError, EngineRefused
from cogitate.inference.hf.encode import Encoder
from cogitate.inference.hf.load import ONE_AT_A_TIME
from cogitate.inference.hf.locate import rates_of
from cogitate.inference.hf.reading import Reader, Reading
from cogitate.inference.request import Message

__all__ = ["RewardModel", "load_reward"]


class RewardModel:
    """A loaded reward model. Used by one thread.

    Args:
        model: The network, in evaluation mode.
        reader: Encodes what it rates.
    """

    def __init__(self, model: PreTrainedModel, reader: Reader) -> None:
        self._model = model
        self._reader = reader
        self._config = model.config.get_text_config()
        self._pad: int | None = self._config.pad_token_id

    def read(self, messages: tuple[Message, ...], steps: Sequence[str]) -> Reading:
        """Encode a conversation and the reply to it.

        Raises:
            EngineRefused: No step or one without text, or messages that the template refuses.
        """
        return self._reader.read(messages, steps)

    def rate(self, readings: Sequence[Reading]) -> list[tuple[float, ...]]:
        """Rate conversations in one padded batch."""
        longest = max(len(reading.ids) for reading in readings)
        pad = self._padding(readings)
        tokens_BT = torch.full((len(readings), longest), pad, dtype=torch.long)
        mask_BT = torch.zeros_like(tokens_BT)
        for row, reading in enumerate(readings):
            tokens_BT[row, : len(reading.ids)] = torch.tensor(reading.ids)
            mask_BT[row, : len(reading.ids)] = 1
        device = self._model.device
        with torch.inference_mode():
            output = self._model(input_ids=tokens_BT.to(device), attention_mask=mask_BT.to(device))
            logits = output.logits.float()  # labels last: (B, C) of an outcome, (B, T, C) of steps
            scores = logits.sigmoid() if logits.shape[-1] == 1 else logits.softmax(dim=-1)
        good = scores[..., -1].cpu()
        return [
            tuple(good[row, list(reading.ends)].tolist()) if reading.ends else (good[row].item(),)
            for row, reading in enumerate(readings)
        ]

    def _padding(self, readings: Sequence[Reading]) -> int:
        """Return the token to pad with.

        A model without one would take the last token of a row for the last of its conversation, so
        it is told of one that no row contains.
        """
        if self._pad is not None:
            return self._pad
        used = {token for reading in readings for token in reading.ids}
        pad = next(token for token in range(self._config.vocab_size) if token not in used)
        self._config.pad_token_id = pad
        return pad


def load_reward(
    folder: Path,
    encoder: Encoder,
    *,
    device: str | None,
    dtype: str | None,
    step_end: str = "",
) -> RewardModel:
    """Load the reward model of a folder.

    Args:
        folder: The model folder, with safetensors.
        encoder: The folder's tokenizer and chat template.
        device: As PyTorch names it; None: a GPU where there is one.
        dtype: The name of a PyTorch type; None: as saved.
        step_end: See `Reader`.

    Raises:
        EngineRefused: The folder holds no reward model.
        ConfigError: The folder, the device or the architecture cannot be used.
    """
    rates = rates_of(folder)
    if rates is None:
        raise EngineRefused(
            f"{folder} is no reward model: its config.json must name an architecture "
            "...ForSequenceClassification or ...ForTokenClassification"
        )
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no annotations there
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    auto = (
        AutoModelForSequenceClassification
        if rates == "outcome"
        else AutoModelForTokenClassification
    )
    try:
        with ONE_AT_A_TIME:
            model, found = auto.from_pretrained(
                folder,
                dtype=dtype or "auto",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        torch.nn.Module.to(model, device)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ConfigError(f"cannot load {folder} on {device}: {error}") from error
    if missing := sorted(found["missing_keys"]):
        raise ConfigError(
            f"{folder} lacks weights of its reward model ({', '.join(missing[:3])}): its scores "
            "would be noise. Save the trained model with its head"
        )
    if model.config.num_labels > 2:
        raise ConfigError(
            f"{folder} has {model.config.num_labels} labels: a reward model has one or two"
        )
    model.train(False)
    model.requires_grad_(False)
    model.config.use_cache = False
    return RewardModel(model, Reader(encoder, rates, step_end=step_end))
