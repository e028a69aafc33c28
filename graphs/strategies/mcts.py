r"""Monte-Carlo tree search over reasoning steps (Kocsis & Szepesvári 2006; Silver et al. 2017).

A node is a partial solution. A simulation selects a leaf from the problem down, expands it by
`width` steps in one ask, evaluates the first of them (with `puct` the likeliest), and backs the
value up along its path. `parallel` simulations overlap: simulation i sees the back-ups of
simulations up to i - parallel, in start order, and virtual loss for the rest. Where it would meet a
leaf that an earlier simulation j still finds out about, it waits for the back-ups up to j and
selects again. Both follow from the order of starts alone, so equal seeds give equal graphs whatever
comes back first.

Where this differs from the papers:

- An action is a step that a model samples, so a node has `width` actions and not all there are.
- The problem is expanded before the first simulation, as in Silver et al.: all simulations begin
  with something to choose from.
- No two simulations share a leaf, so that as many leaves grow as when each waits for the one
  before. That costs time where there are fewer leaves worth a visit than simulations at once, as at
  the beginning.
- A value is a verifier's score of the step (with all that leads to it), or of one roll-out to the
  end. It lies in [0, 1], there is no opponent, and what nobody tried counts as 0 for `puct`.
- The prior of `puct` is the softmax, among siblings, of the mean log-probability per token; the
  total would punish a step for its length.
- A finished solution is verified once. Visiting it again costs nothing, and the search ends early
  when nothing is left to find.
- A simulation under way counts as a visit, and its path loses a part of its value, not all of it:
  where values differ little, a whole loss leads simulations that overlap to worse children than
  they would take one by one. `virtual_loss=0` is the form of Liu et al. 2020 (arXiv:1810.11755).
- Equal states are merged (transpositions): visits live on edges, the thought that was there first
  gets a second parent in the graph, and no merge may close a cycle.
- Steps beyond `depth` are written at once, to the end of the solution.

At the end each visited thought has two scores: `visits`, the part of all simulations that passed
it, and `mcts`, its value; both lie in [0, 1].
"""

import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.in_order import in_order
from cogitate.graphs.parameter import check_choices
from cogitate.graphs.strategies.search_tree import Child, Edge, Node, SearchTree, priors, state_key
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["MCTS"]


@strategy(
    "mcts",
    paper="Kocsis & Szepesvári 2006; Coulom 2006; PUCT: Silver et al. 2017, arXiv:1712.01815",
    calls="width + simulations * (width + 1) at most, and simulations more with roll-outs",
    pays="where a verifier can tell early which beginnings are good, and solutions have many steps",
)
@dataclass(frozen=True)
class MCTS:
    """Grow a tree of steps where it is promising or little known, and return the best solution.

    Args:
        simulations: How many.
        width: Steps that a leaf is expanded by.
        exploration: The c of UCT and PUCT.
        parallel: Simulations under way at the same moment.
        policy: How to select.
        evaluate: What a new step is worth: a `rollout` to the end and its score, or what the
            `verifier` thinks of the step itself. `auto` rolls out where a grader alone verifies,
            which can score nothing else.
        backup: Whether the value of a node is the `mean` or the `max` of what came of it.
        virtual_loss: The part of its value that a path loses to a simulation under way.
        depth: Steps after which the rest is written at once.
        separator: What ends a step.
        step_tokens: The most tokens of a step; None: what the generator may write at once.
        merge: Whether equal states become one node.
        state: What decides whether two partial solutions are equal: a function of the text so far.
            None: the text itself, whatever its white space.
        choose: The solution with the best `score`, or the one that most `visits` lead to.
    """

    simulations: int = 32
    width: int = 4
    exploration: float = 1.4
    parallel: int = 8
    policy: Literal["uct", "puct"] = "uct"
    evaluate: Literal["auto", "rollout", "verifier"] = "auto"
    backup: Literal["mean", "max"] = "mean"
    virtual_loss: float = 0.1
    depth: int = 16
    separator: str = "\n\n"
    step_tokens: int | None = None
    merge: bool = True
    state: Callable[[str], str] | None = None
    choose: Literal["score", "visits"] = "score"

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        check_choices(self)
        for name in ("simulations", "width", "parallel", "depth", "step_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"MCTS({name}={value}): give at least 1")
        if not 0 <= self.exploration < float("inf"):
            raise ConfigError(f"MCTS(exploration={self.exploration}): give a number of at least 0")
        if not 0 <= self.virtual_loss <= 1:
            raise ConfigError(f"MCTS(virtual_loss={self.virtual_loss}): give a number from 0 to 1")
        if not self.separator:
            raise ConfigError("MCTS(separator=''): say what ends a step, such as a blank line")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the best solution found, or the end of the most visited path."""
        if self.evaluate == "verifier" and _only_grades(d):
            raise ConfigError(
                "evaluate='verifier' scores steps, and a grader scores finished solutions only: "
                "give evaluate='rollout', or the team another verifier"
            )
        search = _Search(d, self)
        try:
            await search.run()
        except BudgetExhausted:
            if search.best is None:
                raise
            return search.best.solution
        finally:
            search.keep_scores()
        if self.choose == "score" and search.best is not None:
            return search.best.solution
        [solution] = await d.finish(search.tree.most_visited().thought)
        return solution


class _Found(NamedTuple):
    """A finished solution, and what the verifier says of it."""

    solution: Thought
    score: float

    @property
    def rank(self) -> tuple[float, bool]:
        return self.score, self.solution.answer is not None


class _Simulation(NamedTuple):
    """What one simulation came to."""

    path: list[Edge]
    leaf: Node
    value: float
    children: Sequence[Child] = ()
    found: _Found | None = None


class _Search:
    """One search for one problem."""

    def __init__(self, d: Deliberation, options: MCTS) -> None:
        self.d = d
        self.options = options
        self.tree = SearchTree(
            Node(d.problem, 0),
            exploration=options.exploration,
            policy=options.policy,
            backup=options.backup,
            virtual_loss=options.virtual_loss,
        )
        self.best: _Found | None = None
        self._rolls_out = options.evaluate == "rollout" or (
            options.evaluate == "auto" and _only_grades(d)
        )
        self._under_way: dict[Node, int] = {}
        """Which simulation finds out about a leaf."""
        self._done = 0

    async def run(self) -> None:
        root = self.tree.root
        self._grow(root, await self._expand(root))
        await in_order(self.options.simulations, self.options.parallel, self._begin, self._settle)

    def _begin(self, number: int) -> Coroutine[None, None, _Simulation] | int | None:
        if self.tree.root.exhausted:
            return None
        path, leaf = self.tree.select()
        if leaf.value is None:
            earlier = self._under_way.setdefault(leaf, number)
            if earlier != number:
                self.tree.give_up(path)
                return earlier
        return self._simulate(path, leaf)

    async def _simulate(self, path: list[Edge], leaf: Node) -> _Simulation:
        if leaf.value is not None:
            return _Simulation(path, leaf, leaf.value)
        if leaf.finished:
            score = await self.d.verify(leaf.thought)
            return _Simulation(path, leaf, score, found=_Found(leaf.thought, score))
        children = await self._expand(leaf)
        if not children:
            return _Simulation(path, leaf, 0.0)
        solution = children[0].thought
        finished = solution.kind is ThoughtKind.SOLUTION
        if self._rolls_out and not finished:
            [solution] = await self.d.finish(solution, first=0)
        score = await self.d.verify(solution)
        found = _Found(solution, score) if self._rolls_out or finished else None
        return _Simulation(path, leaf, score, children, found)

    async def _expand(self, leaf: Node) -> list[Child]:
        options, d = self.options, self.d
        if leaf.depth < options.depth:
            stop = (options.separator,)
            thoughts = await d.steps(
                options.width, leaf.thought, stop=stop, max_tokens=options.step_tokens
            )
        else:  # a roll-out from here was sample 0
            thoughts = await d.finish(leaf.thought, options.width, first=1)
        begun = d.graph.text(leaf.thought) if leaf.depth else ""
        distinct: dict[bytes, Thought] = {}
        for thought in thoughts:
            if thought.text.strip():
                distinct.setdefault(self._key(begun, thought), thought)
        if options.policy == "uct":
            return [Child(thought, key, 0.0) for key, thought in distinct.items()]
        weights = priors([_logprob(thought) for thought in distinct.values()])
        children = [
            Child(thought, key, prior)
            for (key, thought), prior in zip(distinct.items(), weights, strict=True)
        ]
        return sorted(children, key=lambda child: -child.prior)

    def _key(self, begun: str, thought: Thought) -> bytes:
        if not self.options.merge:
            return thought.id.encode()
        text = thought.text if thought.kind is ThoughtKind.SOLUTION else begun + thought.text
        state = self.options.state
        return state_key(thought.kind, " ".join(text.split()) if state is None else state(text))

    def _settle(self, _: int, done: _Simulation) -> None:
        path, leaf, value, children, found = done
        self._done += 1
        self._under_way.pop(leaf, None)
        if leaf.edges is None and not leaf.finished:
            for edge in self._grow(leaf, children)[:1]:
                edge.started += 1
                path.append(edge)
        if path and (end := path[-1].child).finished:
            value = self.tree.finish(end, value)
        if found is not None and found.solution.text:
            self.best = max(self.best or found, found, key=lambda one: one.rank)
        self.tree.back_up(path, value)

    def _grow(self, leaf: Node, children: Sequence[Child]) -> list[Edge]:
        graph, edges = self.d.graph, self.tree.grow(leaf, children)
        for edge in edges:
            way = leaf.thought.id, edge.child.thought.id
            if not graph.has_edge(*way):
                graph.add_edge(*way, relation=Relation.CONTINUES.value)
        return edges

    def keep_scores(self) -> None:
        """Write on each visited thought its part of the simulations, then its value."""
        for node, (visits, value) in self.tree.values().items():
            self.d.graph.score(node.thought, "visits", visits / self._done)
            self.d.graph.score(node.thought, "mcts", value)


def _only_grades(d: Deliberation) -> bool:
    return d.team.grader is not None and len(d.team.verifiers) == 1


def _logprob(thought: Thought) -> float:
    if thought.logprobs is None:
        raise ConfigError(
            "policy='puct' needs log-probs: use an engine that gives them (hf/, or openai/ with "
            "logprobs) or policy='uct'"
        )
    return -math.inf if thought.logprob is None else thought.logprob  # nothing was added
