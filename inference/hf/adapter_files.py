"""The files of PEFT adapters: where they are, which weights they hold, and what cannot be mixed.

An adapter is known by what its files hold: a folder that training has written again is a new
adapter. Left out: adapters that replace whole modules or are not LoRA, which cannot be mixed in a
batch.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError

__all__ = ["CONFIG", "WEIGHTS", "AdapterFiles", "FoundAdapter", "check_adapter"]

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


class FoundAdapter(NamedTuple):
    """An adapter on disk."""

    folder: Path
    revision: str
    """What its files hold."""


class AdapterFiles:
    """Adapter folders by name.

    Args:
        folders: Adapters by name. Any other name is a folder.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        self._revisions: dict[Path, tuple[tuple[int, ...], str]] = {}

    def find(self, adapter: str) -> FoundAdapter:
        """Return where an adapter is, and what its files hold now; reads them only when changed.

        Raises:
            ConfigError: No such adapter.
        """
        folder = self._folders.get(adapter, Path(adapter).expanduser())
        try:
            stats = [(folder / file).stat() for file in (WEIGHTS, CONFIG)]
        except OSError:
            known = ", ".join(self._folders) or "none by name"
            raise ConfigError(
                f"no adapter {adapter!r}: give a folder with {CONFIG} and {WEIGHTS} "
                f"(known: {known})"
            ) from None
        state = tuple(x for stat in stats for x in (stat.st_mtime_ns, stat.st_size, stat.st_ino))
        known_state, revision = self._revisions.get(folder, ((), ""))
        if state != known_state:
            revision = revision_of(folder)
            self._revisions[folder] = (state, revision)
        return FoundAdapter(folder, revision)


def revision_of(folder: Path) -> str:
    """Return which weights an adapter folder holds."""
    digest = hashlib.blake2b(digest_size=8)
    for file in (CONFIG, WEIGHTS):
        digest.update((folder / file).read_bytes())
    return digest.hexdigest()


def check_adapter(folder: Path) -> None:
    """Refuse an adapter that cannot be mixed with others in a batch.

    Raises:
        ConfigError: It is no plain LoRA adapter.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
    except ValueError as error:
        raise ConfigError(f"{folder}/{CONFIG} is not JSON: save the adapter again") from error
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise ConfigError(f"{folder} is no plain LoRA adapter: merge it into its model")
    if config.get("modules_to_save"):
        raise ConfigError(f"{folder} replaces whole modules: merge it into its model")
