"""What Cogitate itself costs for each thought: time and memory, with an engine that costs nothing.

    python benchmarks/overhead.py [--json]

A scripted engine answers at once, so all that is measured is ours: prompt, layers, budget, parser,
graph. Two shapes: `chain` refines one draft after the other (one call a thought, one at a time),
`fan` asks 8 samples at a time in 64 tasks. Memory is what the finished graph holds, by tracemalloc,
in a run of its own; texts are 40 characters, and no token ids are kept.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
import tracemalloc

import cogitate as cg
from cogitate.inference import Request, Scripted

SIZES = (1_000, 10_000, 100_000)


def reply(request: Request) -> str:
    return f"Some steps that lead nowhere.\nAnswer: {request.sample:8d}"


async def chain(d: cg.Deliberation, size: int) -> cg.Thought:
    draft = await d.generate()
    for _ in range((size - 1) // 2):
        draft = await d.refine(draft, await d.critique(draft))
    return draft


async def fan(d: cg.Deliberation, size: int) -> cg.Thought:
    async def some(count: int) -> None:
        for _ in range(count):
            await d.samples(8)

    await cg.graphs.gather(some(size // 8 // 64 + 1) for _ in range(64))
    return d.problem


def measure(shape: str, size: int, *, memory: bool) -> tuple[int, float]:
    """Return the number of thoughts, and seconds (or bytes) that they took."""
    grow = {"chain": chain, "fan": fan}[shape]

    async def strategy(d: cg.Deliberation) -> cg.Thought:
        return await grow(d, size)

    team = cg.Team.of(Scripted(reply))
    cg.solve("What is 6 * 7?", team, cg.SelfRefine(rounds=2))
    gc.collect()
    if memory:
        tracemalloc.start()
    started = time.perf_counter()
    result = cg.solve("What is 6 * 7?", team, strategy, budget=cg.Budget(tokens=10**12))
    seconds = time.perf_counter() - started
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] if memory else seconds
    tracemalloc.stop()
    return len(result.graph), used


def import_seconds() -> float:
    """Return the best of five times to `import cogitate`, beyond a bare interpreter."""

    def best(code: str) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
        return min(times)

    check = "import sys, cogitate; assert 'torch' not in sys.modules"
    return best(check) - best("pass")


def main() -> None:
    parser = argparse.ArgumentParser(description="What Cogitate itself costs for each thought")
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    rows = []
    for shape in ("chain", "fan"):
        for size in SIZES:
            thoughts, seconds = min(
                (measure(shape, size, memory=False) for _ in range(3)), key=lambda row: row[1]
            )
            _, used = measure(shape, size, memory=True)
            rows.append(
                {
                    "shape": shape,
                    "thoughts": thoughts,
                    "us_per_thought": seconds / thoughts * 1e6,
                    "kib_per_thought": used / thoughts / 1024,
                }
            )
            if not as_json:
                print(
                    f"{shape:6} {thoughts:7,} thoughts  {rows[-1]['us_per_thought']:6.1f} µs  "
                    f"{rows[-1]['kib_per_thought']:5.2f} KiB  each",
                    flush=True,
                )
    report = {"rows": rows, "import_seconds": import_seconds()}
    print(
        json.dumps(report, indent=2)
        if as_json
        else f"import cogitate: {report['import_seconds']:.2f} s, no torch"
    )


if __name__ == "__main__":
    main()
