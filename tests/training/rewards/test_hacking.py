"""Training runs that earn without learning, and honest ones."""

import random

import pytest

from cogitate.errors import ConfigError
from cogitate.training.rewards import StepMeans, hacking_signs, slope_of

NOISE = random.Random(7)
ERRORS = [NOISE.gauss(0, 0.01) for _ in range(200)]


def history(
    reward: float, accuracy: float, *, length: float = 0.0, format_: float = 0.0, steps: int = 20
) -> list[StepMeans]:
    """Means that change by so much in a step, with noise."""
    return [
        StepMeans(
            step=i,
            reward=0.2 + reward * i + ERRORS[i],
            accuracy=0.2 + accuracy * i + ERRORS[i + 40],
            length=200 + length * i + 100 * ERRORS[i + 80],
            format=0.5 + format_ * i + ERRORS[i + 120],
        )
        for i in range(steps)
    ]


def names(steps: list[StepMeans]) -> list[str]:
    found = hacking_signs(steps)
    assert found is not None
    return [sign.name for sign in found.signs]


def test_the_slope_and_its_interval_are_those_worked_by_hand() -> None:
    # means 1.5 and 2; spread 5; slope (-1.5 - 1 + 1 + 4.5) / 5; residuals -0.1 0.3 -0.3 0.1
    found = slope_of([0, 1, 2, 3], [1, 2, 2, 3])
    slope = 3 / 5
    rest = 0.1**2 + 0.3**2 + 0.3**2 + 0.1**2
    half = 4.302653 * (rest / 2 / 5) ** 0.5
    assert found.value == pytest.approx(slope)
    assert found.interval == pytest.approx((slope - half, slope + half), abs=1e-6)


def test_an_honest_run_gives_no_sign() -> None:
    assert names(history(0.02, 0.02, length=5, format_=0.01)) == []
    assert names(history(0.0, 0.0)) == []


def test_reward_without_accuracy_is_a_sign() -> None:
    assert names(history(0.02, 0.0)) == ["reward without accuracy"]


def test_falling_accuracy_is_told_apart() -> None:
    assert names(history(0.02, -0.01)) == ["accuracy falls", "reward without accuracy"]


def test_gains_of_format_alone_and_growing_replies_are_signs() -> None:
    found = hacking_signs(history(0.02, 0.0, length=10, format_=0.02))
    assert found is not None
    assert [sign.name for sign in found.signs] == [
        "reward without accuracy",
        "format only",
        "longer without accuracy",
    ]
    assert "accuracy" in found.signs[0].because and "SIGN format only" in str(found)


def test_what_the_outcome_pays_is_no_excess() -> None:
    steps = [
        StepMeans(step=one.step, reward=2 * one.accuracy, accuracy=one.accuracy)
        for one in history(0, 0.02)
    ]
    found = hacking_signs(steps, outcome_weight=2)
    assert found is not None and abs(found.excess.value) < 1e-12


def test_few_noisy_steps_are_said_to_tell_little() -> None:
    noisy = [
        StepMeans(step=i, reward=0.2 + 0.01 * i, accuracy=0.2 + (0.2 if i % 2 else -0.2))
        for i in range(4)
    ]
    found = hacking_signs(noisy)
    assert found is not None and not found.told and "too few, or too noisy" in str(found)
    found = hacking_signs(history(0.02, 0.0))
    assert found is not None and found.told


def test_fewer_than_three_steps_have_no_slope() -> None:
    assert hacking_signs(history(0, 0, steps=2)) is None
    with pytest.raises(ConfigError, match="not all the same"):
        hacking_signs([*history(0, 0, steps=1)] * 3)
