"""Which trained weights come from which: the records beside them, read as a tree.

Folders are moved and written again, so a parent is not believed by its name alone: it is the folder
whose weights are those that training began with, and where no folder has them any more, that is
said.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError, DataError
from cogitate.training.checkpoint import FILE, Checkpoint

__all__ = ["Descendant", "Lineage", "lineage"]


class Descendant(NamedTuple):
    """Trained weights, and what was trained from them."""

    folder: Path
    checkpoint: Checkpoint
    revision: str
    """Which weights the folder holds now; empty where it holds none."""
    parent: Path | None
    """The folder below the same root that holds what it was trained from; None: none does."""
    children: tuple["Descendant", ...]

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Descendant"]]:
        """Yield this and all that came from it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class Lineage(NamedTuple):
    """All trained weights below a folder."""

    roots: tuple[Descendant, ...]
    """Those of which no parent is there, by folder: trained from a base, or from weights that were
    moved away or trained again since."""
    unreadable: tuple[str, ...]
    """Why some records could not be read."""

    def __str__(self) -> str:
        lines = []
        for root in self.roots:
            came_from = root.checkpoint.parent
            lines.append(f"{came_from} ({root.checkpoint.parent_revision[:8]})")
            for depth, one in root.walk(1):
                said = one.checkpoint
                loss = said.metrics.get("last_loss")
                shown = f", loss {loss:.3f}" if isinstance(loss, float) else ""
                lines.append(
                    f"{'  ' * depth}{one.folder} ({one.revision[:8] or 'no weights'}): "
                    f"{said.method} on {said.rows} rows{shown}"
                )
        return "\n".join([*lines, *self.unreadable])


def lineage(root: str | Path) -> Lineage:
    """Read the records of all trained weights below a folder.

    Args:
        root: The folder; what training has not finished is not looked at.

    Raises:
        ConfigError: There is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder: train something into it first")
    found: dict[Path, tuple[Checkpoint, str]] = {}
    unreadable = []
    for record in sorted(root.rglob(FILE)):
        if any(part.startswith(".") for part in record.relative_to(root).parts):
            continue
        try:
            found[record.parent] = Checkpoint.load(record.parent), revision(record.parent)
        except (ConfigError, DataError) as error:
            unreadable.append(str(error))
    parents = {folder: _parent(folder, found) for folder in found}
    roots = tuple(_tree(folder, found, parents) for folder in found if parents[folder] is None)
    return Lineage(roots, tuple(unreadable))


def revision(folder: Path) -> str:
    """Return which weights a folder of an adapter or a model holds; empty where it holds none."""
    # These read files alone; the module loads nothing heavy.
    from cogitate.inference.hf.adapter_files import WEIGHTS, revision_of
    from cogitate.inference.hf.locate import fingerprint

    if (folder / WEIGHTS).is_file():
        return revision_of(folder)
    return fingerprint(folder) if any(folder.glob("*.safetensors")) else ""


def _parent(child: Path, found: dict[Path, tuple[Checkpoint, str]]) -> Path | None:
    said = found[child][0]
    same = [
        folder
        for folder, (_, now) in found.items()
        if now == said.parent_revision and folder != child
    ]
    named = [folder for folder in same if folder.name == Path(said.parent).name]
    return next(iter([*named, *same]), None)


def _tree(
    folder: Path,
    found: dict[Path, tuple[Checkpoint, str]],
    parents: dict[Path, Path | None],
) -> Descendant:
    said, now = found[folder]
    children = tuple(
        _tree(child, found, parents) for child, parent in parents.items() if parent == folder
    )
    return Descendant(folder, said, now, parents[folder], children)
