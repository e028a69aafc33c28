"""What a sandboxed program sees of the file system: an interpreter and its library, read-only.

The system's libraries are shown because the interpreter is linked to some of them. Packages that
were installed beside the library are covered by empty folders, so that a grade does not depend on
what else a machine has.
"""

import os
import sys
import sysconfig
from pathlib import Path

__all__ = ["visible"]

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
_PACKAGES = ("*-packages", "python3*/*-packages")
_BASE = {"platbase": sys.base_exec_prefix, "base": sys.base_prefix}


def visible(python: str) -> list[str]:
    """Return the arguments of bubblewrap that show an interpreter, and nothing else.

    Args:
        python: Its real path, which it also has in the sandbox.
    """
    links: dict[str, str] = {}
    shown: list[str] = []
    for place in (*_LIBRARIES, *_own(python)):
        if any(Path(place).is_relative_to(folder) for folder in shown) or not Path(place).exists():
            continue
        if Path(place).is_symlink():
            links[place] = os.readlink(place)
        else:
            shown.append(place)
    covered = [
        str(path)
        for folder in shown
        for pattern in _PACKAGES
        for path in sorted(Path(folder).glob(pattern))
        if path.is_dir() and not path.is_symlink()
    ]
    words: list[str] = []
    for folder in _parents([*links, *shown]):  # bubblewrap's own would be closed to nobody
        words += ["--perms", "0755", "--dir", folder]
    for place, target in links.items():
        words += ["--symlink", target, place]
    for place in shown:
        words += ["--ro-bind", place, place]
    for place in covered:
        words += ["--perms", "0755", "--size", "4096", "--tmpfs", place, "--remount-ro", place]
    return words


def _own(python: str) -> list[str]:
    library = sysconfig.get_config_var("LIBDIR")
    paths = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib", vars=_BASE)}
    if isinstance(library, str) and library.startswith(sys.base_prefix + "/"):
        paths.add(library)  # libpython, of a Python that was built to share it
    return [python, *sorted({os.path.realpath(path) for path in paths}, key=len)]


def _parents(places: list[str]) -> list[str]:
    found = {str(folder) for place in places for folder in Path(place).parents} - {"/"}
    return sorted(found - set(places), key=len)
