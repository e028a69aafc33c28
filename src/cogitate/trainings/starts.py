"""Where a training that samples begins its episodes: problems, or rows of starts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cogitate.agents import Brief, Generator
from cogitate.graphs.solve import wait_for
from cogitate.inference import Engines, Message
from cogitate.tasks import Problem, load
from cogitate.training.judge import check_fit
from cogitate.training.restarts import choose_starts
from cogitate.training.rows import PromptRow
from cogitate.training.rows_from import problem_starts
from cogitate.trainings.told import of_kind

__all__ = ["Starts", "messages_of", "starts_of"]


class Starts(NamedTuple):
    """Where episodes begin."""

    rows: list[PromptRow]
    problems: dict[str, Problem]
    """By id, where they are known: a grader may need more than a reference answer."""

    def known(self) -> Iterator[Problem]:
        """Each problem that episodes begin at, once, with all that is known of it."""
        for row in {row.problem: row for row in self.rows}.values():
            yield self.problems.get(row.problem) or Problem(
                id=row.problem, prompt=row.question, reference=row.reference, kind=row.kind
            )


def starts_of(problems: str | None, rows: Sequence[str], *, role: str, seed: int) -> Starts:
    """Read problems, and draw from rows of starts as `choose_starts` does.

    Args:
        problems: As for `cogitate eval`.
        rows: Folders that `cogitate harvest --kind prompts` wrote.
        role: Whose words are trained.
        seed: Of the draw.

    Raises:
        ConfigError: There is no such set or folder, other rows, or a problem that is held back.
    """
    known = {} if problems is None else {one.id: one for one in load(problems)}
    found = problem_starts(known.values(), role=role)
    found += choose_starts(of_kind(rows, PromptRow), seed=seed).rows
    for row in found:
        problem = Problem(id=row.problem, prompt=row.question, kind=row.kind)
        check_fit(problem, "refuse", Counter(), graded=False)
    return Starts(found, known)


def messages_of(starts: Sequence[PromptRow], base: str) -> list[PromptRow]:
    """Return starts that say their prompt: that with which a generator asks for a solution.

    Args:
        starts: Some may say theirs already.
        base: The model that is asked: examples would not fit every one, so it gets none.
    """
    name = base if "/" in base and base.startswith("hf/") else f"hf/{base}"
    agent, engines = Generator(name, examples=0), Engines()

    def prompt(start: PromptRow) -> tuple[Message, ...]:
        return agent.render("generate", Brief(start.question), engines.open(name)).messages

    try:
        return [
            one if one.messages else one.model_copy(update={"messages": prompt(one)})
            for one in starts
        ]
    finally:
        wait_for(engines.close())
