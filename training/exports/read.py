"""Rows back from a file that may come from anywhere: read strictly, believed in nothing.

Only JSON lines and Parquet are read: a file that could run code when it is read (pickle and all
that rests on it) never is. Every value must be of its type and within its bounds. What a file says
about who verified it is a claim: it is refused, or dropped, or checked against rows that are made
here.
"""

import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.memory.whole_file import digest_of_file
from cogitate.training.exports.kinds import Kind, row_class
from cogitate.training.exports.manifest import MANIFEST, Manifest
from cogitate.training.exports.records import record_of, schema_of
from cogitate.training.exports.strict_json import parsed
from cogitate.training.rows import Row
from cogitate.training.stream import Rows, Verification

__all__ = ["Claims", "read_manifest", "read_rows"]

T = TypeVar("T")

Claims = Literal["refuse", "drop"]
"""What becomes of a row that says it was verified, where nothing is there to check it."""

_LONGEST = 16 * 2**20
"""Bytes of a line, or of a manifest."""
_UNVERIFIED = Verification.UNVERIFIED.value


def read_rows(
    path: str | Path,
    *,
    kind: Kind | str | None = None,
    against: Rows[Row] | None = None,
    claims: Claims = "refuse",
) -> Rows[Row]:
    """Read rows from a folder that `export` made, or from a `.jsonl` or `.parquet` file.

    Args:
        path: The folder or the file.
        kind: What a file without a manifest holds.
        against: The same rows as they are harvested here. Each row must be one of them, equal in
            all and no more often than there; then it is verified as they are. Some may be missing.
        claims: What becomes of such rows where there is nothing to check them against.

    Returns:
        The rows; they are unverified unless they were checked. They are read when they are
        iterated over, and an error is raised at the row that is wrong.

    Raises:
        ConfigError: There is no such file, or its kind is not known.
        DataError: It is none of the files that are read, or damaged, or a row is not what it must
            be; or one claims to be verified and is not.
    """
    _check_claims(claims)
    path = Path(path)
    file, known = path, None if kind is None else _kind(kind)
    if path.is_dir():
        manifest = read_manifest(path)
        if known not in (None, manifest.kind):
            raise ConfigError(f"{path} holds {manifest.kind} rows: ask for that kind")
        if manifest.form == "trl":
            raise ConfigError(f"{path}: the trl form is not read back: export jsonl or parquet")
        file, known = _member(path, manifest.file), manifest.kind
        if digest_of_file(file) != manifest.sha256:
            raise DataError(f"{file}: it is not the file that {MANIFEST} tells of: export it again")
    elif known is None:
        raise ConfigError(f"{path}: say what it holds with kind=, one of {', '.join(Kind)}")
    _regular(file)
    read = _reader(file)
    allowed = None if against is None else Counter(map(_digest, against))
    of_kind = known

    def draw(_: object) -> Iterator[Row]:
        told = Counter[bytes]()
        for where, fields in read(file, of_kind):
            claim = fields.pop("verification", _UNVERIFIED)
            row = _row(fields, of_kind, where)
            if allowed is not None:
                told[digest := _digest(row)] += 1
                _check_harvested(digest, told, allowed, where)
            if allowed is None and claim != _UNVERIFIED and claims == "refuse":
                raise DataError(
                    f"{where}: the row says that it was verified ({str(claim)[:40]!r}): give the "
                    "same rows as harvested here as against=, or drop such claims"
                )
            yield row

    verified = Verification.UNVERIFIED if against is None else against.verification
    return Rows(row_class(of_kind), draw, verification=verified)


def _check_harvested(row: bytes, told: Counter[bytes], allowed: Counter[bytes], where: str) -> None:
    if row not in allowed:
        raise DataError(f"{where}: this row is none of those that were harvested here")
    if told[row] > allowed[row]:
        raise DataError(
            f"{where}: this row comes more often than it was harvested here: to repeat a row is to "
            "give it more weight"
        )


def read_manifest(folder: Path) -> Manifest:
    """Read what a folder of rows says of itself.

    Raises:
        ConfigError: It has no manifest.
        DataError: That is no manifest.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise ConfigError(f"{folder}: it has no {MANIFEST}: give a folder that an export made")
    _regular(file)
    with file.open("rb") as opened:
        text = opened.read(_LONGEST)
    return _checked(lambda: Manifest.model_validate_json(_dumped(parsed(text)), strict=True), file)


def _member(folder: Path, name: str) -> Path:
    file = folder / name
    if file.parent != folder or Path(name).name != name:
        raise DataError(f"{folder / MANIFEST}: {name!r} is no file of this folder")
    return file


def _regular(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except OSError:
        raise ConfigError(f"{file}: there is no such file") from None
    if not stat.S_ISREG(mode):
        raise DataError(f"{file}: it is a link or no plain file: give the file itself")


Reader = Callable[[Path, Kind], Iterator[tuple[str, dict[str, object]]]]


def _reader(file: Path) -> Reader:
    match file.suffix:
        case ".jsonl":
            return _lines
        case ".parquet":
            return _columns
        case _:
            raise DataError(
                f"{file}: only .jsonl and .parquet files are read; one that runs code when it is "
                "read (pickle, .pt, .npy ...) never is"
            )


def _lines(file: Path, _: Kind) -> Iterator[tuple[str, dict[str, object]]]:
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(_LONGEST + 1):
            number += 1
            where = f"{file}, line {number}"
            if len(line) > _LONGEST:
                raise DataError(f"{where}: it has more than {_LONGEST} bytes")
            yield where, _checked(partial(parsed, line), where)


def _columns(file: Path, kind: Kind) -> Iterator[tuple[str, dict[str, object]]]:
    import pyarrow as pa  # loaded where something is written or read only
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        if not opened.schema_arrow.equals(schema_of(kind)):
            raise DataError(f"{file}: its columns are not those of {kind} rows")
        number = 0
        for batch in opened.iter_batches(batch_size=500):
            for columns in batch.to_pylist():
                number += 1
                where = f"{file}, row {number}"
                yield where, _checked(partial(record_of, columns), where)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: this is no Parquet file, or it is damaged: {error}") from None


def _row(fields: dict[str, object], kind: Kind, where: str) -> Row:
    made: type[Row] = row_class(kind)
    return _checked(lambda: made.model_validate_json(_dumped(fields), strict=True), where)


def _dumped(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def _checked(read: Callable[[], T], where: object) -> T:
    """Do what reads something, and say where it failed."""
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the row"
        raise DataError(f"{where}: {place[:80]}: {first['msg']}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{where}: {str(error)[:200]}") from None
    except RecursionError:
        raise DataError(f"{where}: it is nested too deeply") from None


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise ConfigError(f"kind={name!r}: give one of {', '.join(Kind)}") from None


def _check_claims(claims: str) -> None:
    if claims not in get_args(Claims):
        raise ConfigError(f"claims={claims!r}: give one of {', '.join(get_args(Claims))}")


def _digest(row: Row) -> bytes:
    return blake2b(row.model_dump_json().encode(), digest_size=16).digest()
