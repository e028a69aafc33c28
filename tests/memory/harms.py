"""What happens to files on bad disks."""

import random
from pathlib import Path
from typing import Literal

__all__ = ["Harm", "harm"]

Harm = Literal["flip", "cut", "zero"]


def harm(file: Path, kind: Harm, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    at = chance.randrange(len(content))
    if kind == "flip":
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[at:]
    else:
        content[at : at + 512] = bytes(512)
    file.write_bytes(content)
