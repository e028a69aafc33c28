"""Rows that are too long, too unlikely, or too many of one problem or of one label."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from cogitate.errors import ConfigError
from cogitate.tasks.held_back import same_text
from cogitate.training.filters.texts import said_in
from cogitate.training.rows import KTORow, Row, StepRow
from cogitate.training.stream import R

__all__ = ["Balance", "Length", "PerProblem", "Perplexity"]


@dataclass(frozen=True)
class Length:
    """Drop rows with a reply that is shorter or longer than allowed."""

    least: int = 1
    most: int = 4096
    unit: Literal["tokens", "characters"] = "tokens"
    """`tokens` as they were sampled (rows without them are dropped), or `characters`."""

    def __post_init__(self) -> None:
        """Refuse limits that nothing keeps."""
        if not 0 <= self.least <= self.most or self.unit not in ("tokens", "characters"):
            raise ConfigError(f"{self}: give 0 <= least <= most, in 'tokens' or 'characters'")

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield rows of which every reply is of a fitting length."""
        for row in rows:
            lengths = [
                said.tokens if self.unit == "tokens" else len(said.text) for said in said_in(row)
            ]
            known = [length for length in lengths if length is not None]
            if len(known) < len(lengths):
                counts["length unknown"] += 1
            elif max(known) > self.most:
                counts["too long"] += 1
            elif min(known) < self.least:
                counts["too short"] += 1
            else:
                yield row


@dataclass(frozen=True)
class Perplexity:
    """Drop rows with a reply above a percentile of the perplexity that its own model gave it.

    A reply's perplexity is exp(-mean log-probability) of its tokens as sampled; of several replies
    the highest counts. The percentile is by nearest rank, over all rows: they are read twice. Rows
    without log-probabilities are kept, and counted.
    """

    percentile: float = 95

    def __post_init__(self) -> None:
        """Refuse a percentile that is none."""
        if not 0 < self.percentile <= 100:
            raise ConfigError(f"{self}: give a percentile above 0, up to 100")

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield rows at or below the percentile; 8 bytes of each are remembered."""
        found = array("d", (p for row in rows if (p := perplexity(row)) is not None))
        highest = math.inf
        if found:
            highest = sorted(found)[math.ceil(self.percentile / 100 * len(found)) - 1]
        for row in rows:
            own = perplexity(row)
            if own is None:
                counts["perplexity unknown (kept)"] += 1
            elif own > highest:
                counts["too unlikely"] += 1
                continue
            yield row


def perplexity(row: Row) -> float | None:
    """Return the highest perplexity of a row's replies, or None where one is unknown."""
    found = []
    for said in said_in(row):
        if not said.logprobs:
            return None
        mean = math.fsum(said.logprobs) / len(said.logprobs)
        found.append(math.exp(min(-mean, 700.0)))
    return max(found, default=None)


@dataclass(frozen=True)
class PerProblem:
    """Keep at most so many rows of one text and role; the first ones."""

    most: int

    def __post_init__(self) -> None:
        """Refuse a limit that nothing keeps."""
        if self.most < 1:
            raise ConfigError(f"PerProblem({self.most}): keep at least 1 row of a problem")

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield the first rows of each text and role."""
        seen: Counter[tuple[str, str]] = Counter()
        for row in rows:
            place = row.role, same_text(row.question)
            if seen[place] >= self.most:
                counts["capped"] += 1
            else:
                seen[place] += 1
                yield row


@dataclass(frozen=True)
class Balance:
    """Keep as many rows of each label as there are of the rarest, spread over all; read twice.

    Labels are those of `KTORow` (wanted or not) and of `StepRow` (all known steps right, or not).
    Where one of two labels is not there at all, nothing can be balanced and no row is dropped.
    """

    def keep(self, rows: Iterable[R], counts: Counter[str]) -> Iterator[R]:
        """Yield equally many rows of each label.

        Raises:
            ConfigError: The rows are of a kind without labels.
        """
        total = Counter(map(_label, rows))
        least = min(total.values(), default=0)
        seen: Counter[bool] = Counter()
        for row in rows:
            label = _label(row)
            seen[label] += 1
            # The n-th of a label is kept where the share that is kept reaches another whole row.
            place, of = seen[label], total[label]
            if place * least // of > (place - 1) * least // of:
                yield row
            else:
                counts["too many of its label"] += 1


def _label(row: Row) -> bool:
    match row:
        case KTORow(wanted=wanted):
            return wanted
        case StepRow(steps=steps):
            return all(step.label >= 0.5 for step in steps if step.label is not None)
        case _:
            raise ConfigError(
                f"Balance(): a {type(row).__name__} has no label: balance unpaired or step rows, "
                "and limit others with PerProblem(n)"
            )
