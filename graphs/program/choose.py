"""The stages that choose among thoughts: part, score, keep the best or the valid, ground truth.

They are those of Graph of Thoughts (Besta et al. 2024, arXiv:2308.09687), and ask no model but the
verifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cogitate.errors import ConfigError, GraderError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.program.stage import Measure, Stage, StageOf, Test
from cogitate.graphs.thought import Thought
from cogitate.tasks import Grader, grader_for

__all__ = [
    "Given",
    "GroundTruth",
    "KeepBest",
    "KeepValid",
    "Part",
    "Score",
    "passes",
    "score_of",
]


@dataclass(frozen=True, eq=False)
class Given:
    """The problem itself: where a program begins."""

    @property
    def inputs(self) -> tuple[Stage, ...]:
        """None."""
        return ()

    async def __call__(
        self, d: Deliberation, _thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give the problem thought."""
        return [d.problem]


@dataclass(frozen=True, eq=False)
class Part(StageOf):
    """One of the thoughts of a stage, counted from 0."""

    index: int = 0

    async def __call__(
        self, _d: Deliberation, thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give that thought, if there are so many."""
        return list(thoughts[self.index : self.index + 1])


@dataclass(frozen=True, eq=False)
class Score(StageOf):
    """Score each thought: by the team's verifier, or by a function that asks no model."""

    by: Measure | None = None
    """Its score is kept under the source `local`. None: the team's verifier."""
    samples: int = 1
    """Verdicts of a verifier that writes them."""

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give the same thoughts, scored."""
        if self.by is None:
            await gather(d.verify(thought, samples=self.samples) for thought in thoughts)
            return list(thoughts)
        for thought in thoughts:
            try:
                value = float(self.by(d.graph.thought(thought.about).text, thought))
            except Exception as error:  # a function of the user's own, on a model's text
                thought.error = f"{type(error).__name__}: {error}"
                continue
            if not 0 <= value <= 1:
                raise ConfigError(f"{self}: it scored {value}: let it return a score in [0, 1]")
            d.graph.score(thought, "local", value)
        return list(thoughts)


@dataclass(frozen=True, eq=False)
class KeepBest(StageOf):
    """Keep the n best: by score, then by volume, then the first. What has no score counts as 0."""

    n: int = 1

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give the best thoughts, best first."""
        ranks = {thought: (score_of(thought), d.graph.volume(thought)) for thought in thoughts}
        return sorted(thoughts, key=ranks.__getitem__, reverse=True)[: self.n]


@dataclass(frozen=True, eq=False)
class KeepValid(StageOf):
    """Keep the thoughts that pass a test."""

    valid: Test = field(kw_only=True)

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give the valid thoughts."""
        return [thought for thought in thoughts if passes(self.valid, d, thought)]


@dataclass(frozen=True, eq=False)
class GroundTruth(StageOf):
    """Grade each solution with the right answer, where the problem has one; the last stage only.

    No stage may work on what it graded: what the right answer chose is an oracle's.
    """

    async def __call__(
        self, d: Deliberation, thoughts: Sequence[Thought], _first: int, /
    ) -> list[Thought]:
        """Give the same thoughts, graded; solutions of a part of the problem are not."""
        if d.task.reference is not None:
            grader = grader_for(d.task)
            await gather(self._grade(d, t, grader) for t in thoughts if d.graph.whole(t))
        return list(thoughts)

    async def _grade(self, d: Deliberation, solution: Thought, grader: Grader) -> None:
        if solution.answer is None:
            d.graph.score(solution, "grader", 0.0)
            return
        try:
            grade = await grader.grade(d.task, solution.answer)
        except GraderError as error:
            solution.error = f"{type(error).__name__}: {error}"
        else:
            d.graph.score(solution, "grader", grade.score)


def score_of(thought: Thought) -> float:
    """The score of a thought, 0 where it has none."""
    return 0.0 if thought.score is None else thought.score


def passes(test: Test, d: Deliberation, thought: Thought) -> bool:
    """Whether a thought passes a test; one on which the test fails does not."""
    try:
        return test(d.graph.thought(thought.about).text, thought)
    except Exception as error:  # a function of the user's own, on a model's text
        thought.error = f"{type(error).__name__}: {error}"
        return False
