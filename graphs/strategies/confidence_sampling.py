"""Sampling by the generator's own confidence: the probability that it gave to what it wrote.

Confidence is exp(mean log-probability) of the tokens of a solution, or of all steps of a partial
one: the geometric mean of their probabilities, in (0, 1]. Nobody else is asked. Log-probabilities
are those of the sampled tokens at the sampling temperature (greedy: at 1), as the engine returns
them with each completion (hf/ and vllm/ do, openai/ where the server gives them). They compare
solutions of one model at one temperature; a low temperature raises all of them. The confidence is
kept on the thought as its score `confidence`, and nothing is made up where an engine tells none.

Four modes:

- `select`: sample n solutions, return the most confident: sample-and-rank (Adiwardana et al. 2020,
  arXiv:2001.09977), by the mean over tokens, so that long solutions are not at a disadvantage.
- `guide`: best-first search. Expand the most confident partial solution by `expand` steps, n
  expansions at most, until a finished solution is at least as confident as all that is open. If
  none is by then, the most confident partial one is written to its end. The most confident solution
  is returned. Steps that say the same after the same beginning are one.
- `think-longer`: while confidence is below `threshold`, the same generator is asked to solve the
  problem in smaller, checked steps; at most n solutions, the most confident is returned.
- `hand-over`: while confidence is below `threshold`, the next generator solves the problem
  afresh, n generators at most. The last one asked is returned, since confidences of different
  models do not compare.
"""

import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from cogitate.agents import Brief, Shot, Template
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.in_order import in_order
from cogitate.graphs.operation import Operation
from cogitate.graphs.parameter import check_choices
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["THINK_LONGER", "ConfidenceSampling", "confidence"]

_PENS = "A tray has 7 rows of 5 pens. How many pens are left when 8 of them are sold?"
_DIFFERENCE = "Calculate 91 - 26 + 14."
THINK_LONGER = Operation(
    "generator",
    ThoughtKind.SOLUTION,
    Relation.EXPLORES,
    prompt=Template(
        "{problem}\n\n{lessons}Take more time for this problem: go in small steps, and check each "
        "step before the next. Then give the final answer on the last line, in this form:\n"
        "Answer: your answer",
        system="You solve problems carefully and end with a line that begins with Answer:",
    ),
    shots=(
        Shot(
            Brief(_PENS),
            "7 rows of 5 pens are 7 * 5 = 35 pens. Check: 35 / 5 = 7.\n"
            "35 - 8 = 27 pens are left. Check: 27 + 8 = 35.\nAnswer: 27",
        ),
        Shot(
            Brief(_DIFFERENCE),
            "91 - 26 = 65. Check: 65 + 26 = 91.\n65 + 14 = 79. Check: 79 - 14 = 65.\nAnswer: 79",
        ),
    ),
)
"""How a generator is asked to think longer. It is not shown its solution: what it copied it would
be sure of."""


@strategy(
    "confidence-sampling",
    paper="select: Adiwardana et al. 2020 (sample-and-rank), arXiv:2001.09977",
    calls="n (guide: n * expand + 1 at most)",
    pays="with a calibrated model and no verifier; small tuned models are sure of wrong answers",
)
@dataclass(frozen=True)
class ConfidenceSampling:
    """Let the log-probabilities of its tokens decide which solution to return or think on.

    Args:
        n: Solutions (`select`), expansions (`guide`), or attempts at most.
        mode: What confidence decides.
        threshold: The confidence, in (0, 1], that is enough for `think-longer` and `hand-over`.
        expand: Steps that continue a partial solution, for `guide`.
        parallel: Expansions that are under way together, for `guide`: each is chosen from what is
            settled, so the outcome depends on this number and never on which reply came first.
        separator: What ends a step, for `guide`; on a command line a blank line is `%0A%0A`.
        to: The name of the generator that takes over, for `hand-over`; else all others in order.
    """

    n: int = 8
    mode: Literal["select", "guide", "think-longer", "hand-over"] = "select"
    threshold: float = 0.8
    expand: int = 4
    parallel: int = 1
    separator: str = "\n\n"
    to: str = ""

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        check_choices(self)
        if min(self.n, self.expand, self.parallel) < 1 or not self.separator:
            raise ConfigError(f"{self}: n, expand and parallel are at least 1, separator is a text")
        if not 0 < self.threshold <= 1:
            raise ConfigError(
                f"{self}: threshold is a mean token probability above 0 and at most 1"
            )

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the solution that confidence decides for."""
        match self.mode:
            case "select":
                return _surest(d, await d.samples(self.n))
            case "guide":
                return await _BestFirst(d, self).search()
            case "think-longer":
                return await self._think_longer(d)
            case "hand-over":
                return await self._hand_over(d)

    async def _think_longer(self, d: Deliberation) -> Thought:
        attempts = [await d.generate()]
        while confidence(d, attempts[-1]) < self.threshold and len(attempts) < self.n:
            attempts += await d.ask("think longer", [d.problem], spec=THINK_LONGER)
        return _surest(d, attempts)

    async def _hand_over(self, d: Deliberation) -> Thought:
        first = d.team.agent("generator").name
        others = [agent.name for agent in d.team.playing("generator") if agent.name != first]
        if self.to:
            others = [d.team.agent(self.to).name]
        if not others or others == [first]:
            raise ConfigError(
                "mode='hand-over' needs a second generator: give the team a list, such as "
                "Team(generator=[Generator(small), Generator(large)]), or name another in to="
            )
        asked = [first, *others][: self.n]
        solution = await d.generate(agent=first)
        for name in asked[1:]:
            if confidence(d, solution) >= self.threshold:
                break
            solution = await d.generate(agent=name)
        return solution


def confidence(d: Deliberation, thought: Thought) -> float:
    """The geometric mean of the probabilities of a thought's tokens, with those of its steps.

    It is kept on the thought as its score `confidence`.

    Returns:
        A number in [0, 1]; 0 for a thought without text, which is not kept as a score.

    Raises:
        ConfigError: The engine tells no log-probabilities.
    """
    if not thought.text:
        return 0.0
    if "confidence" in thought.scores:
        return thought.scores["confidence"]
    steps = [*d.graph.path(thought)]
    if thought.kind is ThoughtKind.SOLUTION:
        steps = [*d.graph.path(d.graph.parents(thought)[0]), thought]
    logprobs: list[float] = []
    for step in steps:
        if step.logprobs is None:
            model = step.source.model if step.source else step.agent
            raise ConfigError(
                f"confidence-sampling needs the log-probabilities of tokens, and {model} tells "
                "none: use an engine that does (hf/, vllm/, openai/ where the server has logprobs)"
            )
        logprobs += step.logprobs
    mean = math.exp(fmean(logprobs)) if logprobs else 0.0
    d.graph.score(thought, "confidence", mean)
    return mean


def _surest(d: Deliberation, thoughts: Sequence[Thought]) -> Thought:
    """The most confident; of equal ones the first."""
    return max(thoughts, key=lambda thought: confidence(d, thought))


@dataclass(eq=False)
class _BestFirst:
    """The frontier of partial solutions, and what was finished."""

    d: Deliberation
    settings: ConfidenceSampling
    open: list[Thought] = field(default_factory=list)
    finished: list[Thought] = field(default_factory=list)
    expanded: int = 0

    async def search(self) -> Thought | None:
        self._settle(0, await self._expand(self.d.problem))
        while self.expanded < self.settings.n and self._next() is not None:
            left = self.settings.n - self.expanded
            await in_order(left, self.settings.parallel, self._begin, self._settle)
        if (last := self._next()) is not None:
            self.finished += await self.d.finish(last)
        return _surest(self.d, self.finished) if self.finished else None

    def _next(self) -> Thought | None:
        """What to expand; None where nothing is open, or a solution is as sure as all of it."""
        if not self.open:
            return None
        surest = _surest(self.d, self.open)
        sure = max((confidence(self.d, one) for one in self.finished), default=-1.0)
        return None if sure >= confidence(self.d, surest) else surest

    def _begin(self, _number: int) -> Coroutine[None, None, list[Thought]] | None:
        parent = self._next()
        if parent is None:
            return None
        self.open.remove(parent)
        return self._expand(parent)

    async def _expand(self, parent: Thought) -> list[Thought]:
        self.expanded += 1
        steps: dict[str, Thought] = {}
        for step in await self.d.steps(
            self.settings.expand, parent, stop=(self.settings.separator,)
        ):
            if confidence(self.d, step) > 0:
                steps.setdefault(step.text, step)
        return list(steps.values())

    def _settle(self, _number: int, steps: Sequence[Thought]) -> None:
        for step in steps:
            (self.finished if step.kind is ThoughtKind.SOLUTION else self.open).append(step)
