"""Does a search wait for anything but the model? Wall-clock against its longest dependent chain.

    python benchmarks/latency.py [--json] [--only NAME] [--repeat N]

A server in a process of its own answers every chat completion after 200 ms; what one call alone
takes is measured through the same client. A method's critical path is the longest chain of calls
that need one another: so many `rounds`, by the method's definition, each as long as one call alone.
`chain` is that chain as the search really has it: its length on a clock on which every call takes
one unit and all else takes none. Where a search waited for something that the method does not ask
for, `chain` would be more than `rounds`; what else there is of wall-clock is work between calls.

The replies mean nothing (`waiting.solver`); how good a method is, is another question. Last, many
problems share one engine with a limit of calls under way: how full is it kept?
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import cogitate as cg
from cogitate.agents.game24 import game24
from cogitate.inference import Engine, Message, OpenAI, Request, Sampling
from cogitate.tasks import Problem

sys.path.insert(0, str(Path(__file__).parent))

from waiting.clock import rounds
from waiting.server import Call, Server
from waiting.solver import STEPS

LATENCY = 0.2
ALLOWED = 1.1
"""Wall-clock in critical paths, at most."""
LIMIT, PROBLEMS, FULL = 64, 200, 0.9
QUESTION = Problem(id="q", prompt="What is 6 * 7?", reference="42", kind="numeric")


class Measured(NamedTuple):
    """A method whose dependent rounds are known."""

    strategy: cg.Strategy
    rounds: int
    why: str
    """How the rounds follow from the method."""
    problem: Problem = QUESTION
    team: Callable[[Engine], cg.Team] = cg.Team.of


@dataclass(frozen=True)
class Row:
    """What one method came to."""

    method: str
    rounds: int
    why: str
    chain: int
    calls: int
    widest: int
    """The most calls under way at a time."""
    seconds: float
    critical_path: float
    ratio: float


def methods() -> dict[str, Measured]:
    """The methods that are measured, by name."""
    [game] = cg.tasks.load("game24?size=1")
    return {
        "best-of-n, 8": Measured(cg.BestOfN(8), 2, "generate, verify"),
        "self-refine, 3 rounds": Measured(cg.SelfRefine(3), 7, "draft, 3 x (critique, refine)"),
        "tree of thoughts, Game of 24": Measured(
            cg.TreeOfThoughts(breadth=5, depth=3),
            6,
            "3 x (propose, value)",
            game,
            _game24,
        ),
        "graph of thoughts, sorting": Measured(
            cg.GraphOfThoughts(program="sorting", parts=4, k=5),
            4,
            "sort 4 parts, merge, merge, mend",
            cg.tasks.load("sorting?size=1")[0],
        ),
        "beam search, 4 beams x 4": Measured(
            cg.BeamSearch(beams=4, expand=4, depth=8),
            2 * STEPS,
            f"{STEPS} x (step, verify)",
        ),
        "particle filtering, 8": Measured(
            cg.ParticleFiltering(particles=8, depth=8), 2 * STEPS, f"{STEPS} x (step, verify)"
        ),
        "MCTS, 64 simulations, 8 at a time": Measured(
            cg.MCTS(simulations=64, parallel=8, width=4),
            19,
            "expand the problem, 64 / 8 x (expand, verify), and a wait for the first leaves",
        ),
    }


def _game24(engine: Engine) -> cg.Team:
    return cg.Team(
        game24(cg.Generator(engine)),
        verifier=game24(cg.Verifier(engine, method="text")),
    )


def engine(server: Server, concurrency: int) -> OpenAI:
    return OpenAI("solver", base_url=server.url, concurrency=concurrency, continues=True)


async def alone(model: OpenAI, times: int = 15) -> float:
    """Seconds of one call when nothing else is under way: the median."""
    taken = []
    for number in range(times):
        ask = Request(
            messages=(Message("user", f"{QUESTION.prompt} ({number})"),),
            sampling=Sampling(max_tokens=64),
        )
        started = time.perf_counter()
        await model.complete(ask)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def widest(calls: Sequence[Call]) -> int:
    """The most calls under way at a time."""
    events = sorted([(call.begin, 1) for call in calls] + [(call.end, -1) for call in calls])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


async def measure(name: str, method: Measured, longest: int, server: Server, repeat: int) -> Row:
    """Run a method a few times; the fastest counts, as the machine may have other things to do."""
    model = engine(server, 256)
    try:
        await alone(model, 3)
        await asyncio.gather(*(model.complete(_warm(i)) for i in range(64)))
        rows = []
        for _ in range(repeat):
            one = await alone(model, 5)
            server.calls()
            result = await cg.asolve(method.problem, method.team(model), method.strategy)
            calls = server.calls()
            if result.errors:
                raise RuntimeError(f"{name}: {result.errors[0]}")
            path = method.rounds * one
            row = Row(
                method=name,
                rounds=method.rounds,
                why=method.why,
                chain=longest,
                calls=result.usage.calls,
                widest=widest(calls),
                seconds=result.seconds,
                critical_path=path,
                ratio=result.seconds / path,
            )
            rows.append(row)
        return min(rows, key=lambda row: row.ratio)
    finally:
        await model.close()


def _warm(number: int) -> Request:
    return Request(messages=(Message("user", f"Warm {number}"),), sampling=Sampling(max_tokens=9))


@dataclass(frozen=True)
class Flight:
    """How full an engine was kept, from the first second to the last but one."""

    calls: int
    seconds: float
    at_best: float
    mean: float
    """Calls between their arrival at the server and their reply."""
    least: float
    """The mean of the worst tenth of a second."""
    below: float
    """The part of the time, by milliseconds, with fewer calls than `FULL` of the limit."""


async def fullest(server: Server, repeat: int) -> Flight:
    return min([await many(server) for _ in range(repeat)], key=lambda flight: flight.below)


async def many(server: Server) -> Flight:
    """Refine many problems over one engine that takes LIMIT calls at a time."""
    problems = [
        Problem(id=f"p{i}", prompt=f"What is {i} + {i}?", reference=str(2 * i), kind="numeric")
        for i in range(PROBLEMS)
    ]
    model = engine(server, LIMIT)
    await alone(model, 3)
    server.calls()
    started = time.monotonic()
    report = await cg.arun(
        problems, cg.Team.of(model), cg.SelfRefine(rounds=4), concurrency=PROBLEMS
    )
    ended = time.monotonic()
    await model.close()
    calls = server.calls()
    flight = in_flight(calls, started + 1.0, ended - 1.0)
    return Flight(
        calls=len(calls),
        seconds=report.seconds,
        at_best=-(-len(calls) // LIMIT) * LATENCY,
        mean=statistics.fmean(flight),
        least=min(map(statistics.fmean, batched(flight, 100))),
        below=sum(one < FULL * LIMIT for one in flight) / len(flight),
    )


def batched(counts: Sequence[int], size: int) -> list[Sequence[int]]:
    return [counts[i : i + size] for i in range(0, len(counts) - size + 1, size)]


def in_flight(calls: Sequence[Call], begin: float, end: float) -> list[int]:
    """Calls under way, a thousand times a second."""
    begins = sorted(call.begin for call in calls)
    ends = sorted(call.end for call in calls)
    counts, b, e, now = [], 0, 0, begin
    while now < end:
        while b < len(begins) and begins[b] <= now:
            b += 1
        while e < len(ends) and ends[e] <= now:
            e += 1
        counts.append(b - e)
        now += 0.001
    return counts


def show(one: float, rows: Sequence[Row], flight: Flight | None) -> None:
    print(f"one call alone: {one * 1000:.1f} ms, of which the server waits {LATENCY * 1000:.0f} ms")
    print(f"{'':34} calls  widest  rounds  chain  seconds  critical path  ratio")
    for row in rows:
        print(
            f"{row.method:34} {row.calls:5}  {row.widest:6}  {row.rounds:6}  {row.chain:5}  "
            f"{row.seconds:7.3f}  {row.critical_path:13.3f}  {row.ratio:5.3f}"
            f"{'' if row.ratio <= ALLOWED else f'  above {ALLOWED}'}"
        )
    if flight is not None:
        print(
            f"{PROBLEMS} problems, one engine, {LIMIT} calls at a time: {flight.calls} calls in "
            f"{flight.seconds:.2f} s (at best {flight.at_best:.2f} s).\n"
            "At the server, from the first second to the last but one: "
            f"{flight.mean:.1f} in flight, {flight.least:.1f} in the worst tenth of a second; "
            f"fewer than {FULL:.0%} of the limit {flight.below:.1%} of "
            "the time"
        )


async def run(
    chosen: Mapping[str, Measured], chains: Mapping[str, int], repeat: int, *, flight: bool
) -> tuple[float, list[Row], Flight | None]:
    with Server(LATENCY) as server:
        model = engine(server, 1)
        one = await alone(model)
        await model.close()
        rows = [
            await measure(name, method, chains[name], server, repeat)
            for name, method in chosen.items()
        ]
        return one, rows, await fullest(server, repeat) if flight else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Wall-clock against the longest dependent chain")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", action="append", default=[], help="methods whose name has this")
    parser.add_argument("--repeat", type=int, default=5, help="runs; the fastest counts")
    asked = parser.parse_args()
    only = asked.only
    chosen = {n: m for n, m in methods().items() if not only or any(part in n for part in only)}
    chains = {n: rounds(m.strategy, m.problem, m.team) for n, m in chosen.items()}
    one, rows, flight = asyncio.run(run(chosen, chains, asked.repeat, flight=not only))
    if not asked.json:
        show(one, rows, flight)
        return
    many = None if flight is None else asdict(flight)
    print(json.dumps({"one_call": one, "rows": [asdict(r) for r in rows], "many": many}, indent=2))


if __name__ == "__main__":
    main()
