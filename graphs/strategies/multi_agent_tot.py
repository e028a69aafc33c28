"""Multi-agent Tree of Thoughts with a validator (Haji et al. 2024, arXiv:2409.11527).

Several reasoners each search a tree of their own. A validator, the team's critic, checks each
solution for its logic, its facts and its completeness; only valid ones vote. Where no answer has
more than `consensus` of their votes, another round begins, with the validator's feedback.

The reasoners are the team's generators in turn; each round gives each of them a problem thought of
its own, made from the feedback, which stands in the prompts of generators only. A solution is
validated as soon as its reasoner ends, whatever the others do.

Departures: the paper's trees are breadth-first with a prompt of their own; here each reasoner is a
`TreeOfThoughts`. The paper leaves open what happens when rounds run out: the most voted answer of
the last round that had a valid solution is returned, and without any the most frequent of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cogitate.agents import Template, parse_critique
from cogitate.agents.prompts import SHOTS
from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.operation import Operation
from cogitate.graphs.strategies.tree_of_thoughts import TreeOfThoughts
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["MultiAgentToT"]

VALIDATE = Operation(
    "critic",
    ThoughtKind.CRITIQUE,
    Relation.CRITIQUES,
    prompt=Template(
        "Problem:\n{problem}\n\n{work}\n\nYou are the validator of this solution. Check that each "
        "step follows from the one before it, that every number and fact is right, and that the "
        "solution answers all that was asked. Say what is wrong. The last line must be "
        "`Accept: yes` if the solution is valid, or `Accept: no` if it is not.",
        system="You check solutions carefully.",
    ),
    parser=parse_critique,
    shots=SHOTS["critique"],
)


class _Checked(NamedTuple):
    solution: Thought
    critique: Thought | None
    """None: there was nothing to validate."""


@strategy(
    "multi-agent-tot",
    paper="Haji et al. 2024, arXiv:2409.11527",
    calls="at most rounds * reasoners times the calls of a tree-of-thoughts and 1",
    pays="where searches err in different ways and the critic tells valid from invalid",
)
@dataclass(frozen=True)
class MultiAgentToT:
    """Several tree searches, a validator, and a vote of what is valid."""

    reasoners: int = 3
    """Searches in a round."""
    rounds: int = 2
    """Rounds at most."""
    consensus: float = 0.5
    """An answer wins with more than this share of the valid votes."""
    breadth: int = 2
    """As in `TreeOfThoughts`."""
    depth: int = 3
    """As in `TreeOfThoughts`."""
    width: int = 3
    """As in `TreeOfThoughts`."""
    generate: Literal["propose", "sample"] = "propose"
    """As in `TreeOfThoughts`."""

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.reasoners < 1 or self.rounds < 1:
            raise ConfigError(f"{self}: reasoners and rounds are at least 1")
        if not 0 <= self.consensus < 1:
            raise ConfigError(f"{self}: consensus is a share of at least 0 and below 1")
        _ = self._search

    @property
    def _search(self) -> TreeOfThoughts:
        return TreeOfThoughts(
            breadth=self.breadth,
            depth=self.depth,
            width=self.width,
            generate=self.generate,
            samples=1,
        )

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the answer that the valid solutions agree on."""
        names = [agent.name for agent in d.team.playing("generator")] or [d.team.generator.name]
        best: Thought | None = None
        everything: list[Thought] = []
        feedback: list[Thought] = []
        for _ in range(self.rounds):
            roots = [self._root(d, feedback) for _ in range(self.reasoners)]
            lessons = [_lesson(d, critique) for critique in feedback]
            try:
                checked = await gather(
                    self._reason(d.about(root, generator=names[i % len(names)], lessons=lessons))
                    for i, root in enumerate(roots)
                )
            except BudgetExhausted:
                if best is None and not everything:
                    raise
                break
            everything += [solution for solution, _ in checked]
            valid = [one.solution for one in checked if one.critique and one.critique.accepts]
            ballot = await d.vote(valid)
            best = ballot.winner or best
            if ballot.winner is not None and ballot.shares[0] > self.consensus:
                return ballot.winner
            feedback = [one.critique for one in checked if one.critique and one.critique.text]
        return best or (await d.vote(everything)).winner

    async def _reason(self, d: Deliberation) -> _Checked:
        """One reasoner's search, and what the validator says of its solution."""
        solution = await self._search(d)
        if not solution.text:
            return _Checked(solution, None)
        work = [d.passage(solution)]
        [critique] = await d.ask("validate", [solution], work=work, spec=VALIDATE)
        return _Checked(solution, critique)

    def _root(self, d: Deliberation, feedback: Sequence[Thought]) -> Thought:
        """The problem once more, for the search of one reasoner."""
        parents = [*feedback, d.problem]
        return d.derive("reasoner", ThoughtKind.PROBLEM, d.problem.text, parents, Relation.RESTARTS)


def _lesson(d: Deliberation, critique: Thought) -> str:
    [solution] = d.graph.parents(critique)
    answer = "no answer" if solution.answer is None else f"the answer {solution.answer}"
    return f"An attempt came to {answer}. Its validator said: {critique.text.strip()}"
