"""The sweeps: rates are varied, and what loses is told as what wins is."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from simulation.measure import difference, ratio, verdict
from simulation.rates import RATES, Rates
from simulation.setting import TEST, Calculating, Section, Size, best_of, judged
from simulation.trees import GRAPHS, TREES, errors_of, sorted_by

__all__ = ["beginnings", "merging", "sweep"]

SWEPT: Mapping[str, Rates] = {
    "as stated": RATES,
    "a verifier near chance (separation 0.5 and 0.5)": replace(RATES, whole=0.5, partial=0.5),
    "steps cannot be judged (partial 0.5)": replace(RATES, partial=0.5),
    "a verifier that is nearly sure (3.5 and 3.0)": replace(RATES, whole=3.5, partial=3.0),
    "errors of the verifier persist (0.9)": replace(RATES, persistence=0.9),
    "wrong results always agree (habit 1)": replace(RATES, habit=1.0),
    "easy problems only": replace(RATES, levels=RATES.levels[:2]),
    "hard problems only": replace(RATES, levels=RATES.levels[3:]),
    "a critic that is mostly right (0.95 and 0.95)": replace(
        RATES, critic_finds=0.95, critic_accepts=0.95, refiner_mends=0.9, refiner_spoils=0.05
    ),
}
SEARCHES = (
    "self-consistency?n=8",
    "self-refine?rounds=2",
    "speculative-rejection?n=16",
    "particle-filtering?particles=4&depth=12",
    "beam-search?beams=2&expand=4&depth=12",
    "mcts?simulations=16&exploration=0.3",
)


def sweep(size: Size) -> Section:
    """Where does search lose?"""
    lines = [
        f"| rates | weighted best-of-8 | {' | '.join(f'`{name}`' for name in SEARCHES)} |",
        "| --- | ---: |" + " --- |" * len(SEARCHES),
    ]
    for name, rates in SWEPT.items():
        test = Calculating.of(size.swept, seed=TEST, rates=rates)
        curve = test.rows("chain-of-thought", *best_of(2, 4, 8, 16))
        cells = [verdict(row, curve).replace("&weighted=true", "") for row in test.rows(*SEARCHES)]
        lines.append(f"| {name} | {curve[3].accuracy:.1%} | {' | '.join(cells)} |")
    text = [
        "## Where search loses",
        f"{size.swept} problems of step-wise arithmetic for each row. Every cell compares with "
        "weighted best-of-n of about the same computed tokens: points of accuracy with their 95% "
        "interval. Of this many cells some win or lose by luck alone.",
        "\n".join(lines),
    ]
    return Section("\n\n".join(text), {})


BEGINNINGS = (
    (1.0, 0.6, 0.0),
    (1.5, 0.6, 0.0),
    (1.5, 0.9, 0.0),
    (2.0, 0.6, 0.0),
    (3.0, 0.9, 0.0),
    (1.5, 0.6, 0.5),
    (1.5, 0.6, 0.9),
    (2.0, 0.6, 0.9),
)
"""The verifier's separation for beginnings, its persistence, and the front of `Rates`."""


def beginnings(size: Size) -> Section:
    """How well must beginnings be judged for speculative rejection to lose nothing?"""
    lines = [
        "| verifier of beginnings | persistence | errors at the first step | best-of-n | "
        "speculative | difference | completion saved | computed saved | at equal accuracy |",
        "| ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for partial, persistence, front in BEGINNINGS:
        rates = replace(RATES, partial=partial, persistence=persistence, front=front)
        test = Calculating.of(size.arithmetic, seed=TEST, rates=rates)
        plain, saving = test.rows("best-of-n?n=16", "speculative-rejection?n=16")
        apart = difference(saving.right, plain.right)
        value, low, high = (100 * part for part in apart)
        completion = ratio(saving.completion, plain.completion).value
        computed = ratio(saving.computed, plain.computed).value
        lines.append(
            f"| {partial} | {persistence} | {front:.0%} | {plain.accuracy:.1%} | "
            f"{saving.accuracy:.1%} | {value:+.1f} ({low:+.1f} to {high:+.1f}) | "
            f"{1 - completion:.0%} | {1 - computed:.0%} | {judged(apart).lower()} |"
        )
    text = [
        "## Speculative rejection: how well beginnings must be judged",
        f"{size.arithmetic} problems of step-wise arithmetic for each row, n = 16, checkpoints as "
        "they are by default. `persistence` is the correlation of the verifier's errors from step "
        "to step: where it is high, early scores foretell the last one. Errors at the first step "
        "are those of a wrong approach; one sample is right as often in every row.",
        "\n".join(lines),
    ]
    return Section("\n\n".join(text), {})


def merging(size: Size) -> Section:
    """How rarely must merging err for a graph to beat a tree?"""
    lines = [
        "| merging errs | sorting errs more with length | tree | graph | |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for merges in (0.03, 0.1, 0.2):
        for growth in (0.0, 1.3):
            rates = replace(RATES, merges=merges, sorts_growth=growth)
            names = (TREES[2], GRAPHS[1])
            problems, [tree, graph] = sorted_by(size.swept, names, rates)
            apart = difference(errors_of(problems, graph), errors_of(problems, tree))
            word = "wins" if apart.high < 0 else "**loses**" if apart.low > 0 else "even"
            cells = (
                f"{fmean(errors_of(problems, row)):.2f} ({row.cost:,.0f})" for row in (tree, graph)
            )
            growing = f"length to the power {growth}" if growth else "not at all"
            lines.append(f"| {merges} | {growing} | {' | '.join(cells)} | {word} |")
    text = [
        "## Graph against tree: how rarely merging must err",
        f"{size.swept} lists for each row: errors a list, and computed tokens in brackets, of "
        f"`{TREES[2]}` and `{GRAPHS[1]}`.",
        "\n".join(lines),
    ]
    return Section("\n\n".join(text), {})
