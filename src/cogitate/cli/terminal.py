"""What reaches a terminal: results on stdout, all else on stderr, and model text disarmed."""

import json
import sys
import unicodedata
from collections.abc import Mapping

from pydantic import JsonValue

__all__ = ["disarmed", "emit", "emit_json", "note", "ready_streams"]


def ready_streams() -> None:
    """Write what the terminal's encoding does not have as a question mark, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a test's own stream may have none
        if reconfigure is not None:
            reconfigure(errors="replace")


def disarmed(text: str) -> str:
    r"""Return `text` on its lines, with control and direction characters made visible.

    Example:
        >>> disarmed("a\n\x1b[31mb\u202e")
        'a\n\ufffd[31mb\ufffd'
    """
    return "".join(
        c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text
    )


def emit(text: str = "", *, end: str = "\n") -> None:
    """Write a part of the result."""
    print(disarmed(text), end=end, flush=True)


def emit_json(value: Mapping[str, JsonValue]) -> None:
    """Write the whole result as one JSON object, in ASCII: harmless to a terminal."""
    print(json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False), flush=True)


def note(text: str) -> None:
    """Say something about the result, or about there being none."""
    print(f"cogitate: {disarmed(text)}", file=sys.stderr, flush=True)
