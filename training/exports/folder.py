"""A folder that is there as a whole or not at all, whatever happens meanwhile."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cogitate.errors import ConfigError
from cogitate.memory.whole_file import sync

__all__ = ["whole_folder"]


@contextmanager
def whole_folder(folder: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to write into, which takes the place of `folder` once all went well.

    No file system exchanges two folders in one step everywhere: a process that is killed between
    the two renames leaves no `folder`, and what was there in the hidden one beside it.

    Args:
        folder: Where it shall be. What is there is replaced only where it holds the file `mark`,
            or nothing.
        mark: The name of a file that such folders have.

    Raises:
        ConfigError: There is something else, or it cannot be written.
    """
    if folder.exists() and not ((folder / mark).is_file() or _is_empty(folder)):
        raise ConfigError(f"{folder}: something else is there: choose a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.unfinished-", dir=folder.parent))
    except OSError as error:
        raise ConfigError(f"{folder}: it cannot be written ({error}): choose another") from None
    try:
        new = work / "new"
        new.mkdir()
        yield new
        for file in new.iterdir():
            sync(file)
        sync(new)
        if folder.exists():
            folder.rename(work / "old")
        try:
            new.rename(folder)
        except OSError:
            if (work / "old").exists():
                (work / "old").rename(folder)
            raise
        sync(folder.parent)
    except OSError as error:
        raise ConfigError(
            f"{folder}: it cannot be written ({error}): free space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
