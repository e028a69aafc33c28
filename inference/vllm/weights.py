"""The names and shapes of the tensors in a folder, without reading them."""

from pathlib import Path

from cogitate.errors import ConfigError

__all__ = ["Shape", "same_tensors", "shapes"]

Shape = tuple[int, ...]


def shapes(folder: Path) -> dict[str, Shape]:
    """Return the shape of each tensor by its name.

    Raises:
        ConfigError: A file is not safetensors.
    """
    from safetensors import SafetensorError, safe_open  # numpy, which no other import here needs

    found: dict[str, Shape] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118  # not a mapping
                    found[name] = tuple(tensors.get_slice(name).get_shape())
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{file} is not a safetensors file: save it again") from error
    return found


def same_tensors(folder: Path, other: Path) -> None:
    """Refuse weights that cannot take the place of others.

    Args:
        folder: The weights to take their place.
        other: The weights there are.

    Raises:
        ConfigError: A tensor is missing, new, or of another shape.
    """
    new, old = shapes(folder), shapes(other)
    if not new:
        raise ConfigError(f"{folder} has no *.safetensors: give the folder of a saved model")
    different = sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))
    if different:
        raise ConfigError(
            f"{folder} is another model than {other}: {len(different)} tensors differ in name or "
            f"shape, such as {different[0]}. Open it as an engine of its own"
        )
