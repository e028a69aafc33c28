"""Which shards a store has: in its file, and as a manifest in the folder of the shards.

The file decides. The manifest is made of it, before a shard counts, for whoever copies or checks
the folder by itself; reading needs none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import DataError
from cogitate.memory.database import Database
from cogitate.memory.whole_file import digest_of_file, whole_file

__all__ = ["MANIFEST", "Manifest", "Shard", "check_shards", "shards_of", "write_manifest"]

MANIFEST = "manifest.json"

_Count = Annotated[int, Field(ge=0, lt=2**53)]
_LONGEST = 64 * 2**20
"""Bytes of a manifest."""


class Shard(BaseModel):
    """A file of finished episodes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[0-9]{6,12}\.parquet$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: _Count
    episodes: _Count
    thoughts: _Count


class Manifest(BaseModel):
    """The contents of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["cogitate-shards"] = "cogitate-shards"
    version: Literal[1] = 1
    shards: tuple[Shard, ...]


def shards_of(db: Database) -> list[Shard]:
    """The shards that a file knows, in the order in which they were written.

    Raises:
        DataError: What it says of one is damaged.
    """
    query = "SELECT name, sha256, bytes, episodes, thoughts FROM shards ORDER BY id"
    rows = db.rows(lambda *row: dict(zip(Shard.model_fields, row, strict=True)), query)
    try:
        return [Shard.model_validate(row) for row in rows]
    except ValueError as error:
        raise DataError(f"{db.path}: what it says of its shards is damaged: {error}") from None


def write_manifest(folder: Path, shards: list[Shard]) -> None:
    """Write the manifest in one step.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(folder / MANIFEST) as out:
        out.write(Manifest(shards=tuple(shards)).model_dump_json(indent=2) + "\n")


def check_shards(db: Database, folder: Path) -> dict[str, str]:
    """Read every shard's bytes, and return what is wrong with which file of the folder.

    Raises:
        DataError: What the file says of its shards is damaged.
    """
    return dict(_wrong(folder, shards_of(db)))


def _wrong(folder: Path, shards: list[Shard]) -> Iterator[tuple[str, str]]:
    listed: dict[str, Shard] = {}
    if shards:
        try:
            with (folder / MANIFEST).open("rb") as file:
                text = file.read(_LONGEST)
            manifest = Manifest.model_validate_json(text, strict=True)
            listed = {shard.name: shard for shard in manifest.shards}
            if not all(listed.get(shard.name) == shard for shard in shards):
                yield MANIFEST, "it does not say what the store does: the next spill writes it anew"
        except (OSError, ValueError) as error:
            why = f"it cannot be read ({type(error).__name__}): the next spill writes it anew"
            yield MANIFEST, why
    for shard in shards:
        try:
            same = digest_of_file(folder / shard.name) == shard.sha256
        except OSError as error:
            yield shard.name, f"it cannot be read ({error}): bring it back from a copy"
        else:
            if not same:
                yield shard.name, "it is not what was written: bring it back from a copy"
