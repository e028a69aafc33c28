"""What credit methods said of thoughts, as rows: appended, each once, and never changed."""

import json
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple, Protocol

import apsw

from cogitate.errors import DataError
from cogitate.memory.codec import digest_of
from cogitate.memory.database import Database

__all__ = ["CreditRow", "Given", "append_credits", "read_credits", "row_of"]


class CreditRow(NamedTuple):
    """One credit of one thought, as `cogitate.training.Credit` has it."""

    thought: str
    """Its id in the graph of its episode."""
    measure: str
    value: float
    samples: int
    low: float | None
    high: float | None
    """Both ends of its interval, or None."""
    positive: bool | None
    trajectory: str | None
    origin: str
    """Method, version, parameters and source, as JSON."""


class _Ends(Protocol):
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Given(Protocol):
    """A credit as whoever gives it has it, such as `cogitate.training.Credit`."""

    @property
    def thought(self) -> str:
        """The id of its thought."""
        ...

    @property
    def measure(self) -> str:
        """What `value` is."""
        ...

    @property
    def value(self) -> float:
        """How much."""
        ...

    @property
    def samples(self) -> int:
        """What it was computed from."""
        ...

    @property
    def interval(self) -> _Ends | None:
        """Where the true value lies."""
        ...

    @property
    def positive(self) -> bool | None:
        """Worth imitating."""
        ...

    @property
    def trajectory(self) -> str | None:
        """The id of the solution at its end."""
        ...

    @property
    def origin(self) -> tuple[object, ...]:
        """Method, version, parameters and source."""
        ...


def row_of(credit: Given) -> CreditRow:
    """Return a credit as a row."""
    ends = credit.interval
    return CreditRow(
        credit.thought,
        credit.measure,
        credit.value,
        credit.samples,
        None if ends is None else ends.low,
        None if ends is None else ends.high,
        credit.positive,
        credit.trajectory,
        json.dumps(credit.origin),
    )


def append_credits(
    db: apsw.Connection, episode: int, thoughts: Container[str], rows: Iterable[CreditRow]
) -> int:
    """Add the credits that are not there yet, within a transaction, and return how many were new.

    Args:
        db: The file.
        episode: The row of an episode.
        thoughts: The ids of its thoughts.
        rows: The credits.

    Raises:
        DataError: A thought is not of that episode.
    """
    before = db.total_changes()
    for row in rows:
        if row.thought not in thoughts:
            raise DataError(
                f"episode {episode} has no thought {row.thought!r}: give credit to its own thoughts"
            )
        db.execute(
            "INSERT OR IGNORE INTO credits VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?)",
            (episode, *row, _digest(episode, row)),
        )
    return db.total_changes() - before


def read_credits(db: Database, episode: int) -> tuple[Sequence[CreditRow], int]:
    """Return the credits of an episode, oldest first, and how many rows were damaged."""
    sound: list[CreditRow] = []
    damaged = 0
    query = (
        "SELECT thought, measure, value, samples, low, high, positive, trajectory, origin, digest"
        " FROM credits WHERE episode = ? ORDER BY id"
    )
    for *columns, digest in db.rows(lambda *row: row, query, (episode,)):
        row = CreditRow(*columns)
        if row.positive is not None:
            row = row._replace(positive=bool(row.positive))
        if _digest(episode, row) == digest:
            sound.append(row)
        else:
            damaged += 1
    return sound, damaged


def _digest(episode: int, row: CreditRow) -> bytes:
    floats = row._replace(
        value=float(row.value),
        low=None if row.low is None else float(row.low),
        high=None if row.high is None else float(row.high),
    )
    return digest_of(episode, *floats)
