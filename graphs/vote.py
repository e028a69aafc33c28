"""Voting over answers by the task's own equality: 0.5 and 1/2 vote together."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from cogitate.graphs.thought import Thought
from cogitate.tasks import Problem, group_answers

__all__ = ["Ballot", "vote"]


class Ballot(NamedTuple):
    """The outcome of a vote."""

    winner: Thought | None
    """The best thought of the heaviest group; None where no thought marks an answer."""
    groups: list[list[Thought]]
    """Thoughts with equivalent answers, heaviest group first."""
    shares: list[float]
    """Each group's part of all the weight."""


async def vote(
    problem: Problem, thoughts: Sequence[Thought], *, weights: Sequence[float] | None = None
) -> Ballot:
    """Group thoughts by equivalent answer and pick the heaviest group.

    Ties go to the group with the higher mean log-probability (unknown counts as lowest), then to
    the one that was asked for first. Within a group the winner is the heaviest, then the most
    probable, then the first thought.

    Args:
        problem: Decides which answers are equal; its reference is not read.
        thoughts: Solutions; those without an answer do not vote.
        weights: One for each thought, at least 0; 1 each where none are given (Wang et al. 2022).
    """
    voters = [
        (thought, 1.0 if weights is None else weights[i])
        for i, thought in enumerate(thoughts)
        if thought.answer is not None
    ]
    if not voters:
        return Ballot(None, [], [])
    indices = await group_answers(problem, [thought.answer or "" for thought, _ in voters])
    groups = [[voters[i] for i in group] for group in indices]
    groups.sort(key=lambda group: (-_weight(group), -_mean_logprob(group)))
    winner, _ = max(groups[0], key=lambda voter: (voter[1], _logprob(voter[0])))
    total = _weight(voters) or 1.0
    return Ballot(
        winner,
        [[thought for thought, _ in group] for group in groups],
        [_weight(group) / total for group in groups],
    )


def _weight(voters: Sequence[tuple[Thought, float]]) -> float:
    return math.fsum(weight for _, weight in voters)  # whatever their order


def _logprob(thought: Thought) -> float:
    return float("-inf") if thought.logprob is None else thought.logprob


def _mean_logprob(group: Sequence[tuple[Thought, float]]) -> float:
    return fmean(_logprob(thought) for thought, _ in group)
