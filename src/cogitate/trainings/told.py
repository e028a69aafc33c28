"""What every file of `cogitate train` says, and what a training tells of itself."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from cogitate.errors import ConfigError
from cogitate.graphs import strategy_named
from cogitate.training.exports import read_rows
from cogitate.training.exports.kinds import kind_of
from cogitate.training.loops.progress import Progress
from cogitate.training.rows import Row
from cogitate.trainings.publish import PushTo

__all__ = ["Base", "Reported", "RowFiles", "StrategyName", "Told", "of_kind", "start_of"]

R = TypeVar("R", bound=Row)


class Reported(NamedTuple):
    """A part of the result."""

    text: str
    record: Mapping[str, JsonValue]


class Told(BaseModel):
    """One training, as its file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: ClassVar[str]
    """Its name on the command line."""

    when_stopped: ClassVar[str] = "the same command goes on from its last checkpoint"
    """What a stopped one has left."""

    output: str
    """The folder that it makes, or the run directory of a loop."""
    push: PushTo | None = None
    """Where on the Hugging Face hub it goes; None: nowhere."""

    @abstractmethod
    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        """Train, and yield each part of the result as it comes.

        Args:
            progress: Hears of every step.

        Raises:
            ConfigError: Something must be changed first.
        """

    def made(self, reports: Sequence[Mapping[str, JsonValue]]) -> Mapping[str, Path]:
        """Return the folders of weights that may be pushed, by role, `""` where there is one.

        Args:
            reports: The records of all parts of the result.
        """
        return {"": Path(self.output)}


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


Base = Annotated[str, Field(description="The model's name, or its folder.")]


def _known(strategy: str) -> str:
    strategy_named(strategy)  # a ConfigError is a ValueError: the file's key is named before it
    return strategy


StrategyName = Annotated[str, AfterValidator(_known)]
"""A strategy and its parameters, such as `self-refine?rounds=2`."""
RowFiles = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""Folders that `cogitate harvest` wrote, or files of rows; one, or a list."""


def of_kind(folders: Sequence[str], *kinds: type[R]) -> list[R]:
    """Read the rows of some folders or files, which are of one kind, or of several.

    Raises:
        ConfigError: There are others.
    """
    wanted = " or ".join(f"{one.__name__}s" for one in kinds)
    found: list[R] = []
    for folder in folders:
        for row in read_rows(folder, claims="drop"):
            if not isinstance(row, kinds):
                raise ConfigError(
                    f"{folder} holds {type(row).__name__}s, and this training needs {wanted}: "
                    f"harvest with --kind {' or '.join(kind_of(one) for one in kinds)}"
                )
            found.append(row)
    return found


def start_of(folder: str | None) -> Path | None:
    """Return the adapter to go on with."""
    return None if folder is None else Path(folder)
