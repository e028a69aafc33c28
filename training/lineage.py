"""Which trained weights come from which: the records beside them, read as a tree down from a base.

Folders are moved and written again, so a parent is not believed by its name alone: it is the folder
whose weights are those that training began with. It is looked for below the same root, and then
where the record names it, or beside the folder; where no folder has those weights any more, that is
said, as it is where files are no longer those that were saved.

Which weights a folder of an adapter holds is told by all of its bytes; of a whole model, by pages
spread over its files (see `fingerprint`), so a change of a few bytes of it is not seen.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError, DataError
from cogitate.training.checkpoint import FILE, Checkpoint, revision

__all__ = ["Descendant", "Lineage", "lineage"]

_SHOWN = 6
_SHORT = 8


class Descendant(NamedTuple):
    """Trained weights, and what was trained from them."""

    folder: Path
    checkpoint: Checkpoint
    revision: str
    """Which weights the folder holds now; empty where it holds none."""
    parent: Path | None
    """The folder that holds what it was trained from; None: a base, or none that was found."""
    faults: tuple[str, ...]
    """What is no longer as the record says: a parent that is gone, files that have changed."""
    children: tuple["Descendant", ...]

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Descendant"]]:
        """Yield this and all that came from it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class Lineage(NamedTuple):
    """All trained weights below a folder, and what they came from."""

    roots: tuple[Descendant, ...]
    """Those of which no parent was found, by folder: trained from a base, or from weights that are
    gone or were trained again since."""
    unreadable: tuple[str, ...]
    """Why some records could not be read."""

    def __str__(self) -> str:
        lines, libraries = [], dict[tuple[str, ...], list[str]]()
        by_base: dict[tuple[str, str], list[Descendant]] = {}
        for root in self.roots:
            by_base.setdefault(_base_of(root.checkpoint), []).append(root)
        for (base, which), roots in by_base.items():
            lines.append(f"{base} ({_short(which)}), the base")
            for depth, one in (pair for root in roots for pair in root.walk(1)):
                lines += ["  " * depth + line for line in _lines(one)]
                versions = (f"{name} {v}" for name, v in one.checkpoint.libraries.items())
                libraries.setdefault(tuple(sorted(versions)), []).append(str(one.folder))
        for made, folders in libraries.items():
            who = "all" if len(libraries) == 1 else ", ".join(folders)
            lines.append(f"made with {', '.join(made) or 'libraries that were not told'}: {who}")
        return "\n".join([*lines, *self.unreadable])


class _Found(NamedTuple):
    checkpoint: Checkpoint
    now: str


def lineage(root: str | Path) -> Lineage:
    """Read the records of all trained weights below a folder, and of what they came from.

    Args:
        root: The folder, such as one adapter's, or the run directory of a loop; what training has
            not finished is not looked at.

    Raises:
        ConfigError: There is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder: train something into it first")
    found: dict[Path, _Found] = {}
    unreadable = []
    for record in sorted(root.rglob(FILE)):
        if any(part.startswith(".") for part in record.relative_to(root).parts):
            continue
        try:
            found[record.parent] = _read(record.parent)
        except (ConfigError, DataError) as error:
            unreadable.append(str(error))
    _add_ancestors(found)
    parents = {folder: _parent(folder, found) for folder in found}
    for folder in found:
        if _leads_back(folder, parents):
            parents[folder] = None  # weights that training has left as they were have no order
    roots = tuple(_tree(folder, found, parents) for folder in found if parents[folder] is None)
    return Lineage(roots, tuple(unreadable))


def _read(folder: Path) -> _Found:
    return _Found(Checkpoint.load(folder), revision(folder))


def _add_ancestors(found: dict[Path, _Found]) -> None:
    """Add what lies outside of the root, as far as it is where records say."""
    waiting = list(found)
    while waiting:
        child = waiting.pop()
        said = found[child].checkpoint
        above = _parent(child, found)
        if above is not None and said.merged in ("", found[above].now):
            continue
        named = [_place(one) for one in (said.merged_from, said.parent) if one]
        for place in (one for name in named for one in (name, child.parent / name.name)):
            known = {folder.resolve() for folder in found}
            if place.resolve() in known or not (place / FILE).is_file():
                continue
            try:
                one = _read(place)
            except (ConfigError, DataError):
                continue  # the child says that its parent is gone
            if {said.merged, said.parent_revision} & {one.now, one.checkpoint.revision} - {""}:
                found[place] = one
                waiting.append(place)
                break


def _place(name: str) -> Path:
    """Where a name leads, if it is a folder's."""
    return Path(name.removeprefix("hf/"))


def _parent(child: Path, found: Mapping[Path, _Found]) -> Path | None:
    said = found[child].checkpoint
    others = {folder: one for folder, one in found.items() if folder != child}
    # A merged model belongs to its adapter, and where that is gone, to what the adapter began with.
    for wanted in filter(None, (said.merged, said.parent_revision)):
        same = [folder for folder, one in others.items() if one.now == wanted]
        same += [folder for folder, one in others.items() if one.checkpoint.revision == wanted]
        named = [folder for folder in same if folder.name == Path(said.parent).name]
        if same:
            return [*named, *same][0]
    return None


def _leads_back(folder: Path, parents: Mapping[Path, Path | None]) -> bool:
    passed, at = set[Path](), parents[folder]
    while at is not None and at not in passed:
        if at == folder:
            return True
        passed.add(at)
        at = parents[at]
    return False


def _tree(
    folder: Path, found: Mapping[Path, _Found], parents: Mapping[Path, Path | None]
) -> Descendant:
    said, now = found[folder]
    children = tuple(
        _tree(child, found, parents) for child, parent in parents.items() if parent == folder
    )
    faults = tuple(_faults(said, now, alone=parents[folder] is None))
    return Descendant(folder, said, now, parents[folder], faults, children)


def _faults(said: Checkpoint, now: str, *, alone: bool) -> Iterator[str]:
    if not now:
        yield "it holds no weights any more"
    elif said.revision and now != said.revision:
        yield f"its files have changed: {_short(said.revision)} was saved"
    if not alone:
        return
    here = _weights_of(said.parent)
    if here is None:
        yield f"its parent {said.parent} ({_short(said.parent_revision)}) is not on this machine"
    elif here != said.parent_revision:
        yield (
            f"{said.parent} holds other weights now: training began with "
            f"{_short(said.parent_revision)}, and there is {_short(here) or 'nothing'}"
        )


def _weights_of(name: str) -> str | None:
    """Which weights a folder or a model holds; None where it is not on this machine."""
    from cogitate.inference.hf.locate import find

    if (place := _place(name)).is_dir():
        return revision(place)
    try:
        folder = find(str(place))
    except ConfigError:
        return None
    return None if folder is None else revision(folder)


def _base_of(said: Checkpoint) -> tuple[str, str]:
    """The name and the revision of the base, as far as a record tells."""
    known = (said.base, said.base_revision)
    return known if said.base else (said.parent, said.parent_revision)


def _lines(one: Descendant) -> Iterator[str]:
    said = one.checkpoint
    merged = ", merged into its base" if said.merged else ""
    which = _short(one.revision) or "no weights"
    came = ""
    if one.parent is None and said.parent != _base_of(said)[0]:
        came = f", from {said.parent} ({_short(said.parent_revision)})"
    yield f"{one.folder} ({which}): {said.method} on {said.rows} rows{merged}{came}"
    numbers = [
        f"{name} {value:.4g}"
        for name, value in said.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    more = [f"{len(numbers) - _SHOWN} more metrics"] if len(numbers) > _SHOWN else []
    counts = [f"{name}: {n}" for name, n in said.counts.items() if n]
    data = [f"data {_short(said.data_hash)}"] if said.data_hash else []
    if told := [*data, *numbers[:_SHOWN], *more, *counts]:
        yield f"    {', '.join(told)}"
    yield from (f"    ! {fault}" for fault in one.faults)


def _short(which: str) -> str:
    return which[:_SHORT]
