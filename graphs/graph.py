"""The thought graph: every way of reasoning grows this one structure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from heapq import heapify, heappop, heappush
from math import isfinite
from typing import Self

import networkx as nx

from cogitate.errors import ConfigError, DataError
from cogitate.graphs.codec import dump, load
from cogitate.graphs.render import mermaid, tree
from cogitate.graphs.thought import Link, Relation, Thought, ThoughtKind, position_of
from cogitate.tasks import Problem

__all__ = ["ThoughtGraph"]

_ID = re.compile(r".+\.(?:0|[1-9][0-9]{0,8})")


class ThoughtGraph(nx.DiGraph):  # type: ignore[type-arg]  # networkx is generic in its stubs only
    """A directed acyclic graph of thoughts; an edge leads from a thought to one made from it.

    It is a `networkx.DiGraph`: `graph.nodes[id]` is the `Thought`, `graph.edges[a, b]["relation"]`
    the `Relation`. Every networkx algorithm, exporter and drawing works on it; a plain copy with
    plain attributes is `networkx.DiGraph(graph)`.

    Example:
        >>> graph = ThoughtGraph.of(Problem(id="p", prompt="2 + 2?"))
        >>> draft = Thought("d.0", ThoughtKind.SOLUTION, "Answer: 4", answer="4")
        >>> graph.add(draft, [graph.root], Relation.GENERATES)
        >>> [thought.text for thought in graph.children(graph.root)]
        ['Answer: 4']
        >>> nx.is_directed_acyclic_graph(graph)
        True
    """

    _node: dict[str, Thought]
    _adj: dict[str, dict[str, dict[str, str]]]
    _pred: dict[str, dict[str, dict[str, str]]]

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return a graph that holds the problem and nothing else."""
        graph = cls()
        graph.graph["problem"] = problem.model_dump_json()
        root_id = f"{position_of(problem.id, (), '', 'problem')}.0"
        graph.add(Thought(root_id, ThoughtKind.PROBLEM, problem.prompt, about=root_id))
        graph.graph["root"] = root_id
        return graph

    @property
    def problem(self) -> Problem:
        """The problem that the graph thinks about."""
        if "problem" not in self.graph:
            raise DataError("this graph has no problem: start one with ThoughtGraph.of(problem)")
        return _problem(self.graph["problem"])

    @property
    def root(self) -> Thought:
        """The problem as a thought."""
        return self.thought(self.graph["root"])

    def add(
        self,
        thought: Thought,
        parents: Sequence[Thought] = (),
        relation: Relation = Relation.GENERATES,
    ) -> None:
        """Add a thought made from `parents`, in their order.

        Raises:
            DataError: Its id is taken or is no `position.sample`, or a parent is not in the graph.
        """
        if not _ID.fullmatch(thought.id):
            raise DataError(f"{thought.id[:80]!r} is no id of a thought: write position.sample")
        if thought.id in self._node:
            raise DataError(f"thought {thought.id} is in the graph already: ids name a place")
        for parent in parents:
            if parent.id not in self._node:
                raise DataError(f"parent {parent.id} of {thought.id} is not in the graph: add it")
        self.add_node(thought.id)
        self._node[thought.id] = thought
        for parent in parents:
            self.add_edge(parent.id, thought.id, relation=relation.value)

    def score(self, thought: Thought, source: str, value: float) -> None:
        """Write what `source` thinks of a thought, once per source.

        Raises:
            DataError: The value is no finite number, or the source has scored it otherwise.
        """
        if not isfinite(value):
            raise DataError(f"{source} scored {thought.id} with {value}: scores are finite numbers")
        if thought.scores.setdefault(source, float(value)) != value:
            raise DataError(f"{source} has scored {thought.id} already: scores are append-only")

    def thought(self, thought_id: str) -> Thought:
        """The thought of that id.

        Raises:
            ConfigError: There is none.
        """
        found = self._node.get(thought_id)
        if not isinstance(found, Thought):
            raise ConfigError(f"the graph has no thought {thought_id!r}: list them with thoughts()")
        return found

    def thoughts(self, kind: ThoughtKind | None = None) -> Iterator[Thought]:
        """Yield all thoughts, or those of one kind, in the order in which they were added."""
        return (t for t in self._node.values() if kind is None or t.kind == kind)

    def parents(self, thought: Thought) -> list[Thought]:
        """The thoughts it was made from, in the order in which they were shown."""
        return [self._node[parent] for parent in self._pred[thought.id]]

    def children(self, thought: Thought) -> list[Thought]:
        """The thoughts made from it, ordered by id, whatever the order they came in."""
        return sorted((self._node[child] for child in self._adj[thought.id]), key=_place)

    def path(self, thought: Thought) -> list[Thought]:
        """The steps of a partial solution up to `thought`, each the first parent of the next.

        A problem has none; a solution is no step, and its own text is whole.
        """
        steps = []
        while thought.kind is ThoughtKind.STEP:
            steps.append(thought)
            parents = self._pred[thought.id]
            if not parents:
                break
            thought = self._node[next(iter(parents))]
        return steps[::-1]

    def problem_of(self, parents: Sequence[Thought]) -> str:
        """The id of the problem thought that a thought made from `parents` works on.

        Where these work on different parts of a problem, it works on what the parts have in common.
        """
        problems = [t.id if t.kind is ThoughtKind.PROBLEM else t.about for t in parents]
        if problems.count(problems[0]) == len(problems):
            return problems[0]
        line = self._line(problems[0])
        for other in problems[1:]:
            wider = set(self._line(other))
            line = [problem for problem in line if problem in wider] or line
        return line[0] if line else problems[0]

    def whole(self, thought: Thought) -> bool:
        """Whether a thought works on the whole problem, and not on a part that was split off."""
        return all(
            data["relation"] in (Relation.POLISHES, Relation.RESTARTS)
            for problem in self._line(thought.about)
            for data in self._pred[problem].values()
        )

    def _line(self, problem: str) -> list[str]:
        """A problem thought, what it was made from, and so on to the problem at the root."""
        line: list[str] = []
        while problem in self._node and problem not in line:
            line.append(problem)
            problem = self._node[problem].about
        return line

    def volume(self, thought: Thought) -> int:
        """How many thoughts have a path to this one (Besta et al. 2024, arXiv:2308.09687)."""
        return len(nx.ancestors(self, thought.id))

    def text(self, thought: Thought) -> str:
        """What a thought says: of a step, all steps up to it."""
        if thought.kind is not ThoughtKind.STEP:
            return thought.text
        return "".join(step.text for step in self.path(thought))

    def in_order(self) -> list[Thought]:
        """All thoughts, parents before children, in an order that only the graph decides.

        That of `networkx.lexicographical_topological_sort` by id, which takes twice as long.

        Raises:
            networkx.NetworkXUnfeasible: The graph has a cycle.
        """
        waiting = {node: len(parents) for node, parents in self._pred.items()}
        ready = [(_place(self._node[node]), node) for node, n in waiting.items() if not n]
        heapify(ready)
        order: list[Thought] = []
        while ready:
            node = heappop(ready)[1]
            order.append(self._node[node])
            for child in self._adj[node]:
                waiting[child] -= 1
                if not waiting[child]:
                    heappush(ready, (_place(self._node[child]), child))
        if len(order) < len(waiting):
            raise nx.NetworkXUnfeasible("the graph has a cycle: a thought cannot lead to itself")
        return order

    def links(self) -> list[Link]:
        """All edges as (parent, child, relation), ordered by child, then as the child was told."""
        return [
            Link(self._node[parent], thought, Relation(data["relation"]))
            for thought in self.in_order()
            for parent, data in self._pred[thought.id].items()
        ]

    def to_json(self) -> str:
        """Write the graph as JSON text, losslessly and in a stable order."""
        return dump(self.problem, self.in_order(), self.links())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a graph that `to_json` wrote, whole or from the middle of a search.

        Raises:
            DataError: The text is no such graph.
        """
        problem, entries = load(text)
        graph = cls()
        graph.graph["problem"] = problem.model_dump_json()
        for thought, parents in entries:
            for parent, _ in parents:
                if parent not in graph:
                    raise DataError(
                        f"thought {thought.id}: its parent {parent} does not precede it"
                    )
            graph.add(thought)
            for parent, relation in parents:
                graph.add_edge(parent, thought.id, relation=relation.value)
        roots = [t for t in graph.thoughts(ThoughtKind.PROBLEM) if not graph.in_degree(t.id)]
        if len(roots) != 1:
            raise DataError(f"a thought graph has one problem at its root, this one {len(roots)}")
        graph.graph["root"] = roots[0].id
        return graph

    def to_mermaid(self, *, width: int = 60) -> str:
        """Draw the graph in the Mermaid language; texts are cut to `width` characters."""
        return mermaid(self.in_order(), self.links(), width=width)

    def to_tree(self, *, width: int = 100) -> str:
        """Draw the graph as a text tree, each thought under the latest that it was made from."""
        return tree(self.root, self.links(), width=width)

    def copy(self, as_view: bool = False) -> Self:
        """Return a graph of its own with equal thoughts, of a view (`subgraph`) too."""
        if as_view:
            return super().copy(as_view=True)
        graph = type(self)()
        graph.graph.update(self.graph)
        for node, thought in self._node.items():
            graph.add_node(node)
            if isinstance(thought, Thought):  # networkx makes plain nodes, as in a reversed graph
                graph._node[node] = replace(thought, scores=dict(thought.scores))
            else:
                graph.add_node(node, **thought)
        for child, parents in self._pred.items():
            for parent, data in parents.items():
                graph.add_edge(parent, child, **data)
        return graph


@lru_cache(maxsize=256)
def _problem(text: str) -> Problem:
    return Problem.model_validate_json(text)


def _place(thought: Thought) -> tuple[str, int]:
    return thought.id.rpartition(".")[0], thought.sample
