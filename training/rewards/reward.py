"""What a reward is: one number for one thought in its graph, or none.

A thought knows its prompt, its parents and its problem, so a reward works for any strategy and any
role. A reward that compares the members of a group with each other (a length penalty) has a second
method, `of_group`: members of one group may stand in graphs of their own.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from cogitate.graphs import Thought, ThoughtGraph

__all__ = ["GroupReward", "Member", "Reward"]


class Member(NamedTuple):
    """A thought that is to be rewarded."""

    graph: ThoughtGraph
    """Its problem is `graph.problem`."""
    thought: Thought


class Reward(Protocol):
    """Gives a thought a number."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought, /) -> float | None:
        """Return the reward, or None where there is none, which is not 0."""
        ...


@runtime_checkable
class GroupReward(Protocol):
    """Gives numbers to replies to one prompt, each compared with the others."""

    async def of_group(self, members: Sequence[Member]) -> list[float | None]:
        """Return a reward or None for each member, in order."""
        ...
