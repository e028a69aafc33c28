"""Bins and choices worked out by hand, and a plan that makes other problems cheaper."""

import asyncio
import random
from statistics import fmean

import pytest

import cogitate as cg
from cogitate.graphs import Plan
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training.allocate import Trial, plan_from
from cogitate.training.outcome import Outcome

SMALL, LARGE = "best-of-n?n=2", "best-of-n?n=16"


def outcome(correct: bool, tokens: int) -> Outcome:
    return Outcome(
        problem="p",
        reply=None,
        answer=None,
        score=float(correct),
        prompt_tokens=0,
        cached_tokens=0,
        completion_tokens=tokens,
        calls=1,
        money=0.0,
        stopped=None,
        errors=(),
        seconds=0.0,
    )


def trial(difficulty: float, small: bool, large: bool) -> Trial:
    return Trial(difficulty, (outcome(small, 10), outcome(large, 80)))


def plan_of(trials: list[Trial], **options: float) -> Plan:
    return plan_from(trials, [SMALL, LARGE], probes=2, signal="verifier", **options)  # type: ignore[arg-type]  # of one test


def test_bins_are_quantiles_and_equal_difficulties_stay_together() -> None:
    ten = plan_of([trial(i / 10, True, True) for i in range(10)])
    assert ten.edges == (0.2, 0.4, 0.6, 0.8)
    assert [one.measured[0].problems for one in ten.bins] == [2, 2, 2, 2, 2]

    tied = plan_of([trial(d, True, True) for d in (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 0.5)])
    assert tied.edges == (0.5,)
    assert [one.measured[0].problems for one in tied.bins] == [6, 2]

    assert plan_of([trial(0.3, True, True)]).edges == ()


def test_the_cheapest_within_the_standard_error_of_the_best_is_chosen() -> None:
    # 9 of 16 ties, 7 won by the large one: behind 7/16 = 0.4375, standard error
    # sqrt(7/16 * 9/16 * 16/15 / 16) = 0.128, so 3.4 standard errors.
    clear = [trial(0.5, i >= 7, True) for i in range(16)]
    # one of 16: behind 0.0625, standard error 0.0625, so exactly one.
    slight = [trial(0.5, i >= 1, True) for i in range(16)]

    [one] = plan_of(clear).bins
    assert one.strategy == LARGE
    assert (one.measured[0].behind, round(one.measured[0].error, 3)) == (0.4375, 0.128)
    assert plan_of(clear, tolerance=3.5).bins[0].strategy == SMALL
    assert plan_of(slight).bins[0].strategy == SMALL
    assert plan_of(slight, tolerance=0.99).bins[0].strategy == LARGE


def test_differences_are_paired_so_common_luck_does_not_hide_them() -> None:
    # Both fail on the same half: 8 against 11 of 16 unpaired is within one standard error
    # (0.1875 against 0.17), paired it is 0.1875 against 0.101.
    paired = [trial(0.5, i < 8, i < 11) for i in range(16)]
    assert plan_of(paired, tolerance=1.5).bins[0].strategy == LARGE


def test_each_bin_has_its_own_choice() -> None:
    easy = [trial(0.1, True, True) for _ in range(8)]
    hard = [trial(0.9, False, True) for _ in range(8)]
    plan = plan_of(easy + hard, bins=2)
    assert (plan.choose(0.1), plan.choose(0.9)) == (SMALL, LARGE)


def problems(*, first: int, size: int) -> list[Problem]:
    return [
        Problem(id=f"{'hard' if i % 2 else 'easy'}-{i}", prompt=f"Number {i}?", reference=str(i))
        for i in range(first, first + size)
    ]


class Solver:
    """Right in 95 of 100 samples of an easy problem, and in 25 of 100 of a hard one."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: Request) -> str:
        self.calls += 1
        kind, _, number = request.problem.partition("-")
        chance = random.Random(f"{request.problem}:{request.sample}")
        right = chance.random() < (0.95 if kind == "easy" else 0.25)
        return f"Answer: {number if right else -1 - chance.randrange(1000)}"


def knowing(problem: Problem, text: str) -> float:
    return 0.9 if text == f"Answer: {problem.reference}" else 0.1


def hardness(problem: Problem) -> float:
    """One minus the mean score of the first four samples."""
    asked = (Request(messages=(), problem=problem.id, sample=i) for i in range(4))
    return 1.0 - fmean(knowing(problem, Solver()(request)) for request in asked)


def test_a_plan_makes_other_problems_cheaper_at_the_same_accuracy() -> None:
    team = cg.Team.of(Scripted(Solver()), verifier=knowing)
    plan = cg.training.calibrate(
        problems(first=0, size=80), team, candidates=["best-of-n?n=4", LARGE], bins=2
    )
    held_out = problems(first=100, size=80)
    adaptive = cg.training.evaluate(held_out, team, cg.ComputeOptimal(plan))
    largest = cg.training.evaluate(held_out, team, cg.BestOfN(n=16))

    assert plan.choose(0.1) == "best-of-n?n=4" and plan.choose(0.9) == LARGE
    assert adaptive.correct == largest.correct >= 78
    small = sum(plan.choose(hardness(problem)) != LARGE for problem in held_out)
    assert small == 30  # 29 easy ones and a lucky hard one: all four probes are right
    assert largest.completion_tokens == 80 * 16 * 2
    assert adaptive.completion_tokens == (small * 4 + (80 - small) * 16) * 2


def test_a_candidate_counts_the_probes_and_draws_them_once() -> None:
    solver = Solver()
    team = cg.Team.of(Scripted(solver), verifier=knowing)
    outcomes: list[Outcome] = []
    plan = cg.training.calibrate(
        problems(first=1, size=1), team, candidates=[SMALL, LARGE], on_outcome=outcomes.append
    )
    # four probes once; then nothing more for n=2, and 12 more for n=16
    assert solver.calls == 4 + 0 + 12
    assert [outcome.calls for outcome in outcomes] == [4, 16]
    assert [m.completion_tokens for m in plan.bins[0].measured] == [4 * 2, 16 * 2]


def test_the_budget_of_a_candidate_includes_the_probes() -> None:
    outcomes: list[Outcome] = []
    cg.training.calibrate(
        problems(first=1, size=1),
        cg.Team.of(Scripted(Solver()), verifier=knowing),
        candidates=[LARGE],
        budget=cg.Budget(calls=7),
        on_outcome=outcomes.append,
    )
    assert [(outcome.calls, outcome.stopped) for outcome in outcomes] == [(7, "calls")]


def test_a_stopped_calibration_makes_its_plan_from_what_is_finished() -> None:
    async def stopping(after: int) -> Plan:
        stop, seen = asyncio.Event(), 0

        def count(_outcome: Outcome) -> None:
            nonlocal seen
            seen += 1
            if seen == after:
                stop.set()

        return await cg.training.acalibrate(
            problems(first=0, size=8),
            cg.Team.of(Scripted(Solver()), verifier=knowing),
            candidates=[SMALL, LARGE],
            concurrency=1,
            on_outcome=count,
            stop=stop,
        )

    plan = asyncio.run(stopping(after=6))
    assert sum(one.measured[0].problems for one in plan.bins) == 3
    with pytest.raises(cg.CogitateError, match="no plan"):
        asyncio.run(stopping(after=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": []}, "and one candidate"),
        ({"candidates": [SMALL, SMALL]}, "twice"),
        ({"probes": 0}, "probes=0"),
        ({"tolerance": -1.0}, "tolerance=-1.0"),
        ({"candidates": ["best-of-m"]}, "no strategy"),
        ({"problems": [Problem(prompt="?")]}, "no reference answer"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(changes: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"problems": problems(first=0, size=2), "candidates": [SMALL]}
    values |= changes
    team = cg.Team.of(Scripted(Solver()), verifier=knowing)
    with pytest.raises(cg.ConfigError, match=message):
        cg.training.calibrate(values.pop("problems"), team, **values)  # type: ignore[arg-type]  # wrong on purpose
