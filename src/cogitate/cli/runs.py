"""Working off runs of a store: what `cogitate run` begins and `cogitate resume` goes on with."""

import asyncio
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from pydantic import JsonValue

from cogitate.agents import Team
from cogitate.cli.failure import Failed
from cogitate.cli.interrupt import interruptible
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.errors import CogitateError, ConfigError
from cogitate.graphs import Budget, Episode, Strategy, arun
from cogitate.graphs.recording import Plan, Tally
from cogitate.graphs.strategy import name_of
from cogitate.inference import Engines
from cogitate.memory import Durability, RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.outcome import Outcome

if TYPE_CHECKING:
    from cogitate.cli.meter import Meter

__all__ = [
    "Concurrency",
    "DurabilityOf",
    "SpillAfter",
    "Todo",
    "durable",
    "is_store",
    "skipped",
    "work_off",
]

Concurrency = Annotated[
    int, typer.Option(metavar="N", help="Problems in progress at the same moment.")
]
DurabilityOf = Annotated[
    str,
    typer.Option(
        "--durability",
        metavar="full|normal",
        help="full: what was kept survives a power cut; normal: the death of the process.",
    ),
]

SpillAfter = Annotated[
    int,
    typer.Option(
        "--spill-after",
        metavar="N",
        help="Move what is finished into Parquet shards beside the file, after every N problems; "
        "0: never.",
    ),
]


class Todo(NamedTuple):
    """One run to work off."""

    problems: ProblemSet
    team: Team
    strategy: Strategy
    budget: Budget
    seed: int
    key: str | None = None
    """That of the run that it shall go on with."""

    @property
    def plan(self) -> Plan:
        """As a recorder takes it."""
        return Plan(
            problems=self.problems,
            examples=self.problems.examples,
            team=self.team,
            strategy=self.strategy,
            budget=self.budget,
            seed=self.seed,
        )


@dataclass
class _Work:
    """What shall be done, and what was."""

    store: RunStore
    todo: Sequence[Todo]
    concurrency: int
    done: list[tuple[str, Todo, Tally]] = field(default_factory=list)
    """Runs by their keys, with what they came to."""
    wrote: bool = False
    """A model wrote something, now or in an earlier run."""
    first_error: str = ""
    failure: CogitateError | None = None
    """What ended it early."""


def is_store(file: Path) -> bool:
    """Whether a file is one of SQLite's."""
    try:
        with file.open("rb") as stream:
            return stream.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def durable(word: str) -> Durability:
    """Read the option.

    Raises:
        ConfigError: It is none of the two words.
    """
    if word == "full":
        return "full"
    if word == "normal":
        return "normal"
    raise ConfigError(f"--durability {word}: give full or normal")


def work_off(
    store: RunStore, todo: Sequence[Todo], *, concurrency: int, quiet: bool, json: bool
) -> None:
    """Work off runs one after the other, show what they came to, and end with its exit code."""
    if concurrency < 1:
        raise ConfigError(f"--concurrency {concurrency}: give at least 1")
    work = _Work(store, todo, concurrency)
    with contextlib.redirect_stderr(io.StringIO()) if quiet else contextlib.nullcontext():
        code = asyncio.run(_all(work, quiet=quiet))
    if json:
        emit_json({"store": str(store.path), "runs": [_record(*one) for one in work.done]})
    else:
        for key, one, tally in work.done:
            emit(_line(key, one, tally))
    if code is not None:
        again = f"the same command, or `cogitate resume {store.path}`, goes on"
        raise Failed(f"interrupted: what is finished is kept; {again}", code=code)
    if work.failure is not None:
        raise work.failure
    if work.first_error and not work.wrote:
        raise Failed(f"no model wrote anything. The first failure: {work.first_error}")


async def _all(work: _Work, *, quiet: bool) -> int | None:
    from cogitate.cli.meter import Meter  # rich, which no help text should wait for

    with interruptible() as interrupt, Meter(quiet=quiet) as meter:
        async with Engines() as engines:
            for number, one in enumerate(work.todo, start=1):
                if interrupt.event.is_set():
                    break
                try:
                    place = f"{number}/{len(work.todo)} "
                    await _one(work, one, place, meter, engines, interrupt.event)
                except CogitateError as failure:
                    work.failure = failure
                    break
        return interrupt.code


async def _one(
    work: _Work, one: Todo, place: str, meter: "Meter", engines: Engines, stop: asyncio.Event
) -> None:
    key = await asyncio.to_thread(work.store.key, one.plan, engines)
    if one.key is not None and key != one.key:
        raise ConfigError(
            f"run {one.key[:8]}: a model, an adapter or a file of it has changed since it began: "
            "put it back, or begin another run with `cogitate run`"
        )
    recording = work.store.begin(one.plan, engines)
    before = recording.tally()
    title = f"{place}{one.problems.name} · {name_of(one.strategy)}"
    meter.begin(title, total=len(one.problems), kept=before.finished, correct=before.correct)
    work.wrote = work.wrote or bool(before.finished)

    def keep(episode: Episode) -> None:
        outcome = Outcome.of(episode)
        meter.add(outcome)
        work.wrote = work.wrote or outcome.reply is not None
        work.first_error = work.first_error or next(iter(outcome.errors), "")

    try:
        await arun(
            one.problems,
            one.team,
            one.strategy,
            budget=one.budget,
            seed=one.seed,
            concurrency=work.concurrency,
            engines=engines,
            store=work.store,
            on_episode=keep,
            stop=stop,
        )
    finally:
        with contextlib.suppress(CogitateError):  # where the store failed, that is told already
            work.done.append((key, one, recording.tally()))


def _record(key: str, one: Todo, tally: Tally) -> dict[str, JsonValue]:
    return {
        "run": key,
        "set": one.problems.name,
        "strategy": name_of(one.strategy),
        "seed": one.seed,
        "oracle": one.team.oracle,
        "problems": len(one.problems),
        "finished": tally.finished,
        "correct": tally.correct,
        "prompt_tokens": tally.usage.prompt,
        "completion_tokens": tally.usage.completion,
        "calls": tally.usage.calls,
    }


def _line(key: str, one: Todo, tally: Tally) -> str:
    oracle = " (oracle: the verifier read the right answers)" if one.team.oracle else ""
    return (
        f"{key[:8]}  {one.problems.name} · {name_of(one.strategy)}: {tally.finished} of "
        f"{len(one.problems)} finished, {tally.correct} right{oracle}, {tally.usage.calls} calls, "
        f"{tally.usage.tokens} tokens"
    )


def skipped(run: str, why: CogitateError) -> None:
    """Say that a run is left alone."""
    note(f"run {run[:8]} is left alone: {why}")
