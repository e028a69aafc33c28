"""What a folder of rows says of itself: its kind, where it comes from, what was left out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogitate.graphs import Source
from cogitate.training.credit.record import Origin
from cogitate.training.exports.kinds import Kind
from cogitate.training.filters.held_out import ContaminationReport

__all__ = ["MANIFEST", "Form", "Manifest"]

MANIFEST = "manifest.json"

Form = Literal["jsonl", "parquet", "trl"]
"""`jsonl` and `parquet` hold rows as they are, to be read back; `trl` what TRL's trainers expect,
as Parquet that `datasets.load_dataset` reads."""

_Count = Annotated[int, Field(ge=0, lt=2**53)]


class Manifest(BaseModel):
    """The contents of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["cogitate-rows"] = "cogitate-rows"
    version: Literal[1] = 1
    kind: Kind
    form: Form
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*\.(jsonl|parquet)$")]
    """In the same folder."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rows: _Count
    problems: _Count
    """Different texts of problems."""
    verification: dict[str, _Count]
    """Rows, by who verified them."""
    credits: tuple[Origin, ...]
    """Methods, versions and parameters of the credit that rows rest on."""
    sources: tuple[Source, ...]
    """Whose words they are."""
    counts: dict[str, _Count]
    """What was read, kept and left out."""
    filters: tuple[str, ...]
    held_out: ContaminationReport | None = None
