"""A loop's run directory: what is finished is not done again, whatever killed the loop.

A stage is a function that writes files and returns a record. When it has ended, one line goes to
`stages.jsonl`: what it was given, what it wrote (as hashes), how long it took, and its record. The
same stage again, given the same, returns that record where its files are still what they were; in
any other case it runs. So a changed file makes its own stage run again, and every later one that
was given it, and nothing else. A stage that was interrupted has no line: it runs from its start,
trainers from their last checkpoint and thinking from the journal of the loop's store.

`loop.json` says what the loop is: another one in the same directory is refused. Left out: two
processes in one directory, which would do each stage twice.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.memory.whole_file import whole_file
from cogitate.training.loops.digests import digest

__all__ = ["Stage", "StageLog", "StageRecord"]

M = TypeVar("M", bound=BaseModel)

_LOOP, _STAGES = "loop.json", "stages.jsonl"


class StageRecord(BaseModel):
    """A finished stage: one line of the log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    iteration: int = Field(ge=0)
    """From 1; 0 for what stands before all iterations."""
    inputs: Mapping[str, str]
    """What it was given, by name: hashes, or short values."""
    outputs: Mapping[str, str]
    """The hash of each file or folder that it wrote, by its path in the run directory."""
    seconds: FiniteFloat
    """Of the start that finished it."""
    tokens: int = Field(ge=0)
    """That were sampled for it, in all starts."""
    metrics: Mapping[str, JsonValue]
    """The record that it returned."""


class Stage:
    """What a stage is given while it runs.

    Args:
        root: The run directory.
        folder: The folder of the iteration in it.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.outputs: list[Path] = []
        self.tokens = 0
        """Sampled so far: add what a sampling took."""

    def output(self, name: str) -> Path:
        """Return where to write a file or folder; it counts to what the stage has made."""
        path = self.folder / name
        if path not in self.outputs:
            self.outputs.append(path)
        return path


class StageLog:
    """The stages of one loop.

    Args:
        root: The run directory; made where it is missing.
        loop: All that decides what the loop does, by name.

    Raises:
        ConfigError: The directory holds another loop, or one told otherwise.
        DataError: Its log is damaged.
    """

    def __init__(self, root: str | Path, loop: Mapping[str, JsonValue]) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        _begin(self.root / _LOOP, json.loads(json.dumps(loop)))
        self._file = self.root / _STAGES
        self._records = _read(self._file)

    @property
    def records(self) -> tuple[StageRecord, ...]:
        """All finished stages, in the order in which they ended."""
        return tuple(self._records)

    def of(self, iteration: int) -> dict[str, StageRecord]:
        """The finished stages of an iteration, by name."""
        return {one.name: one for one in self._records if one.iteration == iteration}

    def folder(self, iteration: int) -> Path:
        """The folder of an iteration."""
        return self.root / str(iteration)

    def stage(
        self,
        name: str,
        kind: type[M],
        work: Callable[[Stage], M],
        *,
        iteration: int = 0,
        inputs: Mapping[str, str] | None = None,
    ) -> M:
        """Return what a stage came to, and run it where that is not known.

        Args:
            name: Of the stage, unique in its iteration.
            kind: The class of its record.
            work: Does it.
            iteration: Its number.
            inputs: All that decides what comes out besides what `loop` said.
        """
        given = dict(inputs or {})
        if (before := self._finished(name, iteration, given)) is not None:
            return kind.model_validate(before.metrics)
        started = time.perf_counter()
        stage = Stage(self.root, self.folder(iteration))
        stage.folder.mkdir(parents=True, exist_ok=True)
        found = work(stage)
        self._append(
            StageRecord(
                name=name,
                iteration=iteration,
                inputs=given,
                outputs={
                    path.relative_to(self.root).as_posix(): digest(path) for path in stage.outputs
                },
                seconds=time.perf_counter() - started,
                tokens=stage.tokens,
                metrics=found.model_dump(mode="json"),
            )
        )
        return found

    def _finished(self, name: str, iteration: int, inputs: Mapping[str, str]) -> StageRecord | None:
        """The newest record of the stage, where it was given the same and its files are the same.

        One that was done again with something else counts no more: its files were written over.
        """
        for record in reversed(self._records):
            if (record.name, record.iteration) == (name, iteration):
                same = record.inputs == inputs and all(
                    (self.root / path).exists() and digest(self.root / path) == known
                    for path, known in record.outputs.items()
                )
                return record if same else None
        return None

    def _append(self, record: StageRecord) -> None:
        with self._file.open("a", encoding="utf-8") as log:
            log.write(record.model_dump_json() + "\n")
            log.flush()
            os.fsync(log.fileno())
        self._records.append(record)


def _begin(file: Path, loop: dict[str, JsonValue]) -> None:
    if not file.exists():
        with whole_file(file) as out:
            json.dump(loop, out, indent=2)
        return
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{file} is damaged: begin in a new directory") from None
    if before != loop:
        changed = ", ".join(_changed(before, loop)) or "its form"
        raise ConfigError(
            f"{file.parent} holds a loop that was told otherwise ({changed} changed): give the "
            "same again to go on with it, or another output directory to begin anew"
        )


def _changed(before: JsonValue, now: JsonValue, name: str = "") -> list[str]:
    """The names of what differs, those inside of tables with the table's own."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [name]
    return [
        one
        for key in sorted({*before, *now})
        for one in _changed(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    ]


def _read(file: Path) -> list[StageRecord]:
    """Read the log; a last line that a kill has cut off is taken away."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    whole, _, torn = text.rpartition("\n")
    records = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            records.append(StageRecord.model_validate_json(line))
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"]
            raise DataError(
                f"{file}, line {number} is no finished stage ({said}): take the line away, and its "
                "stage runs again"
            ) from None
    if torn:
        with whole_file(file) as out:
            out.writelines(record.model_dump_json() + "\n" for record in records)
    return records
