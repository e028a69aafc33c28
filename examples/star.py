"""STaR as one loop: sample, keep what is right, train, and wear the weights only if better.

    python examples/star.py [--short] [--seed N] [--json]

A 135M model solves small sums. Until weights are promoted it samples with two worked examples in
its prompt; it is trained and judged without them. Every iteration has problems of its own, and dev
problems that nothing was trained on.

Everything is kept in runs/star/ (runs/star-short/): the same command goes on where it was stopped.
About an hour on two cores; --short takes a minute or two, and proves nothing.
"""

import argparse

import cogitate as cg
from cogitate import training

MODEL = "hf/smollm2-135m"
FAMILY = "reasoning_gym/chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2"


def problems(size: int, seed: int) -> cg.tasks.ProblemSet:
    return cg.tasks.load(f"{FAMILY}&size={size}&seed={seed}")


def team(examples: int, max_tokens: int) -> cg.Team:
    return cg.Team.of(MODEL, examples=examples, max_tokens=max_tokens)


def star(*, short: bool, seed: int, progress: training.Progress) -> training.STaR:
    optimisation = training.Optimisation(max_steps=2 if short else None, seed=seed)
    return training.STaR(
        team(examples=0, max_tokens=24 if short else 64),
        first=team(examples=2, max_tokens=24 if short else 48),
        train=problems(8 if short else 260, 1000 + seed),
        dev=problems(5 if short else 400, 500_000 + seed),
        output="runs/star-short" if short else "runs/star",
        iterations=1 if short else 2,
        settings=training.STaRSettings(
            samples=4 if short else 8,
            per_problem=3,
            sft=training.SFTSettings(optimisation=optimisation),
            seed=seed,
        ),
        progress=progress,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="the same path, tiny")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print a JSON line for each iteration")
    chosen = parser.parse_args()

    def show(stage: str, done: int, total: int) -> None:
        if not chosen.json:
            print(f"\r{stage}: {done}/{total}", end="" if done < total else "\n", flush=True)

    try:
        for report in star(short=chosen.short, seed=chosen.seed, progress=show):
            print(report.model_dump_json() if chosen.json else f"\n{report}\n")
    except KeyboardInterrupt:
        raise SystemExit("stopped; the same command goes on") from None
    except cg.CogitateError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
