"""Reflexion (Shinn et al. 2023, arXiv:2303.11366).

Attempt, evaluate, and after a failure write a lesson in words; the next attempt is shown the last
`memory` lessons. It ends with the first attempt that the verifier scores at or above `threshold`,
and otherwise returns the best-scored one, of equal ones the last.

Lessons may outlive their problem in a `Lessons`. One is kept as verified only where a programmatic
grader called the attempt that was shown it right, and no attempt that was shown it had failed. A
model as verifier, or a grader that fails, verifies nothing.

Departures: the paper reflects after every failure, here not after the last trial, whose lesson no
attempt would test, and not where the verifier gave no score, since there is no failure to learn
from. The paper's lessons serve one problem; recall on similar problems is an addition.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from cogitate.agents import Brief, Lesson, Lessons, Passage, Provenance, Shot, Template
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.operation import Operation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["Reflexion"]

REFLECT = Operation(
    "generator",
    ThoughtKind.LESSON,
    Relation.REFLECTS,
    prompt=Template(
        "Problem:\n{problem}\n\n{work}\n\n{lessons}This attempt failed. In one or two sentences, "
        "say what went wrong in it and what to do differently next time. Do not solve the problem "
        "and do not give an answer.",
        system="You learn from failed attempts.",
    ),
    shots=(
        Shot(
            Brief(
                "Calculate 56 + 27 - 8.",
                (
                    Passage("solution", "56 + 27 = 73\n73 - 8 = 65\nAnswer: 65"),
                    Passage("evaluation", "It scored 0.00; 1 is right."),
                ),
            ),
            "I forgot to carry the one when I added the ones. Next time I add ones and tens apart "
            "and check each sum before I go on.",
        ),
    ),
)


@strategy(
    "reflexion",
    paper="Shinn et al. 2023, arXiv:2303.11366",
    calls="3 * trials - 1 at most (2 * trials - 1 with a grader or function as verifier)",
    pays="where the verifier is right about failures; with a grader it is an oracle's",
)
@dataclass(frozen=True)
class Reflexion:
    """Try again with lessons from the failures before.

    Args:
        trials: Attempts at most.
        threshold: The score from which an attempt counts as a success.
        memory: How many of this problem's lessons an attempt is shown at most.
        lessons: Where lessons are kept between problems; from Python only.
    """

    trials: int = 3
    threshold: float = 0.5
    memory: int = 3
    lessons: Lessons | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.trials < 1 or self.memory < 1:
            raise ConfigError(f"{self}: trials and memory are at least 1")
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"{self}: threshold is a score above 0 and at most 1")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the first success, or the best-scored attempt."""
        recalled = await self._recall(d)
        learned: list[Thought] = []
        failed: set[str] = set()
        best, best_score = None, 0.0
        for trial in range(1, self.trials + 1):
            shown = learned[-self.memory :]
            [attempt] = await d.ask(
                "generate",
                [d.problem, *shown],
                lessons=[*(one.text for one in recalled), *(lesson.text for lesson in shown)],
            )
            score = await d.verify(attempt)
            if best is None or (attempt.text and score >= best_score):
                best, best_score = attempt, score
            if score >= self.threshold:
                proven = {one.text for one in shown} - failed if _right(d, attempt) else set()
                await self._learn(d, learned, recalled, proven, attempt)
                return attempt
            failed.update(lesson.text for lesson in shown)
            if trial < self.trials and attempt.score is not None and attempt.text:
                learned += await self._reflect(d, attempt, score, shown)
        await self._learn(d, learned, recalled)
        assert best is not None  # there is at least one trial
        return best

    async def _reflect(
        self, d: Deliberation, attempt: Thought, score: float, shown: list[Thought]
    ) -> list[Thought]:
        work = [d.passage(attempt), Passage("evaluation", f"It scored {score:.2f}; 1 is right.")]
        earlier = [lesson.text for lesson in shown]
        [lesson] = await d.ask("reflect", [attempt], work=work, lessons=earlier, spec=REFLECT)
        return [lesson] if lesson.text.strip() else []

    async def _recall(self, d: Deliberation) -> list[Lesson]:
        if self.lessons is None:
            return []
        recalled = await self.lessons.recall(d.task)
        return [one for one in recalled if one.verified and one.problem != d.task.id]

    async def _learn(
        self,
        d: Deliberation,
        learned: list[Thought],
        recalled: list[Lesson],
        proven: Collection[str] = (),
        attempt: Thought | None = None,
    ) -> None:
        if self.lessons is None:
            return
        for lesson in learned:
            right = attempt if lesson.text in proven else None
            await self.lessons.learn(
                Lesson(
                    text=lesson.text,
                    problem=d.task.id,
                    prompt=d.task.prompt,
                    kind=d.task.kind,
                    verified=right is not None,
                    provenance=Provenance(
                        thought=lesson.id,
                        author=lesson.agent,
                        model="" if lesson.source is None else lesson.source.model,
                        grader="" if right is None else type(d.team.grader).__name__,
                        outcome="" if right is None else right.id,
                        derived_from=tuple(one.id for one in recalled),
                    ),
                )
            )


def _right(d: Deliberation, attempt: Thought) -> bool:
    return d.team.grader is not None and attempt.scores.get("grader") == 1.0
