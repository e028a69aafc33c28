"""The experiments on sorting and on the Game of 24: trees and graphs of thoughts."""

from collections.abc import Sequence
from statistics import fmean

import cogitate as cg
from cogitate.agents import Critic, Generator, Refiner, Verifier
from cogitate.agents.game24 import game24
from cogitate.tasks import Problem
from simulation.chart import Line, Point, chart
from simulation.game24 import Game24
from simulation.measure import Row, difference, engine, measure, ratio, table
from simulation.rates import RATES, Rates
from simulation.setting import TEST, Section, Size, accuracy_chart, best_of, line
from simulation.sorting import Sorting, count_errors, judge

__all__ = ["GRAPHS", "TREES", "errors_of", "puzzles", "sorted_by", "sorting"]

TREES = tuple(
    f"tree-of-thoughts?generate=sample&breadth={breadth}&width={width}&depth={depth}"
    for breadth, width, depth in ((1, 3, 2), (1, 5, 2), (1, 5, 3), (1, 10, 3), (5, 5, 3))
)
GRAPHS = tuple(f"graph-of-thoughts?program=sorting&k={k}" for k in (3, 5, 10))


def sorting(size: Size, rates: Rates = RATES) -> Section:
    """Does Graph of Thoughts sort with fewer errors and fewer tokens than Tree of Thoughts?"""
    names = ("chain-of-thought", *best_of(5, 10, 40, weighted=False), *TREES, *GRAPHS)
    problems, rows = sorted_by(size.lists, names, rates)
    errors = {row.name: errors_of(problems, row) for row in rows}
    lines = [
        "| strategy | errors a list | 95% interval | without an error | computed tokens | "
        "completion | calls |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        mean, low, high = difference(errors[row.name], [0.0] * len(problems))
        calls = fmean(outcome.calls for outcome in row.outcomes)
        lines.append(
            f"| `{row.name}` | {mean:.2f} | {low:.2f} to {high:.2f} | {row.accuracy:.1%} | "
            f"{row.cost:,.0f} | {fmean(row.completion):,.0f} | {calls:,.0f} |"
        )
    by_name = {row.name: row for row in rows}
    graph, tree = by_name[GRAPHS[1]], by_name[TREES[2]]
    fewer = difference(errors[graph.name], errors[tree.name])
    spent = ratio(graph.computed, tree.computed)
    holds = fewer.high < 0 and spent.high < 1
    claim = (
        f"**{'Holds' if holds else 'Does not hold'}**: `{graph.name}` makes fewer errors than "
        f"`{tree.name}` with fewer tokens: {fewer.value:+.2f} errors a list ({fewer.low:+.2f} to "
        f"{fewer.high:+.2f}) at {spent.value:.0%} of the computed tokens ({spent.low:.0%} to "
        f"{spent.high:.0%}) and {ratio(graph.completion, tree.completion).value:.0%} of the "
        "completion tokens."
    )
    drawn = [
        Line(
            name,
            [
                Point(row.cost, *difference(errors[row.name], [0.0] * len(problems)))
                for row in rows
                if row.name.startswith(start)
            ],
        )
        for name, start in (
            ("best-of-n", "best-of-n"),
            ("Tree of Thoughts, breadth 1", TREES[0][:46]),
            ("Tree of Thoughts, breadth 5", TREES[-1][:46]),
            ("Graph of Thoughts", "graph"),
        )
    ]
    picture = chart(
        "Sorting 32 numbers (simulated)",
        drawn,
        x="computed tokens a list (logarithmic)",
        y="errors a list",
        percent=False,
    )
    text = [
        "## Graph of Thoughts against Tree of Thoughts: sorting 32 numbers",
        f"{size.lists} lists: the 50 shipped ones, in turn. Errors are neighbours in the wrong "
        "order and numbers missing or too many. Lists are judged by counting, which costs no "
        "tokens, for every strategy alike; a tree's thoughts are a first list and second looks at "
        "it, as in the paper's comparison.",
        "\n".join(lines),
        claim,
        "![Errors over tokens](simulated_sorting.svg)",
    ]
    return Section("\n\n".join(text), {"simulated_sorting.svg": picture})


def sorted_by(size: int, names: Sequence[str], rates: Rates) -> tuple[list[Problem], list[Row]]:
    lists = cg.tasks.load("sorting")
    problems = [lists[i % len(lists)].model_copy(update={"id": f"list-{i}"}) for i in range(size)]
    rows = []
    for name in names:
        team = cg.Team.of(engine(Sorting(rates)), verifier=judge)
        rows.append(measure(problems, team, name, seed=TEST, name=name))
    return problems, rows


def errors_of(problems: Sequence[Problem], row: Row) -> list[float]:
    pairs = zip(problems, row.outcomes, strict=True)
    return [float(count_errors(problem, outcome.answer)) for problem, outcome in pairs]


def puzzles(size: Size) -> Section:
    """What does Tree of Thoughts gain on the Game of 24?"""
    loaded = cg.tasks.load(f"game24?offset=900&size={size.puzzles}")
    problems = [problem.model_copy(update={"reference": "24"}) for problem in loaded]
    player = Game24(problems)

    def rows(*names: str) -> list[Row]:
        return [measure(problems, _players(player), n, seed=TEST, name=n) for n in names]

    sizes = [n for n in (10, 30, 100) if n <= 3 * size.largest + 4]
    curve = rows("chain-of-thought", *best_of(*sizes, weighted=False))
    trees = rows(
        "tree-of-thoughts?breadth=1&width=8",
        "tree-of-thoughts?breadth=5&width=8",
        "tree-of-thoughts?breadth=5&width=8&samples=1",
        "tree-of-thoughts?breadth=5&width=8&search=best-first&expansions=15",
    )
    others = rows(
        "self-consistency?n=30",
        "beam-search?beams=5&expand=4&depth=3&weighted=false",
        "particle-filtering?particles=16&depth=3",
        "mcts?simulations=32&width=5&exploration=0.3",
    )
    lines = [
        line("best-of-n", curve),
        line("Tree of Thoughts", trees),
        *(line(row.name.partition("?")[0], [row]) for row in others),
    ]
    text = [
        "## Tree of Thoughts on the Game of 24",
        f"Puzzles 900 to {900 + len(problems)} of the shipped set, with the prompts and verdicts "
        "of `cogitate.agents.game24`; the paper's search is `breadth=5`. Best-of-n has the same "
        "verifier.",
        table([*curve, *trees, *others], baselines=curve),
        "![Accuracy over tokens](simulated_game24.svg)",
    ]
    return Section("\n\n".join(text), {"simulated_game24.svg": accuracy_chart("Game of 24", lines)})


def _players(player: Game24) -> cg.Team:
    model = engine(player)
    return cg.Team(
        game24(Generator(model)),
        Critic(model),
        game24(Verifier(model, method="text")),
        Refiner(model),
    )
