"""A training that has ended is not done again: the same file goes on with what comes after it.

What a training came to lies beside its weights, in `trained.json`, with a hash of all that decided
it: the file, less what is done afterwards and where metrics go, and every file and folder that it
names. Judging or pushing that was stopped, or that failed, so costs no second training; anything
else, other rows for example, trains anew.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import JsonValue, TypeAdapter, ValidationError

from cogitate.training.loops.digests import digest
from cogitate.training.trainers import Trained
from cogitate.training.trainers.work import first_process, together
from cogitate.trainings.told import Told

__all__ = ["FILE", "Once"]

FILE = "trained.json"
_NO_PART = {"dev", "judging", "push", "report_to"}
"""Keys of a file that do not decide what is trained."""
_TRAINED = TypeAdapter(Trained)


class Once(NamedTuple):
    """One training, before it begins."""

    file: Path
    key: str
    kept: Trained | None
    """What it came to, where the output is what this very training made."""

    @classmethod
    def of(cls, told: Told) -> Self:
        """Look whether what a file says has been done."""
        file, key = Path(told.output) / FILE, _key(told)
        found = cls(file, key, _read(file, key))
        together()  # nobody writes it before all have looked
        return found

    def keep(self, trained: Trained) -> Trained:
        """Note what the training came to."""
        if first_process():
            record = {"key": self.key, "trained": _TRAINED.dump_python(trained, mode="json")}
            self.file.write_text(json.dumps(record) + "\n")
        return trained


def _read(path: Path, key: str) -> Trained | None:
    try:
        record = json.loads(path.read_text())
        return _TRAINED.validate_python(record["trained"]) if record["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


def _key(told: Told) -> str:
    said = _deciding(told.model_dump(mode="json"))
    parts = [told.method, json.dumps(said, sort_keys=True)]
    named = {Path(text.removeprefix("hf/").partition("?")[0]) for text in _texts(said)}
    for path in sorted(named - {Path(told.output), Path()}):
        if path.exists():
            parts.append(f"{path} {digest(path)}")
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _deciding(said: JsonValue) -> JsonValue:
    if isinstance(said, dict):
        return {name: _deciding(one) for name, one in said.items() if name not in _NO_PART}
    return [_deciding(one) for one in said] if isinstance(said, list) else said


def _texts(said: JsonValue) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, dict | list):
        for one in said.values() if isinstance(said, dict) else said:
            yield from _texts(one)
