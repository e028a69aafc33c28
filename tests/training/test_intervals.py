"""Wilson intervals against numbers worked by hand."""

import pytest

from cogitate.errors import ConfigError
from cogitate.training import wilson


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 2, 0.0945, 0.9055),
        (45, 150, 0.2324, 0.3776),
    ],
)
def test_the_interval_is_the_one_worked_by_hand(
    correct: int, total: int, low: float, high: float
) -> None:
    assert wilson(correct, total) == pytest.approx((low, high), abs=5e-5)


def test_no_measurement_tells_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("correct", "total"), [(3, 2), (-1, 2), (0, -1)])
def test_counts_that_cannot_be_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ConfigError, match="correct <= total"):
        wilson(correct, total)
