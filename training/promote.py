"""Whether new weights replace the old ones: only where a dev set that neither trained on proves it.

Both answer the same problems, and McNemar's exact test (sign flips, where a problem has several
samples) must tell the gain from chance, two-sided, at p < 0.05. So of candidates that are no
better, at most 2.5% are promoted. Otherwise the old weights stay, and the report says what it would
take.

Refused at once, for no number could be trusted: a dev set of which any text stands in training
rows, worked examples or an earlier dev set (a set that is used again and again is learned by
selection), texts that repeat, a verifier that reads the right answers, an unfinished run.

A call of the *old* weights that failed would make the candidate look better, so such problems are
left out and counted; one of the candidate's counts as wrong. Left out: corrections for the number
of iterations. Each promotion is a test of its own, on problems of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.agents import Team
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Budget, Strategy, arun
from cogitate.inference import Engines
from cogitate.tasks import Example, Problem, ProblemSet
from cogitate.tasks.held_back import folded
from cogitate.training.dataset import SFTRow, same_text, text_of
from cogitate.training.outcome import Outcome
from cogitate.training.paired import Comparison, compare, mcnemar, needed_problems, scores_of

__all__ = ["DevRun", "Forgetting", "Promotion", "Seen", "adev_run", "promote"]

Seen = SFTRow | Problem | Example | str
"""What may not be in a dev set: anything with a problem's text."""


@dataclass(frozen=True, slots=True)
class DevRun:
    """What one set of weights came to on a problem set."""

    weights: str
    """Their name, for the report."""
    outcomes: Sequence[Outcome]
    oracle: bool = False
    """The verifier could read the reference answers."""


class Forgetting(BaseModel):
    """How the candidate does on a family that it was not trained for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    comparison: Comparison
    lost: bool
    """It is significantly worse; nothing is corrected for several families, so that a loss is
    rather reported once too often."""


class Promotion(BaseModel):
    """What was decided, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    promoted: bool
    reason: str
    current: str
    candidate: str
    dev: str
    alpha: FiniteFloat
    comparison: Comparison
    """`a` is the current weights, `b` the candidate."""
    failed: int
    """Problems left out because a call of the current weights failed."""
    needed: int | None
    """Problems that would show a gain like the measured one in four of five cases; None where there
    is no gain."""
    forgetting: tuple[Forgetting, ...] = ()

    def __str__(self) -> str:
        c = self.comparison
        low, high = c.interval
        lines = [
            f"{'PROMOTED' if self.promoted else 'KEPT the old weights'}: {self.reason}",
            f"dev {self.dev}: {self.current} {c.mean_a:.1%}, {self.candidate} {c.mean_b:.1%} of "
            f"{c.problems} problems; {c.difference:+.1%} (95%: {low:+.1%} to {high:+.1%}), "
            f"only {self.current} {c.only_a}, only {self.candidate} {c.only_b}, p = {c.p:.3g} "
            f"(bootstrap {c.p_bootstrap:.3g})",
        ]
        if self.failed:
            lines.append(f"{self.failed} left out: a call of {self.current} failed there")
        for one in self.forgetting:
            said = "LOST" if one.lost else "no significant loss"
            by, p = one.comparison.difference, one.comparison.p
            lines.append(f"{one.family}: {by:+.1%}, p = {p:.3g}: {said}")
        return "\n".join(lines)


def promote(
    current: DevRun,
    candidate: DevRun,
    *,
    dev: ProblemSet,
    seen: Iterable[Seen],
    unrelated: Mapping[str, tuple[DevRun, DevRun]] | None = None,
    veto_forgetting: bool = False,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Promotion:
    """Decide whether the candidate replaces the current weights.

    Args:
        current: What the current weights came to on `dev`.
        candidate: What the new ones came to on it.
        dev: Problems that nothing was learned from (see `unseen`).
        seen: Training rows, the problems they were sampled from, and every earlier dev set.
        unrelated: By family, what both came to on problems of another kind, in the same order.
        veto_forgetting: A significant loss on one of these keeps the old weights.
        alpha: A gain with a p-value below this is significant.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ConfigError: The dev set was seen or repeats texts, a verifier is an oracle, or `alpha` is
            not between 0 and 1.
        DataError: A run has not finished the dev set, or has other problems.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha}: give a number between 0 and 1, such as 0.05")
    _check_dev(dev, seen)
    _check_oracle(current, candidate)
    b = _scores(candidate, dev)
    a = _without_failed(_scores(current, dev), current)
    comparison = compare(a, {name: b[name] for name in a}, draws=draws, seed=seed)
    forgetting = tuple(
        _forgetting(family, *runs, alpha=alpha, draws=draws, seed=seed)
        for family, runs in (unrelated or {}).items()
    )
    differences = [b[name] - a[name] for name in a]
    needed = needed_problems(differences, alpha=alpha)
    lost = [one.family for one in forgetting if one.lost]
    proved = comparison.p < alpha and comparison.difference > 0
    if proved and veto_forgetting and lost:
        reason = f"it is better on the dev set, but significantly worse on {', '.join(lost)}"
    else:
        reason = _reason(comparison, alpha, needed)
    return Promotion(
        promoted=proved and not (veto_forgetting and lost),
        reason=reason,
        current=current.weights,
        candidate=candidate.weights,
        dev=dev.name,
        alpha=alpha,
        comparison=comparison,
        failed=len(dev) - len(a),
        needed=needed,
        forgetting=forgetting,
    )


async def adev_run(
    weights: str,
    problems: ProblemSet,
    team: Team,
    strategy: Strategy,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 16,
    engines: Engines | None = None,
) -> DevRun:
    """Have a team answer a problem set, for `promote`.

    Args:
        weights: What to call the team's weights in the report.
        problems: The dev set, or an unrelated family.
        team: Who thinks, with those weights.
        strategy: How; the same for both runs.
        budget: What each problem may cost; the same for both runs.
        seed: As for `solve`.
        concurrency: Problems in progress at the same moment.
        engines: Engines to share with other calls.

    Raises:
        ConfigError: Something must be changed first.
    """
    report = await arun(
        problems,
        team,
        strategy,
        budget=budget,
        seed=seed,
        concurrency=concurrency,
        engines=engines,
    )
    return DevRun(weights, [Outcome.of(e) for e in report.episodes], oracle=team.oracle)


def _check_dev(dev: ProblemSet, seen: Iterable[Seen]) -> None:
    known = {folded(text_of(item)) for item in (*seen, *dev.examples)}
    texts = [same_text(problem.prompt) for problem in dev]
    met = [problem.id for problem in dev if folded(problem.prompt) in known]
    if met:
        raise ConfigError(
            f"{dev.name}: {len(met)} of {len(dev)} dev problems were seen before ({met[0]!r} is "
            "one): measure on others, for example those that training.unseen leaves"
        )
    if len(set(texts)) < len(texts):
        raise ConfigError(f"{dev.name}: dev problems repeat a text: each would count twice")


def _scores(run: DevRun, dev: ProblemSet) -> dict[str, float]:
    """The score of each dev problem."""
    scores = scores_of(run.outcomes)
    if missing := [problem.id for problem in dev if problem.id not in scores]:
        raise DataError(
            f"{run.weights} has no outcome for {len(missing)} of {len(dev)} dev problems "
            f"({missing[0]!r} is one): finish its run before it is judged"
        )
    if len(scores) > len(dev):
        raise DataError(f"{run.weights} has outcomes of problems that are not in {dev.name}")
    return {problem.id: scores[problem.id] for problem in dev}


def _without_failed(scores: Mapping[str, float], run: DevRun) -> dict[str, float]:
    """The scores of problems on which no call of the current weights failed."""
    failed = {
        outcome.problem for outcome in run.outcomes if outcome.reply is None and outcome.errors
    }
    kept = {name: score for name, score in scores.items() if name not in failed}
    if not kept:
        raise DataError(f"every call of {run.weights} failed: mend its engine, and run it anew")
    return kept


def _check_oracle(*runs: DevRun) -> None:
    for run in runs:
        if run.oracle:
            raise ConfigError(
                f"a verifier of {run.weights} reads the right answers: promote on a run without it"
            )


def _forgetting(
    family: str, current: DevRun, candidate: DevRun, *, alpha: float, draws: int, seed: int
) -> Forgetting:
    _check_oracle(current, candidate)
    a, b = scores_of(current.outcomes), scores_of(candidate.outcomes)
    if a.keys() != b.keys():
        raise DataError(f"{family}: the two runs have different problems: finish both")
    a = _without_failed(a, current)
    comparison = compare(a, {name: b[name] for name in a}, draws=draws, seed=seed)
    lost = comparison.p < alpha and comparison.difference < 0
    return Forgetting(family=family, comparison=comparison, lost=lost)


def _reason(c: Comparison, alpha: float, needed: int | None) -> str:
    if c.p < alpha:
        better = "better" if c.difference > 0 else "worse"
        return f"the candidate is significantly {better} (p = {c.p:.3g}, asked: below {alpha:g})"
    if needed is None:
        return f"the candidate is no better ({c.difference:+.1%})"
    would = "" if c.p_exact is None else _enough(c.only_a + c.only_b, alpha)
    return (
        f"the gain may be chance (p = {c.p:.3g}, asked: below {alpha:g}){would}. A gain like this "
        f"one needs about {needed} problems (80% power), here were {c.problems}"
    )


def _enough(changed: int, alpha: float) -> str:
    """How many of the problems that changed would have had to change for the better."""
    for better in range(changed // 2 + 1, changed + 1):
        if mcnemar(changed - better, better) < alpha:
            return f"; of the {changed} that changed, {better} for the candidate would have done"
    return f"; {changed} problems changed, and no {changed} could ever be significant"
