"""Which thoughts may be compared with each other: those that were asked for in the same words."""

from collections.abc import Mapping
from typing import NamedTuple

from cogitate.graphs import Thought, ThoughtGraph
from cogitate.inference import Message

__all__ = ["siblings"]


class _Place(NamedTuple):
    parents: frozenset[str]
    role: str
    operation: str
    prompt: tuple[Message, ...] | None
    prefix: str


def siblings(graph: ThoughtGraph, among: Mapping[str, float]) -> list[list[Thought]]:
    """Group the thoughts of `among` that share all parents, role, operation and prompt.

    Thoughts without text (a call that failed) and those that were made from nothing are in none.
    """
    groups: dict[_Place, list[Thought]] = {}
    for thought in graph.in_order():
        parents = frozenset(parent.id for parent in graph.parents(thought))
        if thought.id in among and thought.text and parents:
            place = _Place(parents, thought.role, thought.operation, thought.prompt, thought.prefix)
            groups.setdefault(place, []).append(thought)
    return list(groups.values())
