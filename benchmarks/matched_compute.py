"""Accuracy against tokens: many strategies on one small model, on the same unseen problems.

    python benchmarks/matched_compute.py --adapter runs/improve/adapter-2 [--short] [--report]

Every strategy is asked the same problems of two reasoning_gym families by the same team: the
generator wears the adapter that `examples/improve.py` trained, the other roles are the bare model.
No verifier here reads the reference answer. Each finished evaluation is a line of
runs/matched_compute/results.jsonl, and one that is there is not done again: stop and go on as you
like. `--report` writes docs/matched_compute.md and its plot from those lines. All of it takes about
three hours on two cores, `--short` some minutes.
"""

import argparse
import time
from pathlib import Path

import cogitate as cg
from cogitate import training
from cogitate.agents.prompts import PROMPTS
from cogitate.graphs import strategy_named
from cogitate.inference import Engines

MODEL = "hf/smollm2-135m"
FAMILIES = {
    "chain_sum": "reasoning_gym/chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2",
    "basic_arithmetic": "reasoning_gym/basic_arithmetic?min_terms=2&max_terms=2&max_digits=1",
}
"""The adapter was trained on problems of the first; of the second it saw none."""
SEED = 700_000
STRATEGIES = (
    "direct",
    "chain-of-thought",
    "self-consistency?n=4",
    "self-consistency?n=16",
    "best-of-n?n=8",
    "beam-search?beams=2&expand=4&depth=4&separator=%0A",
    "confidence-sampling?n=8",
    "self-refine?rounds=1",
    "debate?agents=3&rounds=1",
    "particle-filtering?particles=4&depth=4&separator=%0A",
    "mcts?simulations=4&width=2&parallel=2&depth=4&separator=%0A",
    "speculative-rejection?n=8&checkpoint=8",
    "tree-of-thoughts?breadth=2&depth=3&width=3&generate=sample",
    "dvts?beams=4&expand=2&depth=4&separator=%0A",
    "best-of-n?n=8&weighted=true",
    "self-consistency?n=8",
)
SIZE = 100
TRAINING_SIZE, TRAINING_SEEDS = 130, (1_000, 2_000)
"""What examples/improve.py samples its training rows from."""
RESULTS = Path("runs/matched_compute/results.jsonl")
PAGE = Path(__file__).parents[1] / "docs" / "matched_compute.md"
_HEAD = """\
# Accuracy against tokens on a small model

![Accuracy against tokens a problem, one line a strategy](matched_compute.svg)

The embedded 135M model as generator and refiner, with the adapter of `examples/improve.py`;
critic and verifier are the bare model (its verdicts are its own odds of yes against no). No
verifier reads the reference answer. Tokens are prompt and new ones of all calls, verifiers and
critics included, cached ones counted in full. A dot marks a strategy that did not beat the best
cheaper one: there, search lost.

    python examples/improve.py
    python benchmarks/matched_compute.py && python benchmarks/matched_compute.py --report

"""


class Row(training.Evaluation):
    """One strategy on one family."""

    family: str
    dropped: int
    """Problems left out because training had seen them, or because they stood twice."""

    @property
    def tokens_each(self) -> float:
        """Prompt and new tokens of all calls, for one problem."""
        return (self.prompt_tokens + self.completion_tokens) / self.problems

    @property
    def parts(self) -> tuple[int, int, int]:
        """Prompt tokens, those of them that were cached, and new ones."""
        return self.prompt_tokens, self.cached_tokens, self.completion_tokens


def team(adapter: str | None) -> cg.Team:
    """The generator thinks as it was trained to: without examples, a step a line."""
    generator = cg.Generator(
        MODEL,
        adapter=adapter,
        examples=0,
        max_tokens=48,
        prompts={"step": PROMPTS["generate"]},
    )
    return cg.Team(
        generator,
        cg.Critic(MODEL, max_tokens=48),
        cg.Verifier(MODEL),
        cg.Refiner(MODEL, adapter=adapter, examples=0, max_tokens=48),
    )


def problems(family: str, size: int) -> cg.tasks.ProblemSet:
    """`size` problems whose text is not among those that the adapter's training sampled from."""
    trained = [
        problem
        for seed in TRAINING_SEEDS
        for problem in cg.tasks.load(f"{FAMILIES['chain_sum']}&size={TRAINING_SIZE}&seed={seed}")
    ]
    loaded = cg.tasks.load(f"{FAMILIES[family]}&size={2 * size}&seed={SEED}")
    fresh = training.unseen(loaded, than=[*trained, *loaded.examples])
    kept = list(fresh)[:size]
    return cg.tasks.ProblemSet(fresh.name, kept, examples=fresh.examples, dropped=fresh.dropped)


def done() -> list[Row]:
    """The evaluations that are finished."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return [Row.model_validate_json(line) for line in lines]


def measure(adapter: str, families: list[str], strategies: list[str], size: int) -> None:
    """Evaluate what is not finished yet, strategy by strategy, and keep each at once."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    finished = {(row.family, row.strategy, row.problems) for row in done()}
    sets = {family: problems(family, size) for family in families}
    engines = Engines()
    wanted = [(family, name) for name in strategies for family in families]
    for i, (family, name) in enumerate(wanted, start=1):
        asked = sets[family]
        if (family, name, len(asked)) in finished:
            continue
        started = time.perf_counter()
        found = training.evaluate(
            asked, team(adapter), strategy_named(name), name=name, concurrency=32, engines=engines
        )
        if found.interrupted:
            raise KeyboardInterrupt
        row = Row(**found.model_dump(), family=family, dropped=asked.dropped)
        with RESULTS.open("a") as file:
            file.write(row.model_dump_json() + "\n")
        print(
            f"{i}/{len(wanted)} {family:10} {name:60} {row.accuracy:6.1%} "
            f"{row.tokens_each:7.0f} tokens a problem  {time.perf_counter() - started:5.0f} s",
            flush=True,
        )


def page(rows: list[Row]) -> str:
    """The results in words and tables."""
    parts = [_HEAD]
    for family in FAMILIES:
        own = sorted((row for row in rows if row.family == family), key=lambda r: r.tokens_each)
        if not own:
            continue
        parts.append(f"## {family}\n\n")
        parts.append(f"`{FAMILIES[family]}&seed={SEED}`: {own[0].problems} problems, ")
        parts.append(f"{own[0].dropped} dropped as seen in training or repeated.\n\n")
        parts.append(
            "| Strategy | Accuracy (95%) | Tokens a problem | Prompt | Cached | New | Calls |\n"
            "|---|---|---|---|---|---|---|\n"
        )
        best = 0.0
        for row in own:
            mark = "" if row.accuracy > best else " ·"
            best = max(best, row.accuracy)
            low, high = row.interval
            cells = (
                f"`{row.strategy}`{mark}",
                f"{row.accuracy:.0%} ({low:.0%} to {high:.0%})",
                f"{row.tokens_each:,.0f}",
                *(f"{part / row.problems:,.0f}" for part in row.parts),
                f"{row.calls / row.problems:.1f}",
            )
            parts.append(f"| {' | '.join(cells)} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def plot(rows: list[Row]) -> None:
    """Draw accuracy against tokens, with intervals, into docs/matched_compute.svg."""
    import matplotlib  # only the report draws

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "cogitate"
    from matplotlib import pyplot

    families = [family for family in FAMILIES if any(row.family == family for row in rows)]
    figure, panels = pyplot.subplots(1, len(families), figsize=(7 * len(families), 6))
    for panel, family in zip([panels] if len(families) == 1 else panels, families, strict=True):
        groups: dict[str, list[Row]] = {}
        for row in rows:
            if row.family == family:
                groups.setdefault(row.strategy.partition("?")[0], []).append(row)
        for i, (name, own) in enumerate(sorted(groups.items())):
            own.sort(key=lambda row: row.tokens_each)
            down = [row.accuracy - row.interval[0] for row in own]
            up = [row.interval[1] - row.accuracy for row in own]
            panel.errorbar(
                [row.tokens_each for row in own],
                [row.accuracy for row in own],
                yerr=[down, up],
                marker="osD^v<>p*hX"[i % 11],
                label=name,
                linewidth=1,
                capsize=2,
            )
        panel.set(xscale="log", xlabel="tokens a problem", ylabel="accuracy", title=family)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="lower center", ncols=4)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(PAGE.with_suffix(".svg"), metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy against tokens, on unseen problems")
    parser.add_argument("--adapter", default="runs/improve/adapter-2")
    parser.add_argument("--short", action="store_true", help="a few problems and strategies")
    parser.add_argument("--report", action="store_true", help="write the page from what is done")
    chosen = parser.parse_args()
    if chosen.report:
        rows = [row for row in done() if row.problems >= SIZE]
        PAGE.write_text(page(rows))
        plot(rows)
        return
    if not Path(chosen.adapter).is_dir():
        raise SystemExit(f"{chosen.adapter}: no adapter there; python examples/improve.py makes it")
    try:
        if chosen.short:
            measure(chosen.adapter, ["chain_sum"], list(STRATEGIES[1:4]), 10)
        else:
            measure(chosen.adapter, list(FAMILIES), list(STRATEGIES), SIZE)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; what was finished is in {RESULTS}") from None
    except cg.CogitateError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
