"""The rule of a calibration: which candidate each bin of difficulty gets.

1. Problems are parted into bins at the quantiles of their difficulty; equal ones stay together.
2. In each bin, the best candidate is the most accurate one (of equal ones the cheaper).
3. A candidate qualifies if its accuracy lies behind the best one's by no more than `tolerance`
   standard errors of the mean paired difference (the one-standard-error rule of Breiman et al.
   1984, paired).
4. The cheapest that qualifies is chosen: fewest computed tokens (prompt and completion, without
   cached ones), probes included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

from cogitate.graphs import Bin, Measured, Plan, Signal
from cogitate.training.outcome import Outcome

__all__ = ["Trial", "plan_from"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One problem of a calibration: how hard it looked, and what each candidate came to."""

    difficulty: float
    outcomes: tuple[Outcome, ...]
    """In the order of the candidates."""


def plan_from(
    trials: Sequence[Trial],
    candidates: Sequence[str],
    *,
    probes: int,
    signal: Signal,
    bins: int = 5,
    tolerance: float = 1.0,
) -> Plan:
    """Part trials into bins, and choose a candidate for each by the rule of this module.

    Args:
        trials: At least one.
        candidates: The names of what was tried, in the order of each trial's outcomes.
        probes: How many solutions told the difficulty.
        signal: What it was read from.
        bins: How many bins at most.
        tolerance: Standard errors that a choice may lie behind the best candidate of its bin.
    """
    edges = _edges([trial.difficulty for trial in trials], bins)
    bounds = [-math.inf, *edges, math.inf]
    parts = [
        [trial for trial in trials if low <= trial.difficulty < high]
        for low, high in pairwise(bounds)
    ]
    return Plan(
        probes=probes,
        signal=signal,
        edges=tuple(edges),
        bins=tuple(_choose(part, candidates, tolerance) for part in parts),
        tolerance=tolerance,
    )


def _edges(difficulties: Sequence[float], bins: int) -> list[float]:
    """The quantiles that part the difficulties; equal ones stay together."""
    ordered = sorted(difficulties)
    quantiles = {ordered[i * len(ordered) // bins] for i in range(1, bins)}
    return sorted(quantiles - {ordered[0]})


def _choose(trials: Sequence[Trial], candidates: Sequence[str], tolerance: float) -> Bin:
    measured = [_measure(trials, i, name) for i, name in enumerate(candidates)]
    best = max(range(len(measured)), key=lambda i: (measured[i].accuracy, -measured[i].cost))
    compared = [
        one.model_copy(update=dict(zip(("behind", "error"), _behind(trials, best, i), strict=True)))
        for i, one in enumerate(measured)
    ]
    qualified = [one for one in compared if one.behind <= tolerance * one.error]
    chosen = min(qualified, key=lambda one: one.cost)
    return Bin(strategy=chosen.strategy, measured=tuple(compared))


def _measure(trials: Sequence[Trial], i: int, name: str) -> Measured:
    outcomes = [trial.outcomes[i] for trial in trials]
    return Measured(
        strategy=name,
        correct=sum(outcome.correct for outcome in outcomes),
        problems=len(outcomes),
        prompt_tokens=fmean(outcome.prompt_tokens for outcome in outcomes),
        cached_tokens=fmean(outcome.cached_tokens for outcome in outcomes),
        completion_tokens=fmean(outcome.completion_tokens for outcome in outcomes),
    )


def _behind(trials: Sequence[Trial], best: int, i: int) -> tuple[float, float]:
    """The mean of the paired differences to the best, and its standard error."""
    differences = [t.outcomes[best].correct - t.outcomes[i].correct for t in trials]
    error = stdev(differences) / math.sqrt(len(trials)) if len(trials) > 1 else 0.0
    return fmean(differences), error
