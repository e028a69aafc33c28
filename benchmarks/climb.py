"""How far STaR alone takes the embedded model on one family, when it goes on for longer.

    python benchmarks/climb.py [--iterations 5] [--problems 260] [--samples 8]

Sums of two or three terms of one or two digits. The first replies are sampled with two worked
examples, until weights are promoted; from then on the model learns from its own. Each iteration has
problems of its own, and trains from the base on all replies that were kept so far. Greedy replies
are measured, without examples, on problems with generator seeds from 1,000,000 on whose texts no
iteration has seen; before, with and without examples.

Everything is kept in runs/climb/, and the same command goes on where it was stopped.
"""

import argparse
import json
from pathlib import Path

from learning import SUMS, TEST, measure, show, team

import cogitate as cg
from cogitate import training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--problems", type=int, default=260, help="for each iteration")
    parser.add_argument("--samples", type=int, default=8, help="replies to each problem")
    parser.add_argument("--batch", type=int, default=8, help="rows of a step of training")
    parser.add_argument(
        "--size", type=int, default=1_000, help="test problems, before seen ones go"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/climb"))
    chosen = parser.parse_args()
    many, output = chosen.iterations, chosen.output
    train = cg.tasks.load(f"{SUMS}&size={many * chosen.problems}&seed=300_000")
    dev = cg.tasks.load(f"{SUMS}&size={many * 160}&seed=700_000")
    how = training.Optimisation(precision="bfloat16", batch_size=chosen.batch)
    settings = training.STaRSettings(
        samples=chosen.samples,
        per_problem=4,
        sft=training.SFTSettings(optimisation=how),
        concurrency=64,
    )
    for report in training.STaR(
        team(),
        first=team(examples=2),
        train=train,
        dev=dev,
        output=output,
        iterations=many,
        settings=settings,
        progress=show,
    ):
        print(report, flush=True)
    loaded = cg.tasks.load(f"{SUMS}&size={chosen.size}&seed={TEST}")
    tested = training.unseen(loaded, than=[*train, *dev, *loaded.examples])
    print(f"{len(tested)} problems, {tested.dropped} dropped as seen or repeated")
    teams = {f"{n} examples": team(examples=n, temperature=0) for n in (0, 2)}
    for i in range(1, many + 1):
        teams[f"iteration {i}"] = team(output / str(i) / "generator", temperature=0)
    found = []
    for name, greedy in teams.items():
        measure(name, greedy, cg.ChainOfThought(), tested, output=output)
        record = json.loads((output / "measured" / f"{name}.json").read_text())
        found.append(training.Evaluation(**record["evaluation"]))
    print(training.table(found))


if __name__ == "__main__":
    main()
