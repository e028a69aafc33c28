"""The memory of a running batch: one slot of keys and values for each row, and the forward pass.

All layers and rows lie in one tensor, and every row starts at index 0 of its slot, so that an index
is a position. A row joins by being written into the next slot and leaves by having the last row
moved into its place: no step copies the whole memory, and active rows always are the first ones.
"""

from collections.abc import Sequence

import torch
from peft import PeftModel
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from cogitate.errors import ConfigError

__all__ = ["BARE", "Network", "Slots"]

BARE = "__base__"
"""PEFT's name for no adapter."""

_ROUND = 64
"""Slots grow by whole multiples of this many tokens."""


class _Window(Cache):
    """What the model's forward pass sees: the slots of the rows that it computes."""

    def __init__(self, slots_L2BHTD: torch.Tensor, positions_BS: torch.Tensor, length: int) -> None:
        super().__init__(layers=[])
        self._slots = slots_L2BHTD
        self._rows = torch.arange(positions_BS.shape[0], device=positions_BS.device)[:, None]
        self._positions = positions_BS
        self._length = length

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: object,
        **kwargs: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._slots[layer_idx]
        keys[self._rows, :, self._positions] = key_states.transpose(1, 2)
        values[self._rows, :, self._positions] = value_states.transpose(1, 2)
        return keys[:, :, : self._length], values[:, :, : self._length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._length


class Network:
    """A decoder with its masks: what the forward pass needs beside the slots.

    Raises:
        ConfigError: The architecture does not keep one plain cache of keys and values.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model: PreTrainedModel | PeftModel = model
        """The model, inside PEFT's wrapper once it has an adapter."""
        config = model.config.get_text_config()
        self.vocabulary: int = config.vocab_size
        window: int | None = getattr(config, "sliding_window", None)  # not every config has one
        layers = getattr(config, "layer_types", None) or [  # nor this
            "sliding_attention" if window else "full_attention"
        ]
        self._kinds = frozenset(layers)
        self._window = window
        self.device = model.device
        self.dtype = model.dtype
        self.shape = self._probe(type(model).__name__)
        """Layers, key-value heads and head size."""

    def wear(self, adapters: Sequence[str]) -> dict[str, list[str]]:
        """Put an adapter on that all rows wear; where they differ, return what names each row's.

        PEFT looks named rows up in every layer, by lists that it copies to the device each time.
        """
        worn = set(adapters)
        if len(worn) > 1 or BARE in worn or not isinstance(self.model, PeftModel):
            return {"adapter_names": list(adapters)}
        [name] = worn
        if self.model.active_adapter != name:
            self.model.set_adapter(name, inference_mode=True)
        return {}

    def _probe(self, name: str) -> tuple[int, int, int]:
        advice = f"hf cannot batch {name}: serve it, and use openai/ or vllm/ for it"
        if not self._kinds <= {"full_attention", "sliding_attention"}:
            raise ConfigError(advice)
        cache = DynamicCache()
        token = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        with torch.inference_mode():
            self.model(token, past_key_values=cache, use_cache=True)
        shapes = {
            tuple(states.shape)
            for layer in cache.layers
            if isinstance(layer, DynamicLayer)
            for states in (layer.keys, layer.values)
            if states is not None
        }
        if len(shapes) != 1:
            raise ConfigError(advice)
        _, heads, _, size = shapes.pop()
        return len(cache.layers), heads, size

    def masks(
        self, positions_BS: torch.Tensor, length: int
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Say which keys each query sees: those up to its own position."""
        keys_T = torch.arange(length, device=positions_BS.device)
        queries_B1S1 = positions_BS[:, None, :, None]
        full = keys_T <= queries_B1S1
        if self._kinds == {"full_attention"} or self._window is None:
            return full
        sliding = full & (keys_T > queries_B1S1 - self._window)
        if self._kinds == {"sliding_attention"}:
            return sliding
        return {"full_attention": full, "sliding_attention": sliding}


class Slots:
    """Keys and values of up to `rows` rows of `length` tokens.

    Args:
        network: The model.
        max_tokens: The bound on rows x length.
        max_rows: The bound on rows.
    """

    def __init__(self, network: Network, *, max_tokens: int, max_rows: int) -> None:
        self._network = network
        self._max_tokens = max_tokens
        self._max_rows = max_rows
        self._kv = self._empty(0, 0)

    def _empty(self, rows: int, length: int) -> torch.Tensor:
        layers, heads, size = self._network.shape
        # zeros, not whatever was there: a masked NaN would still spoil the softmax
        return torch.zeros(
            (layers, 2, rows, heads, length, size),
            dtype=self._network.dtype,
            device=self._network.device,
        )

    def clear(self) -> None:
        """Give the memory back."""
        self._kv = self._empty(0, 0)

    def fits(self, rows: int, length: int) -> bool:
        """Say whether `rows` rows of `length` tokens stay within the bounds."""
        return rows <= self.most(length)

    def most(self, length: int) -> int:
        """Say how many rows of `length` tokens stay within the bounds."""
        return min(self._max_rows, self._max_tokens // length)

    def reserve(self, rows: int, length: int, *, active: int) -> None:
        """Make room for `rows` rows of `length` tokens, keeping the first `active` rows."""
        have_rows, have_length = self._kv.shape[2], self._kv.shape[4]
        if rows <= have_rows and length <= have_length:
            return
        roomy = max(have_length, -(-length // _ROUND) * _ROUND)
        length = max(length, min(roomy, self._max_tokens // rows))
        rows = max(rows, min(2 * rows, self._max_rows, self._max_tokens // length))
        old = self._kv
        if not active:
            self.clear()  # freed before the new one is made
            old = self._kv
        self._kv = self._empty(rows, length)
        kept = min(old.shape[4], length)
        if active:
            self._kv[:, :, :active, :, :kept] = old[:, :, :active, :, :kept]

    def read(self, row: int, start: int, stop: int) -> torch.Tensor:
        """Copy the tokens `start` to `stop` of a row out."""
        return self._kv[:, :, row, :, start:stop].clone()

    def write(self, row: int, start: int, states_L2HTD: torch.Tensor) -> None:
        """Put tokens that were read before into a row."""
        self._kv[:, :, row, :, start : start + states_L2HTD.shape[3]] = states_L2HTD

    def copy(self, source: int, row: int, length: int) -> None:
        """Copy the first `length` tokens of the row `source`."""
        self._kv[:, :, row, :, :length] = self._kv[:, :, source, :, :length]

    def forward(
        self,
        first: int,
        tokens_BS: torch.Tensor,
        positions_BS: torch.Tensor,
        *,
        length: int,
        keep: int,
        adapters: Sequence[str] | None = None,
    ) -> torch.Tensor:
        """Compute tokens of the rows from `first` on, and return the logits of the last `keep`.

        Args:
            first: The slot of the first row.
            tokens_BS: The tokens, aligned at the end.
            positions_BS: Where each of them stands.
            length: One more than the largest position.
            keep: How many of the last columns need logits.
            adapters: The adapter of each row, where adapters are loaded.
        """
        window = self._kv[:, :, first : first + tokens_BS.shape[0]]
        named = {} if adapters is None else self._network.wear(adapters)
        output = self._network.model(
            input_ids=tokens_BS,
            attention_mask=self._network.masks(positions_BS, length),
            position_ids=positions_BS,
            past_key_values=_Window(window, positions_BS, length),
            use_cache=True,
            logits_to_keep=keep,
            **named,
        )
        logits_BKV: torch.Tensor = output.logits
        return logits_BKV.float()
