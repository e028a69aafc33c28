"""Rows as records of a file, and back: lossless in JSON lines and in Parquet."""

import json
from functools import cache
from typing import TYPE_CHECKING

from pydantic import JsonValue

from cogitate.inference import Message
from cogitate.training.exports.kinds import Kind
from cogitate.training.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["columns_of", "json_line", "record_of", "schema_of"]

_SOURCE = ("model", "revision", "adapter", "adapter_revision")


def json_line(row: Row, verification: str) -> str:
    """Return a row as one line of JSON."""
    fields = {"verification": verification, **row.model_dump(mode="json")}
    return json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"


def columns_of(row: Row, verification: str) -> dict[str, object]:
    """Return a row as Parquet has it: named parts instead of tuples."""
    fields: dict[str, JsonValue] = row.model_dump(mode="json")
    return {"verification": verification} | {
        name: _column(name, value) for name, value in fields.items()
    }


def _column(name: str, value: JsonValue) -> object:
    match name, value:
        case "messages", list(turns):
            return [dict(zip(Message._fields, _list(turn), strict=True)) for turn in turns]
        case "source", list(parts):
            return dict(zip(_SOURCE, parts, strict=True))
        case "credit", [method, version, parameters, source]:
            written = json.dumps(parameters, ensure_ascii=False)
            return {"method": method, "version": version, "parameters": written, "source": source}
        case (("replies" | "steps"), list(several)):
            return [_parts(one) for one in several]
        case (("chosen" | "rejected" | "reply"), dict()):
            return _parts(value)
        case _:
            return value


def _parts(value: JsonValue) -> object:
    assert isinstance(value, dict)
    return {name: _column(name, part) for name, part in value.items()}


def _list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list)
    return value


def record_of(columns: dict[str, object]) -> dict[str, object]:
    """Return what `columns_of` made of a row as `json_line` would have it.

    Raises:
        ValueError: A part is not what it should be.
    """
    return {name: _plain(name, value) for name, value in columns.items()}


def _plain(name: str, value: object) -> object:
    match name, value:
        case "messages", list(turns):
            return [[turn["role"], turn["content"]] for turn in turns]
        case "source", dict(parts):
            return [parts[part] for part in _SOURCE]
        case "credit", dict(parts):
            parameters = json.loads(str(parts["parameters"]))
            return [parts["method"], parts["version"], parameters, parts["source"]]
        case (("replies" | "steps"), list(several)):
            return [record_of(one) for one in several]
        case (("chosen" | "rejected" | "reply"), dict(one)):
            return record_of(one)
        case _:
            return value


@cache
def schema_of(kind: Kind) -> "pa.Schema":
    """Return the columns of a kind of rows in Parquet."""
    import pyarrow as pa  # loaded where something is written or read only

    text, ids = pa.string(), pa.list_(pa.int32())
    numbers, number = pa.list_(pa.float64()), pa.float64()
    source = pa.struct([(name, text) for name in _SOURCE])
    reply = pa.struct(
        [
            ("thought", text),
            ("completion", text),
            ("completion_ids", ids),
            ("logprobs", numbers),
            ("source", source),
            ("value", number),
        ]
    )
    step = pa.struct([("thought", text), ("text", text), ("ids", ids), ("label", number)])
    of_kind: dict[Kind, list[tuple[str, pa.DataType]]] = {
        Kind.SFT: [
            ("thought", text),
            ("completion", text),
            ("completion_ids", ids),
            ("logprobs", numbers),
            ("source", source),
            ("grade", number),
        ],
        Kind.PREFERENCES: [("parents", pa.list_(text)), ("chosen", reply), ("rejected", reply)],
        Kind.RANKED: [
            ("parents", pa.list_(text)),
            ("replies", pa.list_(reply)),
            ("ranks", ids),
        ],
        Kind.UNPAIRED: [("reply", reply), ("wanted", pa.bool_())],
        Kind.STEPS: [("steps", pa.list_(step)), ("grade", number)],
        Kind.PROMPTS: [
            ("thought", text),
            ("reference", text),
            ("kind", text),
            ("began", text),
            ("prefix_ids", ids),
        ],
    }
    credit = pa.struct(
        [("method", text), ("version", pa.int32()), ("parameters", text), ("source", text)]
    )
    shared: list[tuple[str, pa.DataType]] = [
        ("verification", text),
        *((name, text) for name in ("problem", "run", "question", "role", "agent", "operation")),
        ("messages", pa.list_(pa.struct([("role", text), ("content", text)]))),
        ("prefix", text),
        ("prompt_ids", ids),
        ("credit", credit),
    ]
    return pa.schema([*shared, *of_kind[kind]])
