"""Who works on what: locks that the operating system frees when their process dies.

A problem is a byte of one lock file. Locks of this kind belong to a process, so a second store of
the same path in the same process shares the first one's file and notes.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import StoreError

__all__ = ["Claims"]


class _File(NamedTuple):
    descriptor: int
    taken: set[int]
    users: list[object]


_FILES: dict[Path, _File] = {}
_GUARD = threading.Lock()


class Claims:
    """The claims of this process on the problems of one store.

    Args:
        path: The lock file; made where it is missing, and left there.

    Raises:
        StoreError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        with _GUARD:
            if self._path not in _FILES:
                try:
                    descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                except OSError as error:
                    raise StoreError(
                        f"{path}: it cannot be made ({error}): see that its folder may be written"
                    ) from None
                _FILES[self._path] = _File(descriptor, set(), [])
            self._file = _FILES[self._path]
            self._file.users.append(self)

    def take(self, number: int) -> bool:
        """Claim a problem; False where somebody works on it."""
        with _GUARD:
            if number in self._file.taken:
                return False
            try:
                fcntl.lockf(self._file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except BlockingIOError:
                return False
            except OSError as error:
                raise StoreError(
                    f"{self._path}: the file system gives no locks ({error}): keep the store on a "
                    "local disk"
                ) from None
            self._file.taken.add(number)
            return True

    def free(self, number: int) -> None:
        """Give a problem back."""
        with _GUARD:
            self._file.taken.discard(number)
            fcntl.lockf(self._file.descriptor, fcntl.LOCK_UN, 1, number)

    def close(self) -> None:
        """Give everything back, once the last store of this path has closed."""
        with _GUARD:
            if self in self._file.users:
                self._file.users.remove(self)
                if not self._file.users:
                    os.close(self._file.descriptor)
                    del _FILES[self._path]
