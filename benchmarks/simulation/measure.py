"""Strategies on simulated problems: what each gets right, what it costs, and how they differ."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import cogitate as cg
from cogitate import training
from cogitate.graphs import strategy_named
from cogitate.inference import Engine, Request, Scripted
from cogitate.tasks import Problem
from cogitate.training import Interval, Outcome, wilson
from simulation.cache import PrefixCache

__all__ = ["Difference", "Row", "difference", "engine", "measure", "ratio", "table", "verdict"]

_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy and what it came to, problem by problem."""

    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def right(self) -> list[float]:
        """1 for each problem that was solved, 0 for the others."""
        return [float(outcome.correct) for outcome in self.outcomes]

    @property
    def computed(self) -> list[float]:
        """Tokens of each problem that were not in the ideal prefix cache: prompt and completion."""
        return [o.prompt_tokens - o.cached_tokens + o.completion_tokens for o in self.outcomes]

    @property
    def completion(self) -> list[float]:
        """Completion tokens of each problem."""
        return [float(outcome.completion_tokens) for outcome in self.outcomes]

    @property
    def total(self) -> list[float]:
        """All tokens of each problem, cached ones included: what they are without a cache."""
        return [float(o.prompt_tokens + o.completion_tokens) for o in self.outcomes]

    @property
    def accuracy(self) -> float:
        """The share of problems that were solved."""
        return fmean(self.right)

    @property
    def cost(self) -> float:
        """Mean computed tokens."""
        return fmean(self.computed)


class Difference(NamedTuple):
    """A mean over problems (or a ratio of two) with its 95% interval."""

    value: float
    low: float
    high: float


def engine(reply: object) -> Engine:
    """A simulated model, with an ideal prefix cache in its token counts."""
    if not callable(reply):
        raise TypeError("a simulated model is a function of the request")

    def answer(request: Request) -> str:
        return str(reply(request))

    return PrefixCache(Scripted(answer, name="simulated"))


def measure(
    problems: Sequence[Problem], team: cg.Team, strategy: str | cg.Strategy, *, seed: int, name: str
) -> Row:
    """Run a strategy on every problem."""
    outcomes: dict[str, Outcome] = {}

    def keep(episode: cg.graphs.Episode) -> None:
        outcomes[episode.problem.id] = Outcome.of(episode)

    how = strategy_named(strategy) if isinstance(strategy, str) else strategy
    training.evaluate(problems, team, how, seed=seed, on_episode=keep)
    failed = [error for outcome in outcomes.values() for error in outcome.errors]
    if failed:
        raise RuntimeError(f"{name}: a simulation must not fail, and one did: {failed[0]}")
    return Row(name, tuple(outcomes[problem.id] for problem in problems))


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The mean of a - b over the same problems, with its bootstrap interval."""
    each = [x - y for x, y in zip(a, b, strict=True)]
    draw = random.Random(0)
    means = sorted(fmean(draw.choices(each, k=len(each))) for _ in range(_RESAMPLES))
    return Difference(fmean(each), *_middle(means))


def ratio(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The ratio of the means of a and b over the same problems, with its bootstrap interval."""
    pairs, draw = list(zip(a, b, strict=True)), random.Random(0)
    ratios = []
    for _ in range(_RESAMPLES):
        drawn = draw.choices(pairs, k=len(pairs))
        ratios.append(sum(x for x, _ in drawn) / sum(y for _, y in drawn))
    return Difference(sum(a) / sum(b), *_middle(sorted(ratios)))


def _middle(ordered: Sequence[float]) -> Interval:
    cut = math.floor(0.025 * len(ordered))
    return Interval(ordered[cut], ordered[-1 - cut])


_HEADER = (
    "| strategy | right | 95% interval | computed tokens | prompt | cached | completion | calls |"
)


def table(rows: Sequence[Row], *, baselines: Sequence[Row] = ()) -> str:
    """A Markdown table, tokens and calls a problem; with a comparison at matched compute."""
    head, rule = _HEADER, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    if baselines:
        head, rule = head + " at matched compute |", rule + " --- |"
    lines = [head, rule]
    for row in rows:
        low, high = wilson(round(sum(row.right)), len(row.right))
        cells = [
            f"`{row.name}`",
            f"{row.accuracy:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{row.cost:,.0f}",
            *(
                f"{fmean(getattr(o, field) for o in row.outcomes):,.0f}"
                for field in ("prompt_tokens", "cached_tokens", "completion_tokens", "calls")
            ),
        ]
        if baselines:
            cells.append(verdict(row, baselines))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdict(row: Row, baselines: Sequence[Row]) -> str:
    """Whether a strategy wins or loses against baselines of about its cost.

    It wins where it is measurably better than the cheapest baseline that costs at least as much,
    and loses where it is measurably worse than the dearest one that costs no more. It stands
    between where neither is so, and it yet differs from the nearest in cost.
    """
    if any(row is one for one in baselines):
        return ""
    dearer = [one for one in baselines if one.cost >= row.cost]
    cheaper = [one for one in baselines if one.cost <= row.cost]
    above = min(dearer, key=lambda one: one.cost) if dearer else None
    below = max(cheaper, key=lambda one: one.cost) if cheaper else None
    if above and (better := difference(row.right, above.right)).low > 0:
        return _said("wins", better, above)
    if below and (worse := difference(row.right, below.right)).high < 0:
        return _said("**loses**", worse, below)
    nearest = min(baselines, key=lambda one: abs(math.log(one.cost / row.cost)))
    apart = difference(row.right, nearest.right)
    return _said("even" if apart.low <= 0 <= apart.high else "between", apart, nearest)


def _said(word: str, found: Difference, other: Row) -> str:
    value, low, high = (100 * part for part in found)
    return f"{word}: {value:+.1f} ({low:+.1f} to {high:+.1f}) vs `{other.name}`"
