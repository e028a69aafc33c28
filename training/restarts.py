"""Where Satori's reinforcement learning begins, and how its reflections turn out, step by step.

Restart and explore (Shen et al. 2025, arXiv:2502.02508): episodes begin at the problem, after a
right trajectory that was backed up, or after a wrong one; both end with the reflect token. What is
learned shows in two rates: wrong trajectories that are mended, and right ones that are spoilt.

Departures: of each problem one restart of each sort is drawn among all numbers of actions that were
backed up. A beginning that right and wrong trajectories of one problem have in common is left out.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cogitate.errors import DataError
from cogitate.memory.whole_file import whole_file
from cogitate.training.intervals import Interval, wilson
from cogitate.training.rewards import ReflectionReward
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.sampling import CurrentWeights, Sampler
from cogitate.training.trainers.work import first_process

__all__ = ["ReflectRates", "Starts", "Watched", "choose_starts", "read_rates", "sum_of_rates"]


class Starts(NamedTuple):
    """Where episodes begin, and what became of other states."""

    rows: list[PromptRow]
    counts: dict[str, int]
    """`states` in all; `problem`, `right` and `wrong` of those kept; `ambiguous`, `not drawn`."""

    def bonus(self, *, beta: float = 0.5) -> ReflectionReward:
        """Return the reward for reflections that begin here."""
        return ReflectionReward(
            beta,
            {(row.problem, row.prefix): row.began == "right" for row in self.rows if row.prefix},
        )


def choose_starts(rows: Iterable[PromptRow], *, restarts: bool = True, seed: int = 0) -> Starts:
    """Draw the start states of a training: each problem, and a restart of each sort.

    Args:
        rows: States of `harvest(...).prompts()`, of any number of graphs of a problem.
        restarts: False leaves the problems alone: the training to compare with.
        seed: Of the draw.
    """
    rows = list(rows)
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        sides[row.problem, row.prefix].add(row.began)
    states: dict[tuple[str, str], list[PromptRow]] = defaultdict(list)
    counts = Counter({"states": len(rows)})
    for row in rows:
        if row.prefix and len(sides[row.problem, row.prefix]) > 1:
            counts["ambiguous"] += 1
        else:
            states[row.problem, row.began].append(row)
    draw, kept = random.Random(seed), list[PromptRow]()
    for (_, began), found in states.items():
        if began == "problem" or (restarts and began in ("right", "wrong")):
            chosen = draw.choice(found)
            kept.append(chosen)
            counts[chosen.began] += 1
    draw.shuffle(kept)
    counts["not drawn"] = len(rows) - len(kept) - counts["ambiguous"]
    return Starts(kept, dict(counts))


class ReflectRates(BaseModel):
    """How episodes turned out, by where they began, or by what they said before they reflected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    """Steps of training done before."""
    wrong: int = Field(default=0, ge=0)
    """Wrong beginnings that were reflected on, of which:"""
    mended: int = Field(default=0, ge=0)
    right: int = Field(default=0, ge=0)
    """Right ones, of which:"""
    spoilt: int = Field(default=0, ge=0)
    fresh: int = Field(default=0, ge=0)
    """Episodes from the problem, of which:"""
    solved: int = Field(default=0, ge=0)
    ungraded: int = Field(default=0, ge=0)
    """In none of these: the reply failed, or no grader could tell."""
    tokens: int = Field(default=0, ge=0)
    """That the policy sampled; those of a beginning that it was given are none."""

    @property
    def mends(self) -> Interval:
        """Wrong to right, as a share of the wrong."""
        return wilson(self.mended, self.wrong)

    @property
    def spoils(self) -> Interval:
        """Right to wrong, as a share of the right."""
        return wilson(self.spoilt, self.right)

    def __str__(self) -> str:
        return (
            f"step {self.step}: {self.mended} of {self.wrong} wrong beginnings mended "
            f"({self.mends.low:.1%} to {self.mends.high:.1%}), {self.spoilt} of {self.right} right "
            f"ones spoilt ({self.spoils.low:.1%} to {self.spoils.high:.1%}), {self.solved} of "
            f"{self.fresh} solved from the problem"
        )


@dataclass(frozen=True)
class Watched:
    """A sampler that writes down how reflections turn out: a line for each step that samples.

    Of several processes the first one's share is written.
    """

    sampler: Sampler
    record: Path
    """A file of JSON lines, written anew for each batch; a resumed training goes on with it."""
    part: str = "outcome"
    """The part of the reward that says whether a reply is right."""
    right: float = 0.0
    """What that part is at least where it is; `satori_sum` gives 0 for right, and -1."""

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        """Sample, and write the rates down."""
        sampled = await self.sampler(starts, weights)
        counts = Counter({"tokens": sum(len(one.completion_ids) for one in sampled)})
        for start, one in zip(starts, sampled, strict=True):
            outcome = one.parts.get(self.part)
            if outcome is None or start.began == "unknown":
                counts["ungraded"] += 1
                continue
            correct = outcome >= self.right
            began = "fresh" if start.began == "problem" else start.began
            counts[began] += 1
            counts["solved"] += began == "fresh" and correct
            counts["mended"] += began == "wrong" and correct
            counts["spoilt"] += began == "right" and not correct
        if first_process():
            self._write(ReflectRates(step=weights.step, **counts))
        return sampled

    def _write(self, rates: ReflectRates) -> None:
        known = read_rates(self.record) if self.record.exists() else []
        earlier = [one for one in known if one.step < rates.step]  # later ones are done again
        self.record.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.record) as file:
            file.writelines(one.model_dump_json() + "\n" for one in (*earlier, rates))

    async def close(self) -> None:
        """Close the sampler."""
        await self.sampler.close()


def read_rates(record: Path) -> list[ReflectRates]:
    """Read what was written down, by step.

    Raises:
        DataError: There is no such file, or a line that is no such record.
    """
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
        return [ReflectRates.model_validate_json(line) for line in lines]
    except (OSError, ValidationError) as error:
        raise DataError(f"{record} holds no rates of a training ({error}): train again") from error


def sum_of_rates(rates: Sequence[ReflectRates]) -> ReflectRates:
    """Return all episodes of several steps together, under the first step's number.

    Raises:
        DataError: There are none.
    """
    if not rates:
        raise DataError("no rates to add up: the training sampled nothing")
    counts = Counter[str]()
    for one in rates:
        counts.update(one.model_dump(exclude={"step"}))
    return ReflectRates(step=rates[0].step, **counts)
