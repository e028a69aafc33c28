"""What a tree search itself costs: time and memory for each simulation, with a free engine.

    python benchmarks/search.py [--json] [--most 10000]

A scripted engine and a verifying function answer at once, so all that is measured is ours:
selection, four steps and one score in each simulation, back-up, merging of equal states, prompt,
layers, budget, parser and graph. First 1,600 simulations, the best of several runs; then 1,000,
10,000 and 100,000, to see that both time and memory grow in proportion. Seconds are wall time and
`cpu` the process's own, which a busy machine disturbs less. Memory is what the finished graph
holds, and the most there was during the search (its tree included), by tracemalloc, in runs of
their own.
"""

import argparse
import gc
import json
import time
import tracemalloc
import zlib
from typing import NamedTuple

import cogitate as cg
from cogitate.inference import Request, Scripted

SIZES = (1_000, 10_000, 100_000)
SHORT = 1_600
RUNS = 7


class Cost(NamedTuple):
    """One run: how much it made, and what that cost."""

    thoughts: int
    seconds: float
    cpu: float
    held: int
    peak: int


def reply(request: Request) -> str:
    if request.operation == "finish":
        return f"All in all that makes it plain.\nAnswer: {request.sample}"
    return f"From here step {request.sample} leads on.\n\n"


def worth(_problem: cg.tasks.Problem, text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32


def measure(simulations: int, *, memory: bool = False) -> Cost:
    team = cg.Team.of(Scripted(reply), verifier=worth)
    strategy = cg.MCTS(simulations=simulations, width=4)
    gc.collect()
    if memory:
        tracemalloc.start()
    started, cpu = time.perf_counter(), time.process_time()
    result = cg.solve("What is 6 * 7?", team, strategy, budget=cg.Budget(tokens=10**12))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Cost(len(result.graph), seconds, cpu, held, peak)


def row(simulations: int, runs: int) -> dict[str, float]:
    costs = [measure(simulations) for _ in range(runs)]
    memory = measure(simulations, memory=True)
    return {
        "simulations": simulations,
        "thoughts": memory.thoughts,
        "seconds": min(cost.seconds for cost in costs),
        "us_per_simulation": min(cost.seconds for cost in costs) / simulations * 1e6,
        "cpu_us_per_simulation": min(cost.cpu for cost in costs) / simulations * 1e6,
        "held_kib_per_simulation": memory.held / simulations / 1024,
        "peak_kib_per_simulation": memory.peak / simulations / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a tree search costs for each simulation")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="leave out larger sizes")
    given = parser.parse_args()
    measure(SHORT)
    rows = []
    for size in (SHORT, *SIZES):
        if size > given.most:
            continue
        made = row(size, RUNS if size < SIZES[1] else 3 if size < SIZES[2] else 1)
        rows.append(made)
        if not given.json:
            print(
                f"{size:7,} simulations  {made['thoughts']:7,} thoughts  {made['seconds']:6.2f} s  "
                f"{made['us_per_simulation']:4.0f} µs (cpu {made['cpu_us_per_simulation']:4.0f})  "
                f"{made['held_kib_per_simulation']:5.2f} KiB, at most "
                f"{made['peak_kib_per_simulation']:5.2f} KiB  each",
                flush=True,
            )
    if given.json:
        print(json.dumps({"width": 4, "parallel": cg.MCTS().parallel, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
