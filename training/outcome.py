"""What one problem of an evaluation came to, without its graph: a line of a results file."""

from pydantic import BaseModel, ConfigDict, FiniteFloat

from cogitate.graphs import Episode
from cogitate.inference import Usage
from cogitate.tasks import has_answer_line

__all__ = ["Outcome"]


class Outcome(BaseModel):
    """What an episode came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    """Its id."""
    reply: str | None
    """The text of the final thought; None where no model wrote one."""
    answer: str | None
    score: FiniteFloat | None
    """In [0, 1]; None where there is no grade."""
    reason: str = ""
    """What the grader compared."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    calls: int
    money: FiniteFloat
    stopped: str | None
    """The limit of the budget that was met first."""
    errors: tuple[str, ...]
    """Failed calls, a failed strategy, an answer that no grader could decide."""
    seconds: FiniteFloat

    @property
    def correct(self) -> bool:
        """Whether the answer is right, wholly."""
        return self.score == 1.0

    @property
    def formatted(self) -> bool:
        """Whether the final reply has a line `Answer: ...` that says something."""
        return self.reply is not None and has_answer_line(self.reply)

    @classmethod
    def of(cls, episode: Episode) -> "Outcome":
        """Return what an episode came to."""
        result, grade = episode.result, episode.grade
        usage = Usage(calls=0) if result is None else result.usage
        thought = None if result is None else result.thought
        own = (episode.error,) if episode.error else ()
        return cls(
            problem=episode.problem.id,
            reply=None if thought is None else thought.text,
            answer=None if result is None else result.answer,
            score=None if grade is None else grade.score,
            reason="" if grade is None else grade.reason,
            prompt_tokens=usage.prompt,
            cached_tokens=usage.cached,
            completion_tokens=usage.completion,
            calls=usage.calls,
            money=usage.money,
            stopped=None if result is None else result.stopped,
            errors=(*own, *(() if result is None else result.errors)),
            seconds=0.0 if result is None else result.seconds,
        )
