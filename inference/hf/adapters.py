"""PEFT adapters in one model, loaded on first use and mixed in one batch.

An adapter is known by what its files hold: a folder that training has written again is a new
adapter, and rows that still run keep the old one. Left out: adapters that replace whole modules or
are not LoRA, which cannot be mixed in a batch.
"""

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from peft import PeftModel

from cogitate.errors import ConfigError
from cogitate.inference.hf.adapter_files import CONFIG, WEIGHTS, AdapterFiles, check_adapter
from cogitate.inference.hf.slots import Network

__all__ = ["Adapters", "Loaded"]

_PREFIX = "base_model.model."


class Loaded(NamedTuple):
    """An adapter in the model."""

    name: str
    """Its name among the model's adapters."""
    revision: str


class Adapters:
    """The adapters of one model.

    Args:
        network: The model.
        folders: Adapters by name. Any other name is a folder.
        most: The most adapters kept loaded, those in use aside.
    """

    def __init__(self, network: Network, folders: Mapping[str, Path], *, most: int = 16) -> None:
        self._network = network
        self._files = AdapterFiles(folders)
        self._most = most
        self._model: PeftModel | None = None
        self._loaded: OrderedDict[str, None] = OrderedDict()

    def load(self, adapter: str, *, in_use: Collection[str]) -> Loaded:
        """Return an adapter as its files are now, loaded where it is not yet.

        Args:
            adapter: A known name, or a folder.
            in_use: The names that running rows need.

        Raises:
            ConfigError: No such adapter, or not one for this model.
        """
        folder, revision = self._files.find(adapter)
        name = f"a{revision}"  # a module name: no dots
        if name not in self._loaded:
            self._check(folder)
            self._add(folder, name)
        self._loaded[name] = None
        self._loaded.move_to_end(name)
        for old in [old for old in self._loaded if old not in in_use and old != name]:
            if len(self._loaded) <= self._most or self._model is None:
                break
            self._model.set_adapter(name, inference_mode=True)  # PEFT warns of the active one
            self._model.delete_adapter(old)
            del self._loaded[old]
        return Loaded(name, revision)

    def _check(self, folder: Path) -> None:
        """Refuse what would fail half-way through loading and leave the model changed."""
        from safetensors import safe_open

        check_adapter(folder)
        with safe_open(folder / WEIGHTS, framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118  # not a mapping
                shape = weights.get_slice(key).get_shape()
                if not self._fits(key.removeprefix(_PREFIX), shape):
                    config = json.loads((folder / CONFIG).read_text())
                    raise ConfigError(
                        f"{folder} does not fit this model ({key}): it was trained on another; "
                        f"its config names {config.get('base_model_name_or_path')!r}"
                    )

    def _fits(self, key: str, shape: list[int]) -> bool:
        module, _, part = key.rpartition(".lora_")
        side = {"A.weight": ("in_features", 1), "B.weight": ("out_features", 0)}.get(part)
        base = self._model.get_base_model() if self._model else self._network.model
        try:
            layer = base.get_submodule(module)
        except AttributeError:
            return False
        # Linear and LoRA layers have sizes; an embedding has none and is left to PEFT.
        return side is None or getattr(layer, side[0], shape[side[1]]) == shape[side[1]]

    def _add(self, folder: Path, name: str) -> None:
        device = str(self._network.device)
        try:
            if self._model is None:
                self._model = PeftModel.from_pretrained(
                    self._network.model, str(folder), adapter_name=name, torch_device=device
                )
                self._network.model = self._model
            else:
                self._model.load_adapter(str(folder), adapter_name=name, torch_device=device)
        except (ValueError, RuntimeError, KeyError) as error:
            raise ConfigError(f"{folder} does not fit this model: {error}") from error
        self._model.eval()
        self._model.requires_grad_(False)
