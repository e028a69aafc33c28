"""The whole loop: a model teaches itself, by rejection sampling, what a grader can verify (STaR).

    python examples/improve.py [--short] [--seed N] [--json]

A 135M model solves small sums. Each round samples replies on problems of its own, keeps those that
the grader verified, and trains a LoRA adapter on all that was kept so far, always from the base
model. The first round samples with two worked examples in the prompt; rows are trained without
them, so the model learns to do what only the examples made it do. The same evaluation before and
after, on problems whose text occurs in no training set and in no worked example.

Everything is kept in runs/improve/, also after Ctrl-C. About 20 minutes on two cores.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

import cogitate as cg
from cogitate import training

MODEL = "hf/smollm2-135m"
FAMILY = "reasoning_gym/chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2"
OUTPUT = Path("runs/improve")


def load(size: int, seed: int) -> cg.tasks.ProblemSet:
    return cg.tasks.load(f"{FAMILY}&size={size}&seed={seed}")


@contextmanager
def counted(title: str, total: int) -> Iterator[Callable[[object], None]]:
    """Show progress on stderr, a step for each call."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{title:32}", total=total)
        yield lambda _done: bar.advance(task)


def measure(
    title: str, problems: cg.tasks.ProblemSet, adapter: Path | None, examples: int
) -> training.Evaluation:
    team = cg.Team.of(
        MODEL, adapter=adapter and str(adapter), examples=examples, temperature=0, max_tokens=64
    )
    with counted(title, len(problems)) as step:
        found = training.evaluate(
            problems, team, cg.ChainOfThought(), name=title, concurrency=32, on_episode=step
        )
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def sample(
    title: str, problems: cg.tasks.ProblemSet, adapter: Path | None, n: int, seed: int
) -> training.Verified:
    """Think about every problem and keep the verified replies, as zero-shot training rows."""
    team = cg.Team.of(
        MODEL, adapter=adapter and str(adapter), examples=0 if adapter else 2, max_tokens=48
    )
    with counted(title, len(problems)) as step:
        report = cg.run(
            problems, team, cg.SelfConsistency(n=n), concurrency=16, seed=seed, on_episode=step
        )
    graphs = (episode.graph for episode in report.episodes)
    return training.harvest(graphs, prompt="zero-shot").verified(per_problem=3)


def improve(*, rounds: int, train: int, dev: int, n: int, seed: int) -> dict[str, object]:
    started = time.perf_counter()
    # Neighbouring generator seeds share items, so ranges lie far apart; texts decide in the end.
    place = seed % 100
    batches = [load(train, 1_000 + 3_000 * place + 1_000 * i) for i in range(rounds)]
    shown = batches[0].examples
    trained_on = [problem for batch in batches for problem in batch]
    held_out = load(dev, 500_000 + 1_000 * place)
    fresh = training.unseen(held_out, than=[*trained_on, *shown])

    evaluations = [
        measure("before, zero-shot", fresh, None, 0),
        measure("before, two worked examples", fresh, None, 2),
    ]
    rows: list[training.SFTRow] = []
    adapter: Path | None = None
    history: list[dict[str, object]] = []
    for i, batch in enumerate(batches, start=1):
        found = sample(f"round {i}: sample {n} each", batch, adapter, n, seed)
        rows = training.distinct([*rows, *found.rows], per_problem=3).rows
        training.save_rows(OUTPUT / "rows.jsonl", rows)
        settings = training.SFTSettings(optimisation=training.Optimisation(seed=seed))
        with counted(f"round {i}: train on {len(rows)} rows", settings.steps(len(rows))) as step:
            trained = training.train_sft(
                rows, MODEL, OUTPUT / f"adapter-{i}", settings, on_step=lambda d, _: step(d)
            )
        adapter = trained.adapter
        history.append({"harvest": found.counts, "rows": len(rows), "losses": trained.losses})
        evaluations.append(measure(f"round {i}, zero-shot", fresh, adapter, 0))
    evaluations.append(measure(f"round {rounds}, two worked examples", fresh, adapter, 2))

    return {
        "evaluations": [evaluation.model_dump() for evaluation in evaluations],
        "table": training.table(evaluations),
        "rounds": history,
        "unseen_problems": len(fresh),
        "seen_or_repeated_and_dropped": fresh.dropped,
        "worked_steps_by": sorted({example.author for example in shown}),
        "adapter": str(adapter),
        "minutes": (time.perf_counter() - started) / 60,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="the same path, tiny, in a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    chosen = parser.parse_args()
    try:
        if chosen.short:
            result = improve(rounds=1, train=12, dev=5, n=4, seed=chosen.seed)
        else:
            result = improve(rounds=2, train=130, dev=190, n=8, seed=chosen.seed)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; what was finished is in {OUTPUT}/") from None
    except cg.CogitateError as error:
        raise SystemExit(str(error)) from None
    (OUTPUT / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    if chosen.json:
        print(json.dumps(result))
        return
    print(f"\n{result['table']}\n")
    print(
        f"{result['unseen_problems']} unseen problems ({result['seen_or_repeated_and_dropped']} "
        f"dropped as seen or repeated); worked steps written by {result['worked_steps_by']}; "
        f"{result['minutes']:.1f} minutes; adapter in {result['adapter']}"
    )


if __name__ == "__main__":
    main()
