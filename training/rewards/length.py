"""What length costs: Kimi k1.5's reward within a group, and DAPO's slope before the limit.

The formulas are in `cogitate.training.credit.length`. Alone, `LengthReward` compares a solution
with its siblings in its graph; where each reply has a graph of its own, use `of_group`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.graphs import Thought, ThoughtGraph
from cogitate.training.credit.length import length_reward, overlong_penalty
from cogitate.training.credit.outcomes import is_right
from cogitate.training.credit.siblings import siblings
from cogitate.training.described import described
from cogitate.training.rewards.outcome import failed, grade_of
from cogitate.training.rewards.reward import Member

__all__ = ["LengthReward", "OverlongPenalty", "length_of"]


@described(
    "length",
    paper="Kimi k1.5, arXiv:2501.12599",
    needs="groups of replies to one prompt, and grades",
    costs="nothing beyond the grades",
    pays="late, where replies are right and too long; early it teaches to say little",
)
@dataclass(frozen=True)
class LengthReward:
    """From +0.5 for the shortest to -0.5 for the longest of a group; a wrong one gains nothing."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the reward among its siblings; None where it has no grade."""
        every = {other.id: 0.0 for other in graph.thoughts()}
        group = next((g for g in siblings(graph, every) if thought in g), [thought])
        rewards = await self.of_group([Member(graph, other) for other in group])
        return rewards[group.index(thought)]

    async def of_group(self, members: Sequence[Member]) -> list[float | None]:
        """Return the reward of each reply to one prompt; those without a grade are left out."""
        grades = [await grade_of(graph, thought) for graph, thought in members]
        there = [i for i, grade in enumerate(grades) if grade is not None]
        found = length_reward(
            [length_of(members[i].thought) for i in there],
            [is_right(grade) for grade in grades if grade is not None],
        )
        rewards: list[float | None] = [None] * len(members)
        for i, reward in zip(there, found, strict=True):
            rewards[i] = reward
        return rewards


@described(
    "overlong",
    paper="DAPO, Yu et al. 2025, arXiv:2503.14476",
    needs="the limit of a reply in tokens",
    costs="nothing",
    pays="where replies run into their limit and cut ones would be punished at once",
)
@dataclass(frozen=True)
class OverlongPenalty:
    """Give 0, then a slope down to -1 over the last `cache` tokens before `limit`."""

    limit: int
    cache: int

    def __post_init__(self) -> None:
        """Refuse what is no slope."""
        overlong_penalty(0, limit=self.limit, cache=self.cache)

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the penalty; None for a call that failed."""
        if failed(thought):
            return None
        return overlong_penalty(length_of(thought), limit=self.limit, cache=self.cache)


def length_of(thought: Thought) -> int:
    """Return the tokens sampled for a thought, its end token included where tokens are told."""
    return thought.completion_tokens if thought.tokens is None else len(thought.tokens.token_ids)
