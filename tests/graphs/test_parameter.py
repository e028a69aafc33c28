"""Parameters tell their types and meanings as the code does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

import cogitate as cg
from cogitate.graphs.parameter import Parameter, parameters_of


@dataclass(frozen=True)
class Searching:
    """Search.

    Args:
        width, height: How many, as said
            on two lines.
        how: Told twice.

    Raises:
        ValueError: No parameter.
    """

    width: int
    height: int = 3
    how: Literal["fast", "slow"] = "fast"
    """The text under a field wins."""
    least: float | None = None
    when: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Later(Searching):
    """Search later."""

    hours: int = 1
    """How much
    later."""


def test_meanings_come_from_the_class_and_from_under_the_fields() -> None:
    assert parameters_of(Searching) == (
        Parameter("width", "int", None, "How many, as said on two lines."),
        Parameter("height", "int", 3, "How many, as said on two lines."),
        Parameter("how", "fast, slow", "fast", "The text under a field wins."),
        Parameter("least", "float or none", None, ""),
        Parameter("when", "function or none", None, ""),
    )


def test_inherited_parameters_keep_their_meanings() -> None:
    told = {parameter.name: parameter.meaning for parameter in parameters_of(Later)}
    assert told["how"] == "The text under a field wins."
    assert told["hours"] == "How much later."


def test_what_is_no_dataclass_has_no_parameters() -> None:
    assert parameters_of(str) == ()


@pytest.mark.parametrize(
    ("strategy", "name", "wrong", "listed"),
    [
        (cg.TreeOfThoughts, "search", "bsf", "bfs, dfs, beam"),
        (cg.TreeOfThoughts, "generate", "all", "propose, sample"),
        (cg.MCTS, "policy", "ucb", "uct, puct"),
        (cg.ConfidenceSampling, "mode", "best", "select, guide"),
        (cg.MultiAgentToT, "generate", "all", "propose, sample"),
    ],
)
def test_a_choice_that_is_not_listed_is_refused(
    strategy: Callable[..., object], name: str, wrong: str, listed: str
) -> None:
    with pytest.raises(cg.ConfigError, match=rf"{name}='{wrong}'\): choose from {listed}"):
        strategy(**{name: wrong})
