"""An episode: one problem of a run, what was thought about it, and how the answer was graded."""

from dataclasses import dataclass, replace

from cogitate.errors import ConfigError
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.solve import Result
from cogitate.tasks import Grade, Problem, grader_for

__all__ = ["Episode", "graded"]


@dataclass(frozen=True, slots=True)
class Episode:
    """One problem of a run: what was thought, and how the answer was graded."""

    problem: Problem
    result: Result | None
    """None where the strategy itself failed."""
    grade: Grade | None
    """None where the problem has no reference answer or its grader could not decide."""
    error: str = ""
    """Why there is no result or no grade."""

    @property
    def graph(self) -> ThoughtGraph:
        """The thought graph; empty but for the problem where the strategy failed."""
        return ThoughtGraph.of(self.problem) if self.result is None else self.result.graph

    @property
    def correct(self) -> bool:
        """Whether the answer is wholly right."""
        return self.grade is not None and self.grade.correct


async def graded(episode: Episode) -> Episode:
    """Return the episode with its answer graded by its problem's own grader."""
    if episode.result is None or episode.problem.reference is None:
        return episode
    answer = episode.result.answer
    if answer is None:
        return replace(episode, grade=Grade(score=0.0, reason="no answer was marked"))
    try:
        found = await grader_for(episode.problem).grade(episode.problem, answer)
    except ConfigError:
        raise
    except Exception as error:  # a grader must not fail; one that does costs one problem
        return replace(episode, error=f"{type(error).__name__}: {error}")
    return replace(episode, grade=found)
