"""Satori's reward, and the states from which it restarts (Shen et al. 2025, arXiv:2502.02508).

Restart and explore: a trajectory is backed up by some actions, the reflect token is appended, and
the policy goes on from there; so it learns to mend what is wrong and to leave what is right. The
paper backs up trajectories of one chain. Here `restart_state` makes a start state of any thought; a
solution that is no chain of actions (one that refines or merges others) is one action.

The paper draws at random how many actions it backs up; here every number up to `back` gives a
state of its own, 0 included, and who trains draws among them.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.coat_text import Action, Meta, coat_actions, write_coat
from cogitate.training.credit.outcomes import is_right, outcomes
from cogitate.training.described import described

__all__ = [
    "RestartState",
    "reflection_bonus",
    "restart_state",
    "restart_states",
    "satori_reward",
]


class RestartState(NamedTuple):
    """Where an episode may begin: the problem, and what was said so far."""

    text: str
    """The chain up to here, ending with the reflect token; empty at the problem itself."""
    thought: str
    """The id of the thought whose trajectory was backed up, or of the problem."""
    back: int = 0
    """Actions left out at the end."""
    right: bool | None = None
    """Whether that trajectory ended right; None where no grader saw it, and at the problem."""


def reflection_bonus(restarted_from: bool | None, correct: bool, *, beta: float = 0.5) -> float:
    """Return what a reflection earned: +beta mended a wrong trajectory, -beta spoilt a right one.

    Args:
        restarted_from: `RestartState.right`; None where the episode began at the problem.
        correct: Whether it ended right now.
        beta: The paper's is 0.5.

    Example:
        >>> [reflection_bonus(False, True), reflection_bonus(True, False)]
        [0.5, -0.5]
    """
    if restarted_from is None or restarted_from is correct:
        return 0.0
    return beta if correct else -beta


def satori_reward(correct: bool, score: float, bonus: float = 0.0) -> float:
    """Return (1[correct] - 1) + sigmoid(score) + bonus.

    Args:
        correct: Whether a grader found the answer right.
        score: The reward model's raw score of the whole trajectory, any finite number.
        bonus: See `reflection_bonus`.

    Raises:
        DataError: The score or the bonus is no finite number.

    Example:
        >>> satori_reward(False, 0.0, 0.5)
        0.0
    """
    if not (math.isfinite(score) and math.isfinite(bonus)):
        raise DataError(f"score {score}, bonus {bonus}: give finite numbers")
    grown = math.exp(-abs(score))
    sigmoid = (1.0 if score >= 0 else grown) / (1 + grown)
    return (0.0 if correct else -1.0) + sigmoid + bonus


def restart_state(
    graph: ThoughtGraph, thought: Thought, *, back: int = 0, right: bool | None = None
) -> RestartState | None:
    """Return the state after all but the last `back` actions up to a thought, and a reflection.

    Args:
        graph: Where it stands.
        thought: Any; the problem thought gives the empty state.
        back: How many actions are left out.
        right: Whether a grader found its trajectory right.

    Returns:
        None where no action is left.

    Raises:
        ConfigError: `back` is negative.
    """
    if back < 0:
        raise ConfigError(f"restart_state(back={back}): give 0 or more actions")
    if thought.kind is ThoughtKind.PROBLEM:
        return RestartState("", thought.id)
    actions = _actions(graph, thought)
    kept = actions[: len(actions) - back] if back < len(actions) else []
    if not kept:
        return None
    return RestartState(write_coat([*kept, Action(Meta.REFLECT, "")]), thought.id, back, right)


@described(
    "restart-states",
    paper="Satori, Shen et al. 2025, arXiv:2502.02508",
    needs="a graph with a right and a wrong trajectory",
    costs="nothing beyond the grades",
    pays="with a policy that reflects: it practises mending and leaving; starts for `grpo`",
)
def restart_states(
    graph: ThoughtGraph, grades: Mapping[str, float] | None = None, *, back: int = 2
) -> list[RestartState]:
    """Return the problem, and the restarts from its first right and its first wrong trajectory.

    Args:
        graph: With graded solutions.
        grades: See `CreditMethod`.
        back: The most actions that are left out.

    Raises:
        ConfigError: `back` is negative.
        DataError: See `outcomes`.
    """
    if back < 0:
        raise ConfigError(f"restart_states(back={back}): give 0 or more actions")
    first: dict[bool, Thought] = {}
    graded = outcomes(graph, grades)
    for thought in graph.in_order():
        if thought.id in graded and thought.text:
            first.setdefault(is_right(graded[thought.id]), thought)
    states = [RestartState("", graph.root.id)]
    for right in (True, False):
        for t in range(back + 1 if right in first else 0):
            state = restart_state(graph, first[right], back=t, right=right)
            if state is not None:
                states.append(state)
    return states


def _actions(graph: ThoughtGraph, thought: Thought) -> list[Action]:
    try:
        return coat_actions(graph, thought)
    except DataError:  # no chain leads to it: what it says is one action
        text = graph.text(thought)
        return [Action(None, text)] if text else []
