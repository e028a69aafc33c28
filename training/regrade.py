"""What a solution is worth, as a grader sees it here and now: what alone pays, promotes or trains.

A score of source `grader` that stands on a thought is a claim, for a graph may come from anywhere:
where the grader says otherwise, or cannot tell, the solution has no outcome. Its answer is a claim
as well, for it is the text that is trained or paid for: there is no outcome where the text does not
say it, or marks one that is graded otherwise. So whatever needs an outcome asks here, and nothing
else reads what stands on thoughts that were not graded here.

Left out: the reference answer of a problem is believed. Who imports graphs of others must know
their problems.
"""

from collections.abc import Iterable
from enum import StrEnum

from cogitate.errors import GraderError
from cogitate.graphs import Thought, ThoughtGraph, gather
from cogitate.graphs.coat_text import parse_coat
from cogitate.graphs.once import Once
from cogitate.tasks import Grader, Problem, extract_answer, grader_for

__all__ = ["Fault", "Grades", "Said", "said_by"]

Said = frozenset[str | None]
"""The answer of a thought and what its text marks in the usual way: one, if all is well."""


class Fault(StrEnum):
    """Why a solution has no outcome."""

    FAILED = "failed"
    """There is no reply."""
    UNDECIDED = "undecided"
    """The grader could not tell."""
    DISPUTED = "disputed"
    """It claims a grade or an answer that it has not."""


class Grades:
    """What a grader says of answers: each is graded once, whoever asks, also at the same time.

    Args:
        grader: Each problem's own by default.
    """

    def __init__(self, grader: Grader | None = None) -> None:
        self._grader = grader
        self._known: dict[tuple[str, str], float | None] = {}
        self._asked: dict[tuple[str, str], Once[float | None]] = {}

    def __len__(self) -> int:
        """How many grades are remembered."""
        return len(self._known)

    def unknown(self, graph: ThoughtGraph, said: Iterable[Said]) -> list[str]:
        """Return the answers that are not graded yet."""
        answers = {answer for several in said for answer in several if answer is not None}
        return sorted(answer for answer in answers if _key(graph, answer) not in self._known)

    async def ask(self, graph: ThoughtGraph, answers: Iterable[str]) -> None:
        """Have answers to a graph's problem graded, all at the same time.

        Raises:
            ConfigError: The grader cannot work: something must be installed or changed.
        """
        problem = graph.problem
        grader = self._grader or grader_for(problem)
        await gather(self._ask(_key(graph, one), grader, problem, one) for one in answers)

    def outcome(self, graph: ThoughtGraph, thought: Thought, said: Said) -> float | Fault:
        """Return the grade of a solution of the whole problem, in [0, 1], or why it has none.

        Args:
            graph: Where it stands.
            thought: A reply that did not fail; an empty one is wrong.
            said: Its answers (see `said_by`), which have been asked about.
        """
        scores = {0.0 if answer is None else self._known[_key(graph, answer)] for answer in said}
        if None in scores:
            return Fault.UNDECIDED
        score, *others = scores
        claimed = score if self._grader else thought.scores.get("grader", score)
        honest = len(said) == 1 or _says(thought)
        return (
            Fault.DISPUTED if others or score is None or claimed != score or not honest else score
        )

    async def _ask(
        self, key: tuple[str, str], grader: Grader, problem: Problem, answer: str
    ) -> None:
        once = self._asked.setdefault(key, Once())
        try:
            self._known[key] = await once.do(lambda: _grade(grader, problem, answer))
        finally:
            if self._asked.get(key) is once:
                del self._asked[key]


def said_by(graph: ThoughtGraph, thought: Thought) -> Said:
    """Return what a thought gives for its answer, and what its text marks."""
    text = thought.text
    if "<|" in text:  # Satori's tokens are no part of an answer
        text = "\n".join(action.text.strip("\n") for action in parse_coat(text))
    marked = extract_answer(text, kind=graph.problem.kind)
    if marked is None and thought.answer is not None and _says(thought):
        return frozenset({thought.answer})  # a parser of its own found it there
    return frozenset({thought.answer, marked})


def _says(thought: Thought) -> bool:
    """Whether the answer of a thought stands in its text."""
    return thought.answer is not None and _bare(thought.answer) in _bare(thought.text)


def _bare(text: str) -> str:
    return "".join(text.split())


def _key(graph: ThoughtGraph, answer: str) -> tuple[str, str]:
    return graph.graph["problem"], answer


async def _grade(grader: Grader, problem: Problem, answer: str) -> float | None:
    """None where the grader could not decide."""
    try:
        return (await grader.grade(problem, answer)).score
    except GraderError:
        return None
