"""What trained weights say of themselves: a record beside them, in `cogitate.json`."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from cogitate.errors import ConfigError, DataError

__all__ = ["FILE", "Checkpoint", "revision"]

FILE = "cogitate.json"
"""The record's name."""


class Checkpoint(BaseModel):
    """Where an adapter or a model comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str = ""
    """Which weights these are, as they were saved; empty in records of before there was this field.
    """
    parent: str
    """The weights that training began with: a model's name or folder, or an adapter's."""
    parent_revision: str
    """Which weights these were."""
    base: str = ""
    """The model that an adapter belongs on; empty in records of before there was this field, where
    it is the parent."""
    base_revision: str = ""
    merged: str = ""
    """Which adapter became part of this model, by its revision: the rest of the record is the
    adapter's. Empty where none did."""
    method: str
    settings: Mapping[str, JsonValue]
    rows: int
    data_hash: str
    """Of all trained tokens, in order."""
    counts: Mapping[str, int] = {}
    """What became of the rows that were not trained on, and of those that were changed."""
    merged_from: str = ""
    """The folder that this adapter was in."""
    metrics: Mapping[str, JsonValue]
    libraries: Mapping[str, str]
    """Version by name."""

    def save(self, folder: Path) -> None:
        """Write the record into the folder of the weights, and which weights these are."""
        whole = self.model_copy(update={"revision": revision(folder)})
        (folder / FILE).write_text(whole.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read the record of a folder.

        Raises:
            ConfigError: The folder has none.
            DataError: It is not such a record.
        """
        try:
            return cls.model_validate_json((folder / FILE).read_text())
        except OSError:
            raise ConfigError(f"{folder} has no {FILE}: it was not trained here") from None
        except ValidationError as error:
            raise DataError(f"{folder / FILE} is not such a record: {error}") from None


def revision(folder: Path) -> str:
    """Return which weights a folder of an adapter or a model holds; empty where it holds none."""
    # These read files alone; the module loads nothing heavy.
    from cogitate.inference.hf.adapter_files import CONFIG, WEIGHTS, revision_of
    from cogitate.inference.hf.locate import fingerprint

    if (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file():
        return revision_of(folder)
    return fingerprint(folder) if any(folder.glob("*.safetensors")) else ""
