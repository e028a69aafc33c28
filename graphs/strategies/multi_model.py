"""Wider or deeper, and by which model: adaptive branching search (Inoue et al. 2025).

AB-MCTS, arXiv:2503.04412. A node is a solution; the problem is the root. Each simulation goes down
from the root. At a node it either goes wider (a new solution from here: an answer at the root, a
refinement elsewhere) or deeper (into one of the solutions made from here before). Then it chooses
which of the team's generators writes. A verifier scores what was written.

All choices are by Thompson sampling: a draw from the posterior of each, and the highest draw wins.
A posterior is Beta(prior + sum of scores, prior + sum of (1 - score)), which takes scores between 0
and 1 as parts of a success; the default prior of 0.5 is Jeffreys's. As in the variant AB-MCTS-A

- *wider* counts the scores of what was written from the node itself,
- *deeper* counts the scores of what was written below its children,
- a child counts its own score and all that was written below it,
- a model counts the scores of all that it wrote in this search.

Where this differs from the paper:

- Only AB-MCTS-A is here, not AB-MCTS-M, whose mixed-effects model needs a Markov chain for every
  choice. Posteriors are Beta; the paper's default is Gaussian.
- `parallel` simulations overlap: simulation i sees the scores of simulations up to i - parallel, in
  start order. Each of the rest counts as `virtual_loss` of a failure in every posterior that it
  will add to: a whole one would drive simulations that overlap away from the best model. Draws are
  made in start order, so equal seeds give equal graphs.
- The feedback that a refinement is shown is the verifier's score, in the place of a critique.
"""

from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from cogitate.agents import Passage
from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.in_order import in_order
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["MultiModelSearch"]


@strategy(
    "multi-model-search",
    paper="Inoue et al. 2025, arXiv:2503.04412 (AB-MCTS-A with several models)",
    calls="2 * simulations (simulations with a grader or function as verifier)",
    pays="where it is not known which model, or whether refining, suits the problem, and a "
    "verifier can tell good solutions from bad",
)
@dataclass(frozen=True)
class MultiModelSearch:
    """Let scores decide whether to answer anew or to refine, and which generator writes.

    Args:
        simulations: How many solutions are written.
        parallel: How many at the same moment.
        prior: The parts of a success and of a failure that every choice begins with.
        virtual_loss: The part of a failure that each simulation under way counts as.
    """

    simulations: int = 32
    parallel: int = 4
    prior: float = 0.5
    virtual_loss: float = 0.1

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if min(self.simulations, self.parallel) < 1:
            raise ConfigError(
                f"MultiModelSearch(simulations={self.simulations}, parallel={self.parallel}): give "
                "at least 1 of each"
            )
        if not 0 < self.prior < float("inf"):
            raise ConfigError(f"MultiModelSearch(prior={self.prior}): give a number above 0")
        if not 0 <= self.virtual_loss < float("inf"):
            raise ConfigError(
                f"MultiModelSearch(virtual_loss={self.virtual_loss}): give a number of at least 0"
            )

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the solution with the highest score; of equal ones the first."""
        search = _Search(d, self)
        try:
            await in_order(self.simulations, self.parallel, search.begin, search.settle)
        except BudgetExhausted:
            if search.best is None:
                raise
        return None if search.best is None else search.best.solution


@dataclass(slots=True)
class _Posterior:
    """What is believed of a choice, from the scores that it led to."""

    successes: float
    failures: float
    virtual_loss: float
    under_way: int = 0

    def draw(self, chance: Random) -> float:
        lost = self.under_way * self.virtual_loss
        return chance.betavariate(self.successes, self.failures + lost)

    def add(self, score: float) -> None:
        self.under_way -= 1
        self.successes += score
        self.failures += 1 - score


@dataclass(slots=True, eq=False)
class _Node:
    """A solution (or the problem) and what was made from it."""

    thought: Thought
    score: float
    here: _Posterior
    wider: _Posterior
    deeper: _Posterior
    children: list["_Node"] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each agent was asked to go on from here."""


class _Written(NamedTuple):
    """What came of one simulation."""

    node: _Node
    choices: list[_Posterior]
    solution: Thought
    score: float


class _Best(NamedTuple):
    solution: Thought
    rank: tuple[float, bool]


class _Search:
    """One search for one problem."""

    def __init__(self, d: Deliberation, options: MultiModelSearch) -> None:
        self._d = d
        self._options = options
        self._root = self._node(d.problem, 0.0)
        self._models = {agent.name: self._posterior() for agent in d.team.playing("generator")}
        if not self._models:
            d.team.agent("generator")
        self.best: _Best | None = None

    def _posterior(self) -> _Posterior:
        prior = self._options.prior
        return _Posterior(prior, prior, self._options.virtual_loss)

    def _node(self, thought: Thought, score: float) -> _Node:
        here = self._posterior()
        here.successes += score
        here.failures += 1 - score
        return _Node(thought, score, here, self._posterior(), self._posterior())

    def begin(self, _: int) -> Coroutine[None, None, _Written]:
        chance, node = self._d.random, self._root
        choices: list[_Posterior] = []
        while node.children and node.deeper.draw(chance) > node.wider.draw(chance):
            choices.append(node.deeper)
            draws = [child.here.draw(chance) for child in node.children]
            node = node.children[draws.index(max(draws))]
            choices.append(node.here)
        choices.append(node.wider)
        draws_by_model = {name: model.draw(chance) for name, model in self._models.items()}
        agent = max(draws_by_model, key=draws_by_model.__getitem__)
        choices.append(self._models[agent])
        for choice in choices:
            choice.under_way += 1
        number = node.asked[agent]
        node.asked[agent] += 1
        return self._write(node, agent, number, choices)

    async def _write(
        self, node: _Node, agent: str, number: int, choices: list[_Posterior]
    ) -> _Written:
        d, thought = self._d, node.thought
        if node is self._root:
            [solution] = await d.ask("generate", [thought], agent=agent, first=number)
        else:
            said = f"A verifier scored this solution {node.score:.2f} on a scale from 0 to 1."
            work = [d.passage(thought), Passage("critique", said)]
            [solution] = await d.ask("refine", [thought], work=work, agent=agent, first=number)
        return _Written(node, choices, solution, await d.verify(solution))

    def settle(self, _: int, written: _Written) -> None:
        node, choices, solution, score = written
        for choice in choices:
            choice.add(score)
        if not solution.text:
            return
        node.children.append(self._node(solution, score))
        rank = score, solution.answer is not None
        if self.best is None or rank > self.best.rank:
            self.best = _Best(solution, rank)
