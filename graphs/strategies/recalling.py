"""Any strategy, with what was learned on similar problems in its prompts.

Recall on similar problems is Reflexion's memory (Shinn et al. 2023, arXiv:2303.11366) kept apart
from Reflexion's loop. Lessons stand in every prompt of a generator that has a place for them;
solved problems come before the worked examples of the problem's own set, as far as the agent shows
any (`Agent.examples`). What is left out: learning. Who grades keeps what was proven.
"""

from dataclasses import dataclass

from cogitate.agents import Examples, Lessons
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.strategy import Strategy
from cogitate.graphs.thought import Thought
from cogitate.tasks import Example
from cogitate.tasks.held_back import same_text

__all__ = ["Recalling"]


@dataclass(frozen=True)
class Recalling:
    """Think as `strategy` does, with what was learned before.

    Args:
        strategy: How to think.
        lessons: Whose verified lessons the prompts show; None: no lessons.
        examples: Whose solved problems they show; None: none but those of the problem's set.
    """

    strategy: Strategy
    lessons: Lessons | None = None
    examples: Examples | None = None

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Recall, then think."""
        lessons: list[str] = []
        solved: list[Example] = []
        here = same_text(d.task.prompt)
        if self.lessons is not None:
            recalled = await self.lessons.recall(d.task)
            lessons = [o.text for o in recalled if o.verified and same_text(o.prompt) != here]
        if self.examples is not None:
            found = await self.examples.examples(d.task)
            solved = [one for one in found if same_text(one.prompt) != here]
        if not lessons and not solved:
            return await self.strategy(d)
        return await self.strategy(d.about(d.problem, lessons=lessons, examples=solved))
