"""New weights replace the old ones only where it is proved: worse and lucky ones do not."""

import asyncio
import random
from collections.abc import Sequence

import pytest

import cogitate as cg
from cogitate.errors import ConfigError, DataError, EngineRefused
from cogitate.inference import Request, Scripted
from cogitate.tasks import Example, Problem, ProblemSet
from cogitate.training.outcome import Outcome
from cogitate.training.paired import needed_problems
from cogitate.training.promote import DevRun, Promotion, adev_run, promote


def dev_set(size: int, name: str = "dev") -> ProblemSet:
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"{name}: {i} + {i}?", reference="1")
            for i in range(size)
        ],
    )


def outcome(problem: str, score: float | None, *, failed: bool = False) -> Outcome:
    return Outcome(
        problem=problem, reply=None if failed else "Answer: 1", answer=None, score=score,
        prompt_tokens=0, cached_tokens=0, completion_tokens=0, calls=1, money=0, stopped=None,
        errors=("EngineRefused: no",) if failed else (), seconds=0,
    )  # fmt: skip


def ran(weights: str, dev: ProblemSet, right: Sequence[float]) -> DevRun:
    return DevRun(weights, [outcome(p.id, r) for p, r in zip(dev, right, strict=True)])


def decide(old: Sequence[float], new: Sequence[float], *, alpha: float = 0.05) -> Promotion:
    dev = dev_set(len(old))
    return promote(
        ran("old", dev, old), ran("new", dev, new), dev=dev, seen=[], draws=50, alpha=alpha
    )


def test_a_significant_gain_is_promoted() -> None:
    found = decide([1] * 20 + [0] * 80, [1] * 20 + [1] * 15 + [0] * 65)
    assert found.promoted
    assert found.comparison.p_exact == pytest.approx(2 / 2**15)
    assert str(found).startswith("PROMOTED: the candidate is significantly better")


def test_a_gain_that_may_be_chance_is_not_and_the_report_says_what_it_would_take() -> None:
    # 9 against 3: p = 2 * (1 + 12 + 66 + 220) / 4096 = 0.146
    found = decide([1] * 3 + [0] * 97, [0] * 3 + [1] * 9 + [0] * 88)
    assert not found.promoted
    assert found.comparison.p_exact == pytest.approx(598 / 4096)
    assert "of the 12 that changed, 10 for the candidate would have done" in found.reason
    assert found.needed == 260 and "about 260 problems" in found.reason
    assert str(found).startswith("KEPT the old weights")


def test_the_problems_a_gain_needs_are_those_of_the_formula() -> None:
    # shares 9/100 and 3/100: moved 0.12, gain 0.06
    # ((1.95996 sqrt(0.12) + 0.84162 sqrt(0.12 - 0.0036)) / 0.06)^2 = (0.96609 / 0.06)^2 = 259.26
    moved = [1.0] * 9 + [-1.0] * 3 + [0.0] * 88
    assert needed_problems(moved) == 260
    assert needed_problems([-1.0, 0.0]) is None and needed_problems([]) is None


def test_a_worse_candidate_and_an_equal_one_are_not_promoted() -> None:
    worse = decide([1] * 50, [0] * 20 + [1] * 30)
    assert not worse.promoted and "significantly worse" in worse.reason
    equal = decide([1, 0] * 25, [1, 0] * 25)
    assert not equal.promoted and "no better" in equal.reason and equal.needed is None


def test_five_lucky_problems_are_never_enough() -> None:
    found = decide([0] * 50, [1] * 5 + [0] * 45)
    assert not found.promoted and "no 5 could ever be significant" in found.reason


def test_of_a_thousand_candidates_that_are_no_better_few_are_promoted() -> None:
    chance = random.Random(11)
    dev = dev_set(120)
    promoted = 0
    for _ in range(1000):
        solvable = [chance.random() for _ in dev]
        old, new = ([float(chance.random() < p) for p in solvable] for _ in range(2))
        promoted += promote(
            ran("old", dev, old), ran("new", dev, new), dev=dev, seen=[], draws=1
        ).promoted
    assert 0 < promoted <= 50
    # two-sided at 5%, and half of what is significant is a loss; the exact test is conservative
    assert promoted <= 35


def test_of_candidates_with_several_samples_few_are_promoted_by_luck_too() -> None:
    chance = random.Random(5)
    dev = dev_set(40)
    promoted = 0
    for _ in range(200):
        runs = []
        solvable = [chance.random() for _ in dev]
        for name in ("old", "new"):
            lines = [
                outcome(problem.id, float(chance.random() < p))
                for problem, p in zip(dev, solvable, strict=True)
                for _ in range(4)
            ]
            runs.append(DevRun(name, lines))
        promoted += promote(*runs, dev=dev, seen=[], draws=200).promoted
    assert promoted <= 10


def test_a_real_gain_is_found_about_as_often_as_was_promised() -> None:
    chance = random.Random(3)
    need = needed_problems([1.0] * 20 + [-1.0] * 5 + [0.0] * 75)
    assert need is not None
    dev = dev_set(need)
    found = 0
    for _ in range(200):
        old, new = [], []
        for _ in dev:
            u = chance.random()
            old.append(1.0 if 0.20 <= u < 0.25 or u > 0.7 else 0.0)
            new.append(1.0 if u < 0.20 or u > 0.7 else 0.0)
        found += promote(
            ran("old", dev, old), ran("new", dev, new), dev=dev, seen=[], draws=1
        ).promoted
    assert 130 <= found <= 185


def test_a_dev_set_that_was_seen_is_refused_whatever_its_ids_and_spacing() -> None:
    dev = dev_set(10)
    runs = ran("old", dev, [0] * 10), ran("new", dev, [1] * 10)
    for seen in (
        Problem(id="train-7", prompt="dev:  3 +\n3?"),
        Example(prompt="dev: 3 + 3?", response="6"),
        "dev: 3 + 3?",
    ):
        with pytest.raises(ConfigError, match=r"1 of 10 dev problems were seen before \('dev3'"):
            promote(*runs, dev=dev, seen=[seen])
    assert promote(*runs, dev=dev, seen=["another text"]).promoted


def test_a_dev_set_that_was_used_before_or_repeats_itself_is_refused() -> None:
    dev = dev_set(10)
    runs = ran("old", dev, [0] * 10), ran("new", dev, [1] * 10)
    with pytest.raises(ConfigError, match="10 of 10 dev problems were seen"):
        promote(*runs, dev=dev, seen=dev)
    twice = ProblemSet("dev", [Problem(id="a", prompt="1?"), Problem(id="b", prompt="1? ")])
    with pytest.raises(ConfigError, match="repeat a text"):
        promote(ran("old", twice, [0, 0]), ran("new", twice, [1, 1]), dev=twice, seen=[])


def test_an_oracle_has_no_say() -> None:
    dev = dev_set(10)
    oracle = DevRun("new", ran("new", dev, [1] * 10).outcomes, oracle=True)
    with pytest.raises(ConfigError, match="reads the right answers"):
        promote(ran("old", dev, [0] * 10), oracle, dev=dev, seen=[])


def test_a_run_that_is_not_finished_is_refused() -> None:
    dev = dev_set(10)
    whole = ran("old", dev, [0] * 10)
    part = DevRun("new", whole.outcomes[:7])
    with pytest.raises(DataError, match="no outcome for 3 of 10"):
        promote(whole, part, dev=dev, seen=[])
    more = DevRun("new", [*whole.outcomes, outcome("other", 1)])
    with pytest.raises(DataError, match="not in dev"):
        promote(whole, more, dev=dev, seen=[])


def test_a_dead_server_of_the_old_weights_promotes_nothing() -> None:
    dev = dev_set(30)
    lines = [outcome(p.id, None, failed=i < 20) for i, p in enumerate(dev)]
    found = promote(DevRun("old", lines), ran("new", dev, [1] * 20 + [0] * 10), dev=dev, seen=[])
    assert (found.promoted, found.failed, found.comparison.problems) == (False, 20, 10)
    assert "20 left out" in str(found)
    with pytest.raises(DataError, match="every call of old failed"):
        promote(
            DevRun("old", [outcome(p.id, None, failed=True) for p in dev]),
            ran("new", dev, [1] * 30), dev=dev, seen=[],
        )  # fmt: skip


def test_what_was_forgotten_is_reported_and_vetoes_where_asked() -> None:
    dev, gcd, words = dev_set(40), dev_set(30, "gcd"), dev_set(30, "words")
    old, new = ran("old", dev, [0] * 40), ran("new", dev, [1] * 20 + [0] * 20)
    unrelated = {
        "gcd": (ran("old", gcd, [1] * 30), ran("new", gcd, [0] * 12 + [1] * 18)),
        "words": (ran("old", words, [1] * 30), ran("new", words, [0] * 2 + [1] * 28)),
    }
    told = promote(old, new, dev=dev, seen=[], unrelated=unrelated)
    assert told.promoted
    assert [(one.family, one.lost) for one in told.forgetting] == [("gcd", True), ("words", False)]
    assert "gcd: -40.0%" in str(told) and "LOST" in str(told)
    vetoed = promote(old, new, dev=dev, seen=[], unrelated=unrelated, veto_forgetting=True)
    assert not vetoed.promoted and "worse on gcd" in vetoed.reason


def test_a_failed_call_of_the_old_weights_hides_no_loss() -> None:
    dev, gcd = dev_set(40), dev_set(30, "gcd")
    old, new = ran("old", dev, [0] * 40), ran("new", dev, [1] * 20 + [0] * 20)
    broken = [outcome(p.id, None, failed=True) if i < 12 else outcome(p.id, 1)
              for i, p in enumerate(gcd)]  # fmt: skip
    after = ran("new", gcd, [1] * 12 + [0] * 9 + [1] * 9)
    found = promote(old, new, dev=dev, seen=[], unrelated={"gcd": (DevRun("old", broken), after)})
    [one] = found.forgetting
    assert (one.lost, one.comparison.problems, one.comparison.only_a) == (True, 18, 9)


def test_teams_are_measured_and_the_better_one_promoted() -> None:
    dev = ProblemSet(
        "sums",
        [Problem(id=f"s{i}", prompt=f"{i} + {i}?", reference=str(2 * i)) for i in range(20)],
    )

    def knows(limit: int) -> cg.Team:
        def reply(request: Request) -> str:
            number = int(request.problem[1:])
            if number == 19:
                raise EngineRefused("no")
            return f"Answer: {2 * number if number < limit else 99}"

        return cg.Team.of(Scripted(reply))

    async def both() -> tuple[DevRun, DevRun]:
        return (
            await adev_run("base", dev, knows(4), cg.Direct()),
            await adev_run("tuned", dev, knows(16), cg.Direct()),
        )

    old, new = asyncio.run(both())
    found = promote(old, new, dev=dev, seen=["1 + 2?"])
    assert (found.promoted, found.failed) == (True, 1)
    assert (found.comparison.only_a, found.comparison.only_b) == (0, 12)


def test_a_decision_is_the_same_after_json() -> None:
    found = decide([0] * 30, [1] * 10 + [0] * 20)
    assert Promotion.model_validate_json(found.model_dump_json()) == found


def test_an_alpha_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha"):
        decide([0], [1], alpha=0)
