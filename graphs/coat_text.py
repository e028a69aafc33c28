r"""Chain-of-Action-Thought as text (Satori, Shen et al. 2025, arXiv:2502.02508).

A chain is a row of actions. Each begins with the token of its meta-action: `<|continue|>` goes on,
`<|reflect|>` verifies what was said so far, `<|explore|>` begins another approach. In the graph an
action is a thought, and its meta-action is the relation to the one before: continues, reflects,
explores. What stands before the first token belongs to no meta-action, and generates.

Writing and reading are inverse, for every text: where an action's own text holds one of the three
tokens, a backslash breaks it (`<\|reflect|>`) and reading takes it out again. So a token that was
quoted, or that a problem smuggled in, never becomes an action. The graph holds no tokens. Prompts
break them as they break all control tokens (see `cogitate.agents.quote`), with a space and for
good: what one agent shows of a chain to another is no action either.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from cogitate.errors import DataError
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["CHAIN", "Action", "Meta", "coat_actions", "coat_text", "parse_coat", "write_coat"]

CHAIN = "coat"
"""The operation of a solution that concludes a chain and is no action itself."""


class Meta(StrEnum):
    """What an action does with those before it."""

    CONTINUE = "continue"
    REFLECT = "reflect"
    EXPLORE = "explore"

    @property
    def token(self) -> str:
        """What the model writes to choose it."""
        return f"<|{self}|>"

    @property
    def relation(self) -> Relation:
        """Its name in the graph."""
        return _RELATIONS[self]


_RELATIONS = {
    Meta.CONTINUE: Relation.CONTINUES,
    Meta.REFLECT: Relation.REFLECTS,
    Meta.EXPLORE: Relation.EXPLORES,
}
_METAS: dict[Relation, Meta | None] = {
    Relation.GENERATES: None,
    **{relation: meta for meta, relation in _RELATIONS.items()},
}
_NAMES = "|".join(Meta)
_TOKEN = re.compile(rf"<\|({_NAMES})\|>")
_BROKEN = re.compile(rf"<\\(?=\\*\|(?:{_NAMES})\|>)")
_BREAKABLE = re.compile(rf"<(?=\\*\|(?:{_NAMES})\|>)")


class Action(NamedTuple):
    """A piece of a chain."""

    meta: Meta | None
    """None: it stands before the first token."""
    text: str


def write_coat(actions: Iterable[Action]) -> str:
    r"""Write a chain: each action after its token.

    Raises:
        DataError: An action without a meta-action is empty or is not the first one.

    Example:
        >>> write_coat([Action(Meta.CONTINUE, "2 + 2 = 5\n"), Action(Meta.REFLECT, "No: 4.")])
        '<|continue|>2 + 2 = 5\n<|reflect|>No: 4.'
    """
    written = []
    for i, (meta, text) in enumerate(actions):
        if meta is None and (i or not text):
            raise DataError(f"action {i} of a chain has no meta-action: only a first text may")
        written += ["" if meta is None else meta.token, _BREAKABLE.sub(r"<\\", text)]
    return "".join(written)


def parse_coat(text: str) -> list[Action]:
    r"""Read a chain; `write_coat` writes the same text again.

    Example:
        >>> [(str(meta), text) for meta, text in parse_coat("Hm.<|explore|>Say <\\|reflect|>.")]
        [('None', 'Hm.'), ('explore', 'Say <|reflect|>.')]
    """
    first, *rest = _TOKEN.split(text)
    actions = [Action(None, _BROKEN.sub("<", first))] if first else []
    for name, said in zip(rest[::2], rest[1::2], strict=True):
        actions.append(Action(Meta(name), _BROKEN.sub("<", said)))
    return actions


def coat_actions(graph: ThoughtGraph, thought: Thought) -> list[Action]:
    """Return the chain that ends at `thought`, from the problem on.

    Args:
        graph: Where it stands.
        thought: A step, or a solution: one that steps led to ends with an action of its own, one
            that concludes a chain is none, and the reply that a whole chain was read from is all.

    Raises:
        DataError: It is no such thought, or a relation on the way is that of no meta-action.
    """
    actions: list[Action] = []
    concluded = thought.kind is ThoughtKind.SOLUTION and thought.operation == CHAIN
    at = _before(graph, thought) if concluded else thought
    if concluded and at.kind is ThoughtKind.PROBLEM:
        return parse_coat(thought.text)
    while at.kind is not ThoughtKind.PROBLEM:
        before = _before(graph, at)
        said = at.text
        if at.kind is ThoughtKind.SOLUTION and not actions:
            begun = graph.text(before) if before.kind is ThoughtKind.STEP else ""
            if not said.startswith(begun):
                raise DataError(f"solution {at.id} does not begin with the steps that led to it")
            said = said[len(begun) :]
        elif at.kind is not ThoughtKind.STEP:
            raise DataError(f"thought {at.id} is a {at.kind}: a chain is made of steps")
        relation = Relation(graph.edges[before.id, at.id]["relation"])
        if relation not in _METAS:
            raise DataError(f"thought {at.id} {relation} the one before: no meta-action does")
        actions.append(Action(_METAS[relation], said))
        at = before
    return actions[::-1]


def coat_text(graph: ThoughtGraph, thought: Thought) -> str:
    """Write the chain that ends at `thought` as text, which `parse_coat` reads.

    Raises:
        DataError: See `coat_actions`.
    """
    return write_coat(coat_actions(graph, thought))


def _before(graph: ThoughtGraph, thought: Thought) -> Thought:
    parents = graph.parents(thought)
    if not parents:
        raise DataError(f"thought {thought.id} was made from nothing: a chain begins at a problem")
    return parents[0]
