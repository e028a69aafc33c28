"""Rows into a folder: one file of rows, a manifest, and a card for people."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Generic, get_args

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.memory.whole_file import digest_of_file, whole_file
from cogitate.tasks.held_back import same_text
from cogitate.training.credit.record import Origin
from cogitate.training.exports.card import card
from cogitate.training.exports.folder import whole_folder
from cogitate.training.exports.kinds import Kind, kind_of
from cogitate.training.exports.manifest import MANIFEST, Form, Manifest
from cogitate.training.exports.records import columns_of, json_line, schema_of
from cogitate.training.exports.trajectory import Trajectory
from cogitate.training.exports.trl import begun, trl_columns, trl_schema
from cogitate.training.filters.held_out import HeldOut
from cogitate.training.rows import KTORow, PreferenceRow, RankedRow, Row, SFTRow
from cogitate.training.stream import R, Rows, verification_of

__all__ = ["export", "export_trajectories"]

_AT_ONCE = 1_000
"""Rows in memory, where rows are written as columns."""


def export(
    rows: Rows[R], folder: str | Path, *, form: Form = "jsonl", name: str = "", license: str = ""
) -> Manifest:
    """Write rows into a folder, all or none of them, in one pass over them.

    Args:
        rows: What to write, with the filters that they go through.
        folder: Where: a new folder, an empty one, or one that an earlier export made.
        form: `jsonl` or `parquet` to be read back, `trl` for trainers.
        name: What the card calls it; the folder's name by default.
        license: An identifier for the card, such as `cc-by-4.0`; it says that none was chosen
            otherwise, for only you know the terms of your problems and models.

    Returns:
        What the folder says of itself.

    Raises:
        ConfigError: The folder cannot be written, or the rows are refused (see `harvest`).
    """
    if form not in get_args(Form):
        raise ConfigError(f"form={form!r}: give one of {', '.join(get_args(Form))}")
    folder = Path(folder)
    kind = kind_of(rows.kind)
    with whole_folder(folder, mark=MANIFEST) as new:
        file = new / ("rows.jsonl" if form == "jsonl" else "rows.parquet")
        tally = _Tally(rows, form)
        if form == "jsonl":
            with file.open("w", encoding="utf-8", newline="\n") as out:
                out.writelines(json_line(row, verified) for row, verified in tally)
        else:
            _write_columns(file, kind, form, tally)
        manifest = tally.manifest(kind, form, file)
        (new / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        text = card(manifest, name=name or folder.name, license=license)
        (new / "README.md").write_text(text, encoding="utf-8")
    return manifest


def _write_columns(file: Path, kind: Kind, form: Form, tally: "_Tally[R]") -> None:
    import pyarrow as pa  # loaded where something is written or read only
    import pyarrow.parquet as pq

    schema = trl_schema(kind) if form == "trl" else schema_of(kind)
    records = (
        columns
        for row, verified in tally
        if (
            columns := trl_columns(row, verified, tally.left_out)
            if form == "trl"
            else columns_of(row, verified)
        )
        is not None
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while several := list(islice(records, _AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(several, schema=schema))


class _Tally(Generic[R]):
    """Rows that pass by, and what there is to say of all of them."""

    def __init__(self, rows: Rows[R], form: Form) -> None:
        self._rows = rows
        self._form = form
        self.left_out: Counter[str] = Counter()
        self._verified: Counter[str] = Counter()
        self._problems: set[int] = set()
        self._credits: dict[Origin, None] = {}
        self._sources: dict[Source, None] = {}

    def __iter__(self) -> Iterator[tuple[R, str]]:
        for row in self._rows:
            if self._form == "trl" and begun(row):
                self.left_out["prefixed"] += 1
                continue
            verified = str(verification_of(self._rows, row))
            self._verified[verified] += 1
            self._problems.add(hash(same_text(row.question)))
            if row.credit is not None:
                self._credits.setdefault(row.credit)
            for source in _sources_of(row):
                self._sources.setdefault(source)
            yield row, verified

    def manifest(self, kind: Kind, form: Form, file: Path) -> Manifest:
        held_out = [each for each in self._rows.filters if isinstance(each, HeldOut)]
        return Manifest(
            kind=kind,
            form=form,
            file=file.name,
            sha256=digest_of_file(file),
            rows=self._verified.total(),
            problems=len(self._problems),
            verification=dict(self._verified),
            credits=tuple(self._credits),
            sources=tuple(self._sources),
            counts={**self._rows.counts, **self.left_out},
            filters=tuple(
                "HeldOut()" if each in held_out else str(each) for each in self._rows.filters
            ),
            held_out=held_out[-1].report if held_out else None,
        )


def _sources_of(row: Row) -> list[Source]:
    match row:
        case SFTRow(source=source):
            return [source]
        case PreferenceRow(chosen=one, rejected=other):
            return [one.source, other.source]
        case RankedRow(replies=replies):
            return [reply.source for reply in replies]
        case KTORow(reply=reply):
            return [reply.source]
        case _:
            return []


def export_trajectories(trajectories: Iterable[Trajectory], file: str | Path) -> int:
    """Write trajectories as JSON lines, each a document of the format; all or none of them.

    Args:
        trajectories: See `Harvest.trajectories`.
        file: Where; what is there is replaced.

    Returns:
        How many there were.

    Raises:
        ConfigError: The file cannot be written.
    """
    file = Path(file)
    written = 0
    try:
        with whole_file(file) as out:
            for trajectory in trajectories:
                out.write(trajectory.model_dump_json(exclude_none=True) + "\n")
                written += 1
    except OSError as error:
        raise ConfigError(f"{file}: it cannot be written ({error}): choose another") from None
    return written
