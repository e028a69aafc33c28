"""The bookkeeping of a Monte-Carlo tree search: visits and values on edges, equal states merged.

The tree is a directed acyclic graph: a state that two ways lead to is one node with two edges into
it, each with its own visits. A simulation under way counts as a visit that was worth less (a
virtual loss) on every edge of its path, so that others that begin meanwhile look elsewhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, NamedTuple

from cogitate.graphs.thought import Thought, ThoughtKind

__all__ = ["Child", "Edge", "Node", "SearchTree", "priors", "state_key"]

Policy = Literal["uct", "puct"]
Backup = Literal["mean", "max"]


@dataclass(slots=True, eq=False)
class Edge:
    """One way to go on from a node, and what came of it."""

    child: "Node"
    prior: float
    started: int = 0
    """Simulations along it, those under way included."""
    visits: int = 0
    """Simulations along it that were backed up."""
    total: float = 0.0
    """The sum of their values."""
    best: float = 0.0
    """The highest of their values."""


@dataclass(slots=True, eq=False)
class Node:
    """A state of the search: a partial or a finished solution."""

    thought: Thought
    depth: int
    """Steps that led to it, by the first way that was found."""
    parents: tuple["Node", ...] = ()
    edges: list[Edge] | None = None
    """The ways to go on; None before it is expanded, none at all where every attempt failed."""
    open: int = 0
    """Children that are not exhausted."""
    exhausted: bool = False
    """Nothing below it can be found that is not known."""
    value: float | None = None
    """What a finished solution is worth, once it was verified; 0 where no attempt to go on did."""

    @property
    def finished(self) -> bool:
        """Whether it is a whole solution."""
        return self.thought.kind is ThoughtKind.SOLUTION


class Child(NamedTuple):
    """A thought that is to become a child, or the other way to the node of an equal state."""

    thought: Thought
    key: bytes
    prior: float


class Selected(NamedTuple):
    """Where a simulation goes: the edges from the root, and the node that they end at."""

    path: list[Edge]
    leaf: Node


def priors(logprobs: Sequence[float]) -> list[float]:
    """The softmax of siblings' mean log-probabilities per token.

    Example:
        >>> [round(p, 4) for p in priors([-1.0, -1.0 - math.log(3)])]
        [0.75, 0.25]
        >>> priors([-1.0, -math.inf]), priors([-math.inf, -math.inf])
        ([1.0, 0.0], [0.5, 0.5])
    """
    highest = max(logprobs, default=0.0)
    if highest == -math.inf:
        return [1 / len(logprobs)] * len(logprobs)
    weights = [math.exp(logprob - highest) for logprob in logprobs]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def state_key(kind: ThoughtKind, state: str) -> bytes:
    """Name a state shortly; a solution and a step of equal text are two states.

    Example:
        >>> state_key(ThoughtKind.STEP, "a  b") == state_key(ThoughtKind.STEP, "a b")
        False
    """
    return blake2b(f"{kind}:{state}".encode(), digest_size=16).digest()


@dataclass(slots=True, eq=False)
class SearchTree:
    """Nodes, edges and their statistics, from a problem on.

    Args:
        root: The node of the problem, or of where the search begins.
        exploration: The c of both policies.
        policy: How a child is selected, by the highest bound; N are simulations that were started.
            `uct`: value + c sqrt(ln N_parent / N_child), after those that nobody tried, in their
            order. `puct`: value + c prior sqrt(N_parent) / (1 + N_child), where what nobody tried
            has the value 0.
        backup: What an edge is worth: the mean or the maximum of the values backed up along it.
        virtual_loss: What a simulation under way loses. 1: all, so that with `backup="mean"` it
            counts as a value of 0; 0: nothing, so that it counts as a visit alone.
    """

    root: Node
    exploration: float = 1.4
    policy: Policy = "uct"
    backup: Backup = "mean"
    virtual_loss: float = 1.0
    nodes: list[Node] = field(default_factory=list)
    """All but the root, in the order in which they were found."""
    merged: int = 0
    """Children that became another way to a node that was there."""
    _known: dict[bytes, Node] = field(default_factory=dict)

    def select(self) -> Selected:
        """Go down to a node without children, and count a virtual loss on the way."""
        path: list[Edge] = []
        node = self.root
        while node.edges:
            edge = self._choose(node.edges)
            edge.started += 1
            path.append(edge)
            node = edge.child
        return Selected(path, node)

    @staticmethod
    def give_up(path: Sequence[Edge]) -> None:
        """Take back a selection: no simulation went there."""
        for edge in path:
            edge.started -= 1

    def _choose(self, edges: list[Edge]) -> Edge:
        parent = sum([edge.started for edge in edges])
        is_uct, maximum = self.policy == "uct", self.backup == "max"
        log_parent = math.log(parent) if parent else 0.0
        root_parent = math.sqrt(parent)
        c = self.exploration
        chosen, highest = edges[0], -1.0
        for edge in edges:
            started, visits = edge.started, edge.visits
            if is_uct and not started:
                return edge
            value = (edge.best if maximum else edge.total / visits) if visits else 0.0
            if started != visits:
                value *= 1 - self.virtual_loss * (started - visits) / started
            if is_uct:
                bound = value + c * math.sqrt(log_parent / started)
            else:
                bound = value + c * edge.prior * root_parent / (1 + started)
            if bound > highest:
                chosen, highest = edge, bound
        return chosen

    def grow(self, node: Node, children: Sequence[Child]) -> list[Edge]:
        """Give a node its children, and return the edge that stands for each of them.

        A child whose state has a node already becomes another way to that node, unless this would
        close a cycle: then it stays a node of its own. A node without children is worth 0.
        """
        edges: dict[Node, Edge] = {}
        found = []
        for thought, key, prior in children:
            child = self._known.get(key)
            if child is None:
                child = self._known[key] = self._new(thought, node)
            elif child not in edges:
                if child is node or _leads_to(child, node):
                    child = self._new(thought, node)
                else:
                    child.parents = (*child.parents, node)
                    self.merged += 1
            if child not in edges:
                edges[child] = Edge(child, prior)
            found.append(edges[child])
        node.edges = list(edges.values())
        node.open = sum(not edge.child.exhausted for edge in node.edges)
        if not node.edges:
            node.value = 0.0
        if not node.open:
            self._exhaust(node)
        return found

    def _new(self, thought: Thought, parent: Node) -> Node:
        child = Node(thought, parent.depth + 1, (parent,))
        self.nodes.append(child)
        return child

    def finish(self, node: Node, value: float) -> float:
        """Say once what a finished solution is worth; return what was said first."""
        if node.value is None:
            node.value = value
            self._exhaust(node)
        return node.value

    def _exhaust(self, node: Node) -> None:
        left = [node]
        while left:
            done = left.pop()
            done.exhausted = True
            for parent in done.parents:
                parent.open -= 1
                if not parent.open:
                    left.append(parent)

    @staticmethod
    def back_up(path: Sequence[Edge], value: float) -> None:
        """Add the value of a simulation to every edge of its path."""
        for edge in path:
            edge.visits += 1
            edge.total += value
            if value > edge.best:
                edge.best = value

    def most_visited(self) -> Node:
        """The end of the most visited path; of equal visits the higher value, then the first."""
        node = self.root
        while node.edges:
            edge = max(node.edges, key=lambda edge: (edge.visits, edge.total))
            if not edge.visits:
                break
            node = edge.child
        return node

    def values(self) -> dict[Node, tuple[int, float]]:
        """The visits and the value of each node that was visited, over all ways to it."""
        ways: dict[Node, list[Edge]] = {}
        for node in (self.root, *self.nodes):
            for edge in node.edges or ():
                if edge.visits:
                    ways.setdefault(edge.child, []).append(edge)
        return {node: self._value(edges) for node, edges in ways.items()}

    def _value(self, edges: list[Edge]) -> tuple[int, float]:
        visits = sum(edge.visits for edge in edges)
        if self.backup == "max":
            return visits, max(edge.best for edge in edges)
        return visits, math.fsum(edge.total for edge in edges) / visits


def _leads_to(node: Node, other: Node) -> bool:
    """Whether there is a way down from `node` to `other`, looked for from below."""
    left, seen = [other] if node.edges else [], {other}
    while left:
        for parent in left.pop().parents:
            if parent is node:
                return True
            if parent not in seen:
                seen.add(parent)
                left.append(parent)
    return False
