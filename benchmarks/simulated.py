"""What strategies gain and cost with a *simulated* solver of stated error rates.

    python benchmarks/simulated.py [--only NAME ...] [--short] [--sweep] [--write] [--jobs N]

No model is asked: a program writes every reply and errs at the rates of `simulation/rates.py`,
which were fixed before anything was measured. So the figures say how a strategy spends tokens and
what it makes of errors; they are no model's scores. `--sweep` varies the rates too, and shows where
search loses. `--write` writes docs/simulated.md and its charts; sections that were made before are
kept in runs/simulated, and made again where `--only` names them, or where it is not given.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from simulation.rates import RATES
from simulation.regions import beginnings, merging, sweep
from simulation.setting import DEV, FULL, SHORT, TEST, Section, Size
from simulation.stepwise import compute_optimal, overlapping, speculative, stepwise
from simulation.trees import puzzles, sorting

EXPERIMENTS: Mapping[str, Callable[[Size], Section]] = {
    "compute-optimal": compute_optimal,
    "speculative-rejection": speculative,
    "sorting": sorting,
    "mcts": overlapping,
    "game24": puzzles,
    "steps": stepwise,
}
SWEEPS: Mapping[str, Callable[[Size], Section]] = {
    "sweep": sweep,
    "sweep-speculative-rejection": beginnings,
    "sweep-sorting": merging,
}
PAGE = Path(__file__).parents[1] / "docs" / "simulated.md"
KEPT = Path(__file__).parents[1] / "runs" / "simulated"

HEAD = f"""\
# Strategies on a simulated solver

**Simulated: no model was asked for anything on this page.** A program plays generator, critic,
verifier and refiner and errs at stated rates. So the page shows how strategies spend tokens and
what they make of errors, on any machine and with narrow intervals; it does not show how good a
model is. [Measurements with a model](evaluation.md) are on another page.

```console
$ python benchmarks/simulated.py --sweep --write      # all of this page: ten minutes of computing
$ python benchmarks/simulated.py --short              # a small form, in seconds
```

- The rates were written down and committed before any strategy was run; they are at the end of this
  page and in `benchmarks/simulation/rates.py`. Parameters of strategies and plans were chosen on
  the seeds {", ".join(map(str, DEV))}; figures are of seed {TEST} where nothing else is said. Each
  reply follows from seed, problem, position and sample number, so the page can be made again, digit
  by digit.
- A token is a word. **Computed tokens** are prompt and completion tokens without those that an
  ideal prefix cache would have held (blocks of 16, nothing ever forgotten: simulated too). They are
  what comparisons count unless they say otherwise; calls of verifiers and critics are in all
  counts. Tokens and calls are means of a problem.
- Intervals are 95%: Wilson's for shares, bootstrap over problems for differences and ratios. A
  claim **holds** where the interval excludes a loss of more than five points, and that of its
  tokens lies below the bound. It is **open** where tokens are below the bound and accuracy is not
  measurably lower, but such a loss is not excluded. Otherwise it **does not hold**.
- A strategy `wins` where it is measurably better than the cheapest best-of-n that costs at least as
  much, and `loses` where it is measurably worse than the dearest one that costs no more. Otherwise
  it is compared with the nearest in cost: `even`, or `between` where they differ measurably and its
  cost explains that. Differences are points of accuracy.
- One flaw of the simulation was mended after a first look: two right solutions used to be the same
  text, and so always got the same score; now steps are worded in many ways. No rate was changed.
"""


def run(name: str, *, short: bool) -> Section:
    """Run one experiment, and say how long it took."""
    started = time.perf_counter()
    section = ({**EXPERIMENTS, **SWEEPS})[name](SHORT if short else FULL)
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return section


def make(name: str) -> None:
    """Run one experiment and keep its section."""
    section = run(name, short=False)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(section._asdict()))


def write(names: list[str], *, again: list[str], jobs: int) -> None:
    """Write the page, with new sections where they are wanted or were never made."""
    todo = [name for name in names if name in again or not (KEPT / f"{name}.json").exists()]
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(make, todo))
    parts = [HEAD]
    for name in names:
        section = Section(**json.loads((KEPT / f"{name}.json").read_text()))
        parts.append(section.text)
        for file, drawing in section.charts.items():
            (PAGE.parent / file).write_text(drawing)
    parts[1:1] = [claims(parts)]
    PAGE.write_text("\n\n".join(part.strip() for part in [*parts, rates()]) + "\n")


def claims(parts: list[str]) -> str:
    """All that was claimed, with what came of it."""
    words = ("**Holds**", "**Open**", "**Does not hold**", "**But ")
    found = [line for part in parts for line in part.splitlines() if line.startswith(words)]
    return "\n".join(["## In short\n", *(f"- {line}" for line in found)])


def rates() -> str:
    """The rates as a table."""
    lines = [f"| `{name}` | {getattr(RATES, name)} |" for name in RATES.__dataclass_fields__]
    return "\n".join(["## The rates\n", "| rate | value |", "| --- | --- |", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description="Strategies on a simulated solver")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="only these; none: no new ones")
    parser.add_argument("--short", action="store_true", help="few problems, in seconds")
    parser.add_argument("--sweep", action="store_true", help="vary the rates too")
    parser.add_argument("--write", action="store_true", help="write docs/simulated.md")
    parser.add_argument("--jobs", type=int, default=2, help="experiments at the same moment")
    asked = parser.parse_args()
    names = [*EXPERIMENTS, *(SWEEPS if asked.sweep else ())]
    chosen = names if asked.only is None else asked.only
    if unknown := [name for name in chosen if name not in {**EXPERIMENTS, **SWEEPS}]:
        parser.error(f"{unknown[0]!r}: choose from {', '.join([*EXPERIMENTS, *SWEEPS])}")
    if asked.write and not asked.short:
        write(names, again=chosen, jobs=asked.jobs)
        return
    for name in chosen:
        print(run(name, short=asked.short).text + "\n", flush=True)


if __name__ == "__main__":
    main()
