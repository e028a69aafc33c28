"""LoRA adapters of a model that vLLM runs, as requests name them.

vLLM reads an adapter's folder when it needs it, and again after it had to make room. So that what
it reads is what was asked for, whatever training writes there meanwhile, it is given a copy of the
files, one for each thing they have held.
"""

import asyncio
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cogitate.errors import ConfigError
from cogitate.inference.hf.adapter_files import (
    CONFIG,
    WEIGHTS,
    AdapterFiles,
    check_adapter,
    revision_of,
)
from cogitate.inference.vllm.library import AsyncLLM, Lora, Vllm
from cogitate.inference.vllm.settings import OUTER_LAYERS
from cogitate.inference.vllm.weights import Shape, shapes

__all__ = ["Adapters", "Worn"]

_PREFIX = "base_model.model."
_MOST = 16
"""The most adapters kept, those in use aside."""


@dataclass(slots=True, eq=False)
class Worn:
    """An adapter that requests use."""

    lora: Lora
    revision: str
    users: int = 0


class Adapters:
    """The adapters of one model. Belongs to the event loop of its engine.

    Args:
        library: vLLM.
        engine: The model.
        base: The model's folder.
        folders: Adapters by name. Any other name is a folder.
    """

    def __init__(
        self, library: Vllm, engine: AsyncLLM, base: Path, folders: Mapping[str, Path]
    ) -> None:
        self._library = library
        self._engine = engine
        self._base = base
        self._files = AdapterFiles(folders)
        self._shapes: dict[str, Shape] | None = None
        self._kept: OrderedDict[str, Worn] = OrderedDict()
        self._lock = asyncio.Lock()
        self._numbers = 0
        self._copies = Path(tempfile.mkdtemp(prefix="cogitate-adapters-"))

    @asynccontextmanager
    async def worn(self, adapter: str) -> AsyncIterator[Worn]:
        """Give an adapter as its files are now, loaded where it is not yet.

        Args:
            adapter: A known name, or a folder.

        Raises:
            ConfigError: No such adapter, or not one for this model.
        """
        async with self._lock:
            found = await asyncio.to_thread(self._files.find, adapter)
            worn = self._kept.get(found.revision)
            if worn is None:
                worn = await self._load(found.folder)
                worn = self._kept.setdefault(worn.revision, worn)
            self._kept.move_to_end(worn.revision)
            worn.users += 1
            await self._make_room()
        try:
            yield worn
        finally:
            worn.users -= 1

    def close(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self._copies, ignore_errors=True)

    async def _load(self, folder: Path) -> Worn:
        self._numbers += 1
        copy = self._copies / str(self._numbers)
        revision = await asyncio.to_thread(self._copy, folder, copy)
        lora = self._library.lora(f"{revision}-{self._numbers}", self._numbers, str(copy))
        try:
            await self._engine.add_lora(lora)
        except self._library.dead:
            raise
        except Exception as error:  # vLLM passes on whatever its worker raised
            shutil.rmtree(copy, ignore_errors=True)
            raise ConfigError(
                f"vLLM cannot load the adapter {folder}: {error}. If its rank is too large, open "
                "the engine with VLLM(..., adapter_rank=...)"
            ) from error
        return Worn(lora, revision)

    def _copy(self, folder: Path, copy: Path) -> str:
        """Copy an adapter and return what the copy holds."""
        copy.mkdir()
        try:
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(folder / name, copy / name)
            check_adapter(copy)
            self._check_shapes(copy, folder)
        except OSError as error:
            raise ConfigError(f"the adapter {folder} cannot be copied: {error}") from error
        except ConfigError as error:
            shutil.rmtree(copy, ignore_errors=True)
            raise ConfigError(str(error).replace(str(copy), str(folder))) from error
        return revision_of(copy)

    def _check_shapes(self, copy: Path, folder: Path) -> None:
        """Refuse an adapter of another model: where it is the smaller, vLLM would take it."""
        if self._shapes is None:
            self._shapes = shapes(self._base)
        known = 0
        for key, shape in shapes(copy).items():
            module, _, part = key.removeprefix(_PREFIX).rpartition(".lora_")
            if self._library.on_cpu and module.rpartition(".")[2] in OUTER_LAYERS:
                raise ConfigError(
                    f"{folder} changes {module}, which vLLM's CPU build cannot: merge it into its "
                    "model, or use hf/"
                )
            base = self._shapes.get(f"{module}.weight")
            if base is None or len(base) != 2 or part not in ("A.weight", "B.weight"):
                continue
            known += 1
            if (shape[1] if part == "A.weight" else shape[0]) not in base:
                raise ConfigError(
                    f"{folder} does not fit this model ({key}): it was trained on another"
                )
        if not known:
            raise ConfigError(f"{folder} does not fit this model: it names none of its layers")

    async def _make_room(self) -> None:
        for revision, worn in list(self._kept.items()):
            if len(self._kept) <= _MOST:
                return
            if not worn.users:
                del self._kept[revision]
                await self._engine.remove_lora(worn.lora.adapter_id)
                shutil.rmtree(self._copies / str(worn.lora.adapter_id), ignore_errors=True)
