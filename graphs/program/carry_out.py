"""Carrying out a program: a stage runs as soon as its own inputs have, whatever others do."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.program.choose import Given, GroundTruth, KeepBest, KeepValid, Part, Score
from cogitate.graphs.program.stage import Stage
from cogitate.graphs.program.transform import (
    Aggregate,
    Generate,
    Refine,
    Split,
    ValidateAndImprove,
)
from cogitate.graphs.thought import Thought

__all__ = ["carry_out", "stages"]

_BLOCK = 1_000
"""Sample numbers set apart for each stage that may ask at the same place as another."""


async def carry_out(end: Stage, d: Deliberation) -> list[Thought]:
    """Run a program to its last stage, and return what that gives.

    A stage that several others take as an input runs once.

    Raises:
        ConfigError: A stage works on what the right answer has graded.
        BudgetExhausted: It ran out of budget; stages under way ended first.
    """
    program = stages(end)
    for stage in program:
        if any(isinstance(given, GroundTruth) for given in stage.inputs):
            raise ConfigError(
                f"{stage} works on graded thoughts: let GroundTruth be the last stage"
            )
    first = _first_numbers(program)
    loop = asyncio.get_running_loop()
    given: dict[Stage, asyncio.Future[list[Thought]]] = {s: loop.create_future() for s in program}

    async def run(stage: Stage) -> None:
        try:
            thoughts = [thought for source in stage.inputs for thought in await given[source]]
            given[stage].set_result(await stage(d, list(dict.fromkeys(thoughts)), first[stage]))
        except asyncio.CancelledError:
            given[stage].cancel()
            raise
        except BaseException as error:
            given[stage].set_exception(error)
            given[stage].exception()  # the last stage's is read by nobody
            raise

    await gather(map(run, program))
    return given[end].result()


def stages(end: Stage) -> list[Stage]:
    """All stages of a program that ends with `end`, each once, after its inputs."""
    found: dict[Stage, None] = {}
    left: list[tuple[Stage, bool]] = [(end, False)]
    while left:
        stage, ready = left.pop()
        if ready:
            found.setdefault(stage)
        elif stage not in found:
            left.append((stage, True))
            left += [(given, False) for given in reversed(stage.inputs)]
    return list(found)


def _first_numbers(program: Sequence[Stage]) -> dict[Stage, int]:
    """Set numbers apart for stages that may overlap: asking alike, and given the same thoughts."""
    made: dict[Stage, set[_Made]] = {}
    asked: list[tuple[type[Stage], set[_Made]]] = []
    first: dict[Stage, int] = {}
    for stage in program:
        given = {one for source in stage.inputs for one in made[source]}
        match stage:
            case Part(of=Split() as split, index=index):
                made[stage] = {_Made(split, index)}
            case Part() | Score() | KeepBest() | KeepValid() | GroundTruth():
                made[stage] = given
            case Given():
                made[stage] = {_Made(_GIVEN)}
            case Split() | Generate() | Aggregate() | Refine():
                made[stage] = {_Made(stage)}
            case _:
                made[stage] = {*given, _Made(stage)}
        first[stage] = _BLOCK * sum(
            kind is _kind(stage) and any(a.meets(b) for a in given for b in others)
            for kind, others in asked
        )
        asked.append((_kind(stage), given))
    return first


def _kind(stage: Stage) -> type[Stage]:
    """Stages of one kind may ask at the same place: both of these refine."""
    return Refine if isinstance(stage, ValidateAndImprove) else type(stage)


_GIVEN = Given()


class _Made(NamedTuple):
    """Which stage made thoughts, and which of them, if it is one only."""

    by: Stage
    part: int | None = None

    def meets(self, other: "_Made") -> bool:
        whole = None in (self.part, other.part)
        return self.by is other.by and (whole or self.part == other.part)
