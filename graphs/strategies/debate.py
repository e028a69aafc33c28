"""Debate (Du et al. 2023, arXiv:2305.14325).

Several debaters answer on their own. Then, round after round, each reads the last answers of all
the others beside its own and answers again. After the last round they vote.

The debaters are the team's generators in turn; a team with one generator debates with itself, in
samples. A debater revises as soon as the last answers of all others are there, which makes a round
a barrier by the method itself.

Departures: the paper's debaters keep their whole conversation, here each sees its own last answer
and exactly the others' last answers, as quoted passages. `rounds` counts the rounds of debate; the
paper's program counts the answers before it as the first one. A debater whose call fails keeps its
last answer, and one without an answer so far is not shown to the others. Where the budget ends
within a round, the answers of the round before vote.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.agents import Brief, Passage, Shot, Template
from cogitate.errors import BudgetExhausted, ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.operation import Operation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["Debate"]

DEBATE = Operation(
    "generator",
    ThoughtKind.SOLUTION,
    Relation.REFINES,
    prompt=Template(
        "Problem:\n{problem}\n\n{work}\n\nUse the answers of the others as additional advice: "
        "check them and your own, and keep what is right. Think step by step. Then give the final "
        "answer on the last line, in this form:\nAnswer: your answer",
        system="You solve problems together with others and end with a line that begins with "
        "Answer:",
    ),
    shots=(
        Shot(
            Brief(
                "Calculate 56 + 27 - 8.",
                (
                    Passage("your last answer", "56 + 27 = 73\n73 - 8 = 65\nAnswer: 65"),
                    Passage("last answer of debater 2", "56 + 27 = 83\n83 - 8 = 75\nAnswer: 75"),
                ),
            ),
            "6 + 7 = 13, so 56 + 27 is 83 and not 73.\n83 - 8 = 75\nAnswer: 75",
        ),
    ),
)


@strategy(
    "debate",
    paper="Du et al. 2023, arXiv:2305.14325",
    calls="agents * (1 + rounds)",
    pays="where debaters err in different ways and see a better argument when they read it",
)
@dataclass(frozen=True)
class Debate:
    """Several agents answer, read each other's last answers, revise, and vote."""

    agents: int = 3
    """Debaters; the team's generators in turn."""
    rounds: int = 2
    """Times that each revises after reading the others."""

    def __post_init__(self) -> None:
        """Refuse a debate without others."""
        if self.agents < 2 or self.rounds < 0:
            raise ConfigError(f"{self}: agents is at least 2 and rounds at least 0")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the answer that most debaters end with; of equal votes see `vote`."""
        names = [agent.name for agent in d.team.playing("generator")] or [d.team.generator.name]
        shares = Counter(names[i % len(names)] for i in range(self.agents))
        opening = await gather(d.samples(n, agent=name) for name, n in shares.items())
        last = [answer for answers in opening for answer in answers]
        for _ in range(self.rounds):
            try:
                last = await gather(self._revise(d, last, me) for me in range(len(last)))
            except BudgetExhausted:
                break
        ballot = await d.vote(last)
        return ballot.winner or next((answer for answer in last if answer.text), last[0])

    async def _revise(self, d: Deliberation, last: Sequence[Thought], me: int) -> Thought:
        own = last[me]
        others = [(i, other) for i, other in enumerate(last) if i != me and other.text]
        if not others:
            return own
        work = [Passage("your last answer", own.text)] if own.text else []
        work += [Passage(f"last answer of debater {i + 1}", other.text) for i, other in others]
        parents = [own, *(other for _, other in others)]
        [revised] = await d.ask("debate", parents, work=work, agent=own.agent, spec=DEBATE)
        return revised if revised.text else own
