"""The experiments on step-wise arithmetic: four questions about what search is worth."""

from collections.abc import Sequence

import cogitate as cg
from cogitate import training
from cogitate.graphs import Plan
from simulation.measure import Difference, Row, difference, measure, table
from simulation.setting import (
    DEV,
    TEST,
    Calculating,
    Count,
    Section,
    Size,
    accuracy_chart,
    best_of,
    claim,
    judged,
    line,
    powers,
)

__all__ = ["compute_optimal", "overlapping", "speculative", "stepwise"]

CANDIDATES = (
    *(f"particle-filtering?particles={n}&depth=12" for n in (3, 4, 6)),
    *(f"beam-search?beams={b}&expand={k}&depth=12" for b, k in ((2, 2), (2, 3), (3, 2))),
)
_CLAIMED: tuple[tuple[Count, str], ...] = (
    ("completion", "completion tokens, which are what the paper counts"),
    ("computed", "computed tokens"),
)
PROBES, TOLERANCE = 2, 1.5
"""Calibrated on the first seed of `DEV`, the plan of tolerance 1 came to 96.0% at 34% of the
computed tokens of best-of-32 on the second, that of 1.5 to 94.7% at 30%, with 95.0% to reach."""
_EARLIER = (
    "The plans of this page were chosen on two seeds, calibrated on one and compared on "
    "the other, and measured once, on a third. Three earlier pairs did worse, in computed "
    "tokens against best-of-32. Four probes and a tolerance of 1: 90.0% at 62% and 97.0% "
    "at 40%, with 93.0% to reach. Best-of-32 among the candidates, a tolerance of 0.5: "
    "93.0% at 87% and 95.0% at 39%. Best-of-16 in its place: 89.7% at 31%, with 92.0% to "
    "reach, and on 1000 more problems 91.2% at 30%, with 94.3% to reach: it lost."
)
UNSEEN = 104
"""A seed of its own: earlier plans were looked at on others."""


def compute_optimal(size: Size) -> Section:
    """Does a calibrated plan reach best-of-N's accuracy with a third of its tokens?"""
    dev = Calculating.of(size.arithmetic, seed=DEV[0])
    test = Calculating.of(size.claims, seed=UNSEEN)
    curve = test.rows("chain-of-thought", *best_of(*powers(size.largest)))
    largest = curve[-1]
    rows, plans = [], []
    for name, candidates in (
        ("compute-optimal, best-of-n only", best_of(*powers(size.largest))),
        ("compute-optimal, with searches", [*best_of(*powers(min(8, size.largest))), *CANDIDATES]),
    ):
        plan = training.calibrate(
            dev.problems,
            dev.team(),
            candidates=candidates,
            probes=PROBES,
            tolerance=TOLERANCE,
            seed=DEV[0],
        )
        plans.append(f"**{name}** chose, from easy to hard:\n\n{_bins(plan)}")
        how = cg.ComputeOptimal(plan)
        rows.append(measure(test.problems, test.team(), how, seed=UNSEEN, name=name))
    fixed = test.rows(*CANDIDATES)
    claims = [
        claim(
            f"`{row.name}` reaches the accuracy of `{largest.name}` with at most a third of its "
            f"{what}",
            row,
            largest,
            count=count,
            most=1 / 3,
        )
        for row in rows
        for count, what in _CLAIMED
    ]
    text = "\n\n".join(
        [
            "## Compute-optimal: spend by difficulty",
            f"{size.claims} problems of step-wise arithmetic in five difficulties. The plans "
            f"were calibrated on {size.arithmetic} other problems, with the verifier's scores of "
            f"{PROBES} probes as the signal and a tolerance of {TOLERANCE} standard errors. "
            "Best-of-n is weighted, as in the paper. The searches of the second plan are in the "
            "table too, each used for every problem: a plan is worth its probes only where it "
            "beats the best of them.",
            _EARLIER,
            table([*curve, *rows, *fixed], baselines=curve),
            *claims,
            _alone(rows[1], fixed),
            *plans,
            "![Accuracy over tokens](simulated_compute_optimal.svg)",
        ]
    )
    lines = [
        line("weighted best-of-n", curve),
        *(line(row.name, [row]) for row in rows),
        line("particle filtering", [row for row in fixed if row.name.startswith("particle")]),
        line("beam search", [row for row in fixed if row.name.startswith("beam")]),
    ]
    return Section(
        text, {"simulated_compute_optimal.svg": accuracy_chart("Step-wise arithmetic", lines)}
    )


def _alone(row: Row, fixed: Sequence[Row]) -> str:
    """Whether the plan was worth its probes: what one candidate does alone."""
    better = [one for one in fixed if one.accuracy >= row.accuracy and one.cost <= row.cost]
    if not better:
        return (
            f"No search of the plan, used for every problem, is as right as `{row.name}` for less."
        )
    best = max(better, key=lambda one: one.accuracy)
    return (
        f"**But the plan is not worth its probes here**: `{best.name}`, used for every problem, is "
        f"right in {best.accuracy:.1%} of them for {best.cost:,.0f} computed tokens, against "
        f"{row.accuracy:.1%} for {row.cost:,.0f}. The gain on best-of-n is that of the searches."
    )


def _bins(plan: Plan) -> str:
    lines = ["| difficulty from | problems | strategy | accuracy there | most accurate |"]
    lines.append("| ---: | ---: | --- | ---: | ---: |")
    for edge, one in zip((0.0, *plan.edges), plan.bins, strict=True):
        chosen = next(m for m in one.measured if m.strategy == one.strategy)
        best = max(one.measured, key=lambda m: m.accuracy)
        lines.append(
            f"| {edge:.2f} | {chosen.problems} | `{one.strategy}` | {chosen.accuracy:.1%} | "
            f"{best.accuracy:.1%} |"
        )
    return "\n".join(lines)


def speculative(size: Size) -> Section:
    """Does speculative rejection save 40% at equal accuracy?"""
    test = Calculating.of(size.claims, seed=TEST)
    parts, rows = [], []
    for n in (16, 32)[: 1 if size.largest < 32 else 2]:
        [plain] = test.rows(*best_of(n, weighted=False))
        saving = test.rows(
            f"speculative-rejection?n={n}",
            f"speculative-rejection?n={n}&checkpoint=54&alpha=0.4&growth=1.1",
        )
        rows += [plain, *saving]
        parts += [
            claim(
                f"`{row.name}` saves at least 40% of the completion tokens of `{plain.name}` at "
                "equal accuracy",
                row,
                plain,
                count="completion",
                most=0.6,
            )
            for row in saving
        ]
    return Section(
        "\n\n".join(
            [
                "## Speculative rejection against best-of-n at the same n",
                "Here best-of-n takes the highest score, as speculative rejection does. The claim "
                "is about completion tokens, as in the paper; verifying the beginnings costs "
                "prompt tokens, which `computed` counts. The second setting was chosen among "
                "forty on the seeds 1 to 3, for the least loss at 40% saved: -3.0 points there "
                "at n = 16, -1.6 at n = 32.",
                table(rows),
                *parts,
            ]
        ),
        {},
    )


def overlapping(size: Size) -> Section:
    """Do overlapping simulations lose anything against one after the other?"""
    test = Calculating.of(size.claims, seed=TEST)
    parts, rows = [], []
    for how in ("simulations=32&evaluate=verifier", "simulations=16&evaluate=rollout"):
        serial, parallel = test.rows(*(f"mcts?{how}&exploration=0.3&parallel={n}" for n in (1, 8)))
        rows += [serial, parallel]
        value, low, high = difference(parallel.right, serial.right)
        parts.append(
            f"**{judged(Difference(value, low, high))}**: 8 at a time lose nothing against 1 at a "
            f"time with `{how}`: {value * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})."
        )
    baselines = test.rows(*best_of(*(n for n in (4, 8, 16) if n <= size.largest)))
    text = [
        "## Parallel against serial tree search, at equal simulations",
        f"{size.claims} problems of step-wise arithmetic. Equal seeds give equal trees "
        "whatever comes back first, so these figures are no matter of timing.",
        table([*baselines, *rows], baselines=baselines),
        *parts,
    ]
    return Section("\n\n".join(text), {})


def stepwise(size: Size) -> Section:
    """What do searches over steps gain over best-of-n?"""
    test = Calculating.of(size.arithmetic, seed=TEST)
    curve = test.rows("chain-of-thought", *best_of(*powers(size.largest)))
    filters = test.rows(*(f"particle-filtering?particles={n}&depth=12" for n in (2, 4, 8)))
    beams = test.rows(
        *(f"beam-search?beams={b}&expand={k}&depth=12" for b, k in ((2, 2), (2, 4), (4, 2)))
    )
    trees = test.rows("dvts?beams=4&expand=2&depth=12")
    votes = test.rows(*(f"self-consistency?n={n}" for n in (8, 32) if n <= size.largest))
    others = test.rows("self-refine?rounds=2", "generate-critique-refine?k=3")
    lines = [
        line("weighted best-of-n", curve),
        line("self-consistency", votes),
        line("particle filtering", filters),
        line("beam search", beams),
        line("DVTS", trees),
        *(line(row.name, [row]) for row in others),
    ]
    text = [
        "## Searches over steps: particle filtering, beams, and refinement",
        f"{size.arithmetic} problems of step-wise arithmetic; each strategy is compared with "
        "weighted best-of-n of about the same computed tokens.",
        table([*curve, *filters, *beams, *trees, *votes, *others], baselines=curve),
        "![Accuracy over tokens](simulated_steps.svg)",
    ]
    return Section(
        "\n\n".join(text), {"simulated_steps.svg": accuracy_chart("Step-wise arithmetic", lines)}
    )
