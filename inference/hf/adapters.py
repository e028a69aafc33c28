"""PEFT adapters in one model, loaded on first use and mixed in one batch.

An adapter is known by what its files hold: a folder that training has written again is a new
adapter, and rows that still run keep the old one. Left out: adapters that replace whole modules or
are not LoRA, which cannot be mixed in a batch.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from peft import PeftModel

from cogitate.errors import ConfigError
from cogitate.inference.hf.slots import Network

__all__ = ["Adapters", "Loaded"]

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
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
        self._folders = folders
        self._most = most
        self._model: PeftModel | None = None
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._revisions: dict[Path, tuple[tuple[int, ...], str]] = {}

    def load(self, adapter: str, *, in_use: Collection[str]) -> Loaded:
        """Return an adapter as its files are now, loaded where it is not yet.

        Args:
            adapter: A known name, or a folder.
            in_use: The names that running rows need.

        Raises:
            ConfigError: No such adapter, or not one for this model.
        """
        folder = self._folders.get(adapter, Path(adapter).expanduser())
        revision = self._revision(folder, adapter)
        name = f"a{revision}"  # a module name: no dots
        if name not in self._loaded:
            self._check(folder)
            self._add(folder, name)
        self._loaded[name] = None
        self._loaded.move_to_end(name)
        for old in [old for old in self._loaded if old not in in_use and old != name]:
            if len(self._loaded) <= self._most or self._model is None:
                break
            self._model.delete_adapter(old)
            del self._loaded[old]
        return Loaded(name, revision)

    def _revision(self, folder: Path, adapter: str) -> str:
        try:
            stats = [(folder / file).stat() for file in (_WEIGHTS, _CONFIG)]
        except OSError:
            known = ", ".join(self._folders) or "none by name"
            raise ConfigError(
                f"no adapter {adapter!r}: give a folder with {_CONFIG} and {_WEIGHTS} "
                f"(known: {known})"
            ) from None
        state = tuple(x for stat in stats for x in (stat.st_mtime_ns, stat.st_size, stat.st_ino))
        known_state, revision = self._revisions.get(folder, ((), ""))
        if state != known_state:
            digest = hashlib.blake2b(digest_size=8)
            for file in (_CONFIG, _WEIGHTS):
                digest.update((folder / file).read_bytes())
            revision = digest.hexdigest()
            self._revisions[folder] = (state, revision)
        return revision

    def _check(self, folder: Path) -> None:
        """Refuse what would fail half-way through loading and leave the model changed."""
        from safetensors import safe_open

        try:
            config = json.loads((folder / _CONFIG).read_text())
        except ValueError as error:
            raise ConfigError(f"{folder}/{_CONFIG} is not JSON: save the adapter again") from error
        if config.get("peft_type") != "LORA" or config.get("use_dora"):
            raise ConfigError(f"{folder} is no plain LoRA adapter: merge it into its model")
        if config.get("modules_to_save"):
            raise ConfigError(f"{folder} replaces whole modules: merge it into its model")
        with safe_open(folder / _WEIGHTS, framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118  # not a mapping
                shape = weights.get_slice(key).get_shape()
                if not self._fits(key.removeprefix(_PREFIX), shape):
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
