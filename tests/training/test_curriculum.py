"""Problems are chosen by how often they were solved."""

import pytest

from cogitate.errors import ConfigError
from cogitate.tasks import Problem
from cogitate.training.curriculum import Curriculum, PassRate, pass_rates
from cogitate.training.passes import Samples

PROBLEMS = [Problem(id=f"p{i}", prompt=f"{i}?") for i in range(11)]
RATES = {f"p{i}": PassRate(i, 9) for i in range(10)}
"""p0 was never solved, p9 always, p10 never measured."""


def ids(curriculum: Curriculum, **options: int) -> list[str]:
    return [p.id for p in curriculum.choose(PROBLEMS, RATES, **options).problems]


def test_only_problems_within_the_band_are_chosen_and_the_others_counted() -> None:
    found = Curriculum(low=2 / 9, high=7 / 9).choose(PROBLEMS, RATES)
    assert [p.id for p in found.problems] == ["p2", "p3", "p4", "p5", "p6", "p7"]
    assert found.counts == {"chosen": 6, "below": 2, "above": 2, "unmeasured": 1, "left": 0}


def test_the_seed_decides_which_are_drawn() -> None:
    one = Curriculum()
    assert ids(one, size=3, seed=1) == ids(one, size=3, seed=1)
    assert len({tuple(ids(one, size=3, seed=seed)) for seed in range(20)}) > 5
    assert one.choose(PROBLEMS, RATES, size=3).counts["left"] == 5


def test_bins_are_drawn_from_evenly_while_they_last() -> None:
    # of the rates 1/9 ... 8/9 one is below 0.2, three are between 0.2 and 0.5, four above
    rates = {**RATES, "p10": PassRate(1, 20)}
    found = Curriculum(low=0.0, high=1.0, bins=2)
    drawn = [p.id for p in found.choose(PROBLEMS, rates, size=4, seed=2).problems]
    hard = [name for name in drawn if rates[name].share < 0.5]
    assert len(hard) == 2
    few = {"p1": PassRate(1, 9), "p6": PassRate(6, 9), "p7": PassRate(7, 9), "p8": PassRate(8, 9)}
    chosen = found.choose(PROBLEMS, few, size=3, seed=2).problems
    assert "p1" in [p.id for p in chosen] and len(chosen) == 3


def test_rates_of_several_rounds_add_up() -> None:
    rounds = [
        Samples(problem="p", total=4, right=1, groups=()),
        Samples(problem="p", total=4, right=3, groups=()),
        Samples(problem="q", total=0, right=0, groups=()),
    ]
    assert pass_rates(rounds) == {"p": PassRate(4, 8)}
    assert pass_rates(rounds)["p"].interval == pytest.approx((0.1570, 0.8430), abs=5e-5)


def test_bands_that_are_none_are_refused() -> None:
    for low, high, bins in ((0.5, 0.4, 1), (-0.1, 1.0, 1), (0.0, 1.0, 0)):
        with pytest.raises(ConfigError, match="low <= high"):
            Curriculum(low=low, high=high, bins=bins)
    with pytest.raises(ConfigError, match="size"):
        Curriculum().choose(PROBLEMS, RATES, size=0)
