"""The stages that make new thoughts: split, generate, aggregate, refine, validate and improve.

The thought transformations of Graph of Thoughts (Besta et al. 2024, arXiv:2308.09687). Replies
that failed stay in the graph and go no further; a stage without thoughts to work on gives none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cogitate.agents import Brief, Passage, Shot, Template, parse_proposals
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.operation import OPERATIONS, Operation
from cogitate.graphs.program.choose import passes, score_of
from cogitate.graphs.program.stage import StageOf, Test, Wording
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["Aggregate", "Generate", "Refine", "Split", "ValidateAndImprove"]

_SPLIT = Operation(
    "generator",
    ThoughtKind.STEP,
    Relation.EXPLORES,
    Template(
        "Problem:\n{problem}\n\nSplit this into {n} smaller problems, whose answers together give "
        "the answer. Do not solve them. Write each on a line of its own, with all that is needed "
        "to solve it.",
        system="You split problems, one part on each line.",
    ),
    shots=(
        Shot(
            Brief(
                "A box holds 6 eggs and a bag 3 apples. How many eggs and apples together are in "
                "4 boxes and 5 bags?",
                n=2,
            ),
            "A box holds 6 eggs. How many eggs are in 4 boxes?\n"
            "A bag holds 3 apples. How many apples are in 5 bags?",
        ),
    ),
)
_IMPROVE = Wording(
    "improve",
    Template(
        "Problem:\n{problem}\n\n{work}\n\nThis solution has an error. Find it, and write a better "
        "solution. Give the final answer on the last line, in this form:\nAnswer: your answer",
        system="You solve problems carefully and end with a line that begins with Answer:",
    ),
    shots=(
        Shot(
            Brief("Calculate 38 + 47 - 21.", (Passage("solution", "38 + 47 = 75\nAnswer: 54"),)),
            "38 + 47 is 85, not 75.\n85 - 21 = 64\nAnswer: 64",
        ),
    ),
    label="solution",
)


@dataclass(frozen=True, eq=False)
class Split(StageOf):
    """Split each problem into smaller ones: by a function, or by the generator."""

    into: int = 2
    parts: Callable[[str, int], Sequence[str]] | None = None
    """From the problem's text, and into how many, to the texts of the parts."""

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Give the parts of all problems, in order."""
        return _flat(await gather(self._split(d, problem, first) for problem in thoughts))

    async def _split(self, d: Deliberation, problem: Thought, first: int) -> list[Thought]:
        if self.parts is not None:
            texts, parents = self.parts(problem.text, self.into), [problem]
        else:
            [reply] = await d.ask("split", [problem], count=self.into, spec=_SPLIT, first=first)
            texts, parents = parse_proposals(reply.text, self.into), [problem, reply]
        return [
            d.derive("part", ThoughtKind.PROBLEM, text, parents, Relation.GENERATES)
            for text in texts
        ]


@dataclass(frozen=True, eq=False)
class Generate(StageOf):
    """Write k solutions of each problem."""

    k: int = 1
    wording: Wording | None = None
    agent: str | None = None

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Give the solutions of all problems."""
        if any(thought.kind is not ThoughtKind.PROBLEM for thought in thoughts):
            raise ConfigError(f"{self} works on problems: improve solutions with Refine")
        asked = (_ask(self, d, "generate", [problem], first, self.k) for problem in thoughts)
        return _flat(await gather(asked))


@dataclass(frozen=True, eq=False)
class Aggregate(StageOf):
    """Combine all thoughts into one, in k ways; of fewer than two there is nothing to combine."""

    k: int = 1
    wording: Wording | None = None
    agent: str | None = None

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Give the combinations; each has all thoughts as its parents."""
        if len(thoughts) < 2:
            return []
        if self.wording is None:
            work = [Passage(f"response {i}", t.text) for i, t in enumerate(thoughts, start=1)]
        else:
            work = self.wording.passages(thoughts)
        return await _ask(self, d, "aggregate", thoughts, first, self.k, work)


@dataclass(frozen=True, eq=False)
class Refine(StageOf):
    """Improve each thought, in k ways, after a critique or at once; gives the new ones only."""

    k: int = 1
    critique: bool = True
    """Ask the critic first; what it accepts is not refined."""
    below: float | None = None
    """Leave alone what is scored at or above it."""
    wording: Wording | None = None
    agent: str | None = None

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Give the improved thoughts."""
        poor = [t for t in thoughts if self.below is None or score_of(t) < self.below]
        return _flat(await gather(self._refine(d, thought, first) for thought in poor))

    async def _refine(self, d: Deliberation, draft: Thought, first: int) -> list[Thought]:
        if not self.critique:
            return await _improve(self, d, draft, first, self.k)
        work = [d.passage(draft)]
        [critique] = await d.ask("critique", [draft], work=work, first=first)
        if critique.accepts:
            return []
        work.append(Passage("critique", critique.text))
        return await _ask(self, d, "refine", [draft, critique], first, self.k, work)


@dataclass(frozen=True, eq=False)
class ValidateAndImprove(StageOf):
    """Improve each thought until it passes a test, a number of times at most."""

    valid: Test = field(kw_only=True)
    tries: int = 3
    wording: Wording | None = None
    agent: str | None = None

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], first: int, /
    ) -> list[Thought]:
        """Give the last form of each thought, valid or not."""
        return await gather(self._until_valid(d, thought, first) for thought in thoughts)

    async def _until_valid(self, d: Deliberation, thought: Thought, first: int) -> Thought:
        for _ in range(self.tries):
            if passes(self.valid, d, thought):
                break
            improved = await _improve(self, d, thought, first, 1)
            if not improved:
                break
            [thought] = improved
        return thought


_Asking = Generate | Aggregate | Refine | ValidateAndImprove


async def _improve(
    stage: _Asking, d: Deliberation, thought: Thought, first: int, k: int
) -> list[Thought]:
    """Refine a thought without a critique."""
    wording = stage.wording or _IMPROVE
    work = wording.passages([thought])
    return await _ask(stage, d, "refine", [thought], first, k, work, wording)


async def _ask(
    stage: _Asking,
    d: Deliberation,
    operation: str,
    parents: Sequence[Thought],
    first: int,
    k: int,
    work: Sequence[Passage] = (),
    wording: Wording | None = None,
) -> list[Thought]:
    """Ask for k replies, and return those that have a text."""
    spec, wording = OPERATIONS[operation], wording or stage.wording
    if wording is not None:
        spec = spec._replace(prompt=wording.prompt, shots=wording.shots)
    replies = await d.ask(
        operation,
        parents,
        n=k,
        work=work,
        agent=stage.agent,
        spec=spec,
        prompt=None if wording is None else wording.name,
        first=first,
    )
    return [reply for reply in replies if reply.text]


def _flat(groups: Iterable[Sequence[Thought]]) -> list[Thought]:
    return [thought for group in groups for thought in group]
