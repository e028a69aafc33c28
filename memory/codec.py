"""How records become the cells of tables, and the digests that show whether cells were damaged."""

import json
import zlib
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from cogitate.errors import DataError
from cogitate.inference import Message

__all__ = ["digest_of", "floats", "floats_cell", "ids", "ids_cell", "messages", "messages_cell"]

_DIGEST = 8

N = TypeVar("N", int, float)


def digest_of(*parts: object) -> bytes:
    """Return eight bytes that change, but for one case in 2**64, when any part does.

    Args:
        parts: Texts, bytes, numbers, None, and tuples or lists of them.
    """
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def ids_cell(ids: Sequence[int] | None) -> bytes | None:
    """Token ids as four bytes each."""
    return None if ids is None else array("I", ids).tobytes()


def ids(cell: bytes | None) -> tuple[int, ...] | None:
    """What `ids_cell` wrote."""
    return None if cell is None else _values(array("I"), cell)


def floats_cell(values: Sequence[float] | None) -> bytes | None:
    """Numbers as eight bytes each: what is read is what was written."""
    return None if values is None else array("d", values).tobytes()


def floats(cell: bytes | None) -> tuple[float, ...] | None:
    """What `floats_cell` wrote."""
    return None if cell is None else _values(array("d"), cell)


def messages_cell(messages: Sequence[Message]) -> bytes:
    """A prompt, compressed: prompts repeat themselves."""
    return zlib.compress(json.dumps(messages, ensure_ascii=False).encode(), 1)


def messages(cell: bytes) -> tuple[Message, ...]:
    """What `messages_cell` wrote.

    Raises:
        DataError: The cell is damaged.
    """
    try:
        return tuple(Message(role, content) for role, content in json.loads(zlib.decompress(cell)))
    except (zlib.error, ValueError, TypeError) as error:
        raise DataError(f"a prompt cannot be read: {error}") from None


def _values(values: "array[N]", cell: bytes) -> tuple[N, ...]:
    try:
        values.frombytes(cell)
    except (ValueError, TypeError) as error:
        raise DataError(f"tokens cannot be read: {error}") from None
    return tuple(values)
