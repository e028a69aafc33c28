"""A file that is there as a whole or not at all, whatever happens meanwhile."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["digest_of_file", "sync", "whole_file", "whole_path"]


@contextmanager
def whole_path(file: Path) -> Iterator[Path]:
    """Give a path to write to; what is there takes the place of `file` once all went well.

    It is on the disk then, and so is its name.

    Raises:
        OSError: It cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        yield unfinished
        sync(unfinished)
        unfinished.replace(file)
        sync(file.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """As `whole_path`, for a text file that is opened already."""
    with whole_path(file) as path, path.open("w", encoding="utf-8", newline="\n") as out:
        yield out


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
