"""Graphs as a grader sees them here and now: the outcomes that credit and rows rest on.

Every solution of the whole problem is graded by its problem's own grader, whatever a model thought
of it. A grade that stands on a thought already is a claim: where it differs, or cannot be checked,
that solution has no outcome at all, and `disputed` or `undecided` is counted. The answer of a
thought is a claim as well, for it is the text that is trained: it is `disputed` where the text does
not say it, or marks one that is graded otherwise.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Literal, NamedTuple

from cogitate.errors import ConfigError, GraderError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind, gather
from cogitate.graphs.solve import wait_for
from cogitate.tasks import Problem, extract_answer, grader_for
from cogitate.training.held_back import held_back

__all__ = ["Graded", "Judge", "Unfit", "check_fit"]

Unfit = Literal["refuse", "drop"]
"""What becomes of problems that nothing may be trained on, and of those without a reference."""

Wait = Callable[[Coroutine[None, None, list[float | None]]], list[float | None]]

_MEMORY = 65_536
"""Grades that are remembered: several kinds of rows are made of the same episodes."""


class Graded(NamedTuple):
    """A graph of which every solution has a grade or a reason for having none."""

    graph: ThoughtGraph
    """Its `grader` scores are those that were found here; no others are left."""
    faults: dict[str, str]
    """By the id of a solution of the whole problem: `failed`, `undecided` or `disputed`."""

    def solutions(self) -> list[Thought]:
        """All solutions of the whole problem, graded or not, in an order that the graph decides."""
        found = set(_solutions(self.graph))
        return [thought for thought in self.graph.in_order() if thought in found]


class Judge:
    """Grades graphs, each distinct answer to a problem once.

    Args:
        regrade: False: take a score of source `grader` that stands on a solution for its grade,
            as in a store whose runs were graded; grade the others.
    """

    def __init__(self, *, regrade: bool = True) -> None:
        self.regrade = regrade
        self._known: dict[tuple[str, str], float | None] = {}

    def __call__(
        self, graph: ThoughtGraph, counts: Counter[str], *, wait: Wait = wait_for
    ) -> Graded:
        """Grade the solutions of a graph and write the grades on them.

        Args:
            graph: A finished graph.
            counts: Of faults.
            wait: Runs what grades to its end.

        Raises:
            ConfigError: The grader cannot work: something must be installed or changed.
        """
        faults: dict[str, str] = {}
        found: dict[str, float] = {}
        solutions = _solutions(graph)
        open_ = [t for t in solutions if t.text and (self.regrade or "grader" not in t.scores)]
        answers = {thought.id: _answers(graph, thought) for thought in open_}
        different = {a for several in answers.values() for a in several if a is not None}
        self._grade(graph, different, wait)
        for thought in solutions:
            claimed = thought.scores.get("grader")
            if not thought.text:
                faults[thought.id] = "failed"
            elif not self.regrade and claimed is not None:
                found[thought.id] = claimed
            elif isinstance(outcome := self._outcome(graph, thought, answers[thought.id]), str):
                faults[thought.id] = outcome
            else:
                found[thought.id] = outcome
        for fault in faults.values():
            counts[fault] += 1
        claims = [name for name in faults if "grader" in graph.thought(name).scores]
        if claims:  # scores are append-only, so the graph that was given keeps its claims
            graph = graph.copy()
            for name in claims:
                del graph.thought(name).scores["grader"]
        for name, score in found.items():
            graph.score(graph.thought(name), "grader", score)
        return Graded(graph, faults)

    def _outcome(
        self, graph: ThoughtGraph, thought: Thought, answers: set[str | None]
    ) -> float | str:
        """Return the grade of a thought, or why it has none."""
        scores = {0.0 if answer is None else self._known[_key(graph, answer)] for answer in answers}
        if None in scores:
            return "undecided"
        score, *others = scores
        claimed = thought.scores.get("grader", score)
        said = len(answers) == 1 or _says(thought)
        return "disputed" if others or score is None or claimed != score or not said else score

    def _grade(self, graph: ThoughtGraph, answers: Iterable[str], wait: Wait) -> None:
        """Grade each answer that is not known yet, all at the same time."""
        answers = sorted(set(answers))
        if len(self._known) + len(answers) > _MEMORY:
            self._known.clear()
        new = [answer for answer in answers if _key(graph, answer) not in self._known]
        if new:
            for answer, score in zip(new, wait(_grades(graph.problem, new)), strict=True):
                self._known[_key(graph, answer)] = score


def check_fit(problem: Problem, policy: Unfit, counts: Counter[str], *, graded: bool) -> bool:
    """Whether rows are made of a problem; one that is dropped is counted.

    Args:
        problem: What was thought about.
        policy: Whether one that is not fit ends the harvest or is left out.
        counts: Of what was left out.
        graded: Whether the rows need grades.

    Raises:
        ConfigError: It is not fit, and the policy is to refuse.
    """
    reason = held_back(problem)
    if reason is None and (problem.reference is not None or not graded):
        return True
    if policy == "refuse":
        if reason is not None:
            raise ConfigError(f"problem {problem.id!r}: {reason}: train on other problems")
        raise ConfigError(f"problem {problem.id!r} has no reference answer to verify replies with")
    counts["no reference" if reason is None else "held back"] += 1
    return False


def _answers(graph: ThoughtGraph, thought: Thought) -> set[str | None]:
    """The answer of a thought, and what its text marks in the usual way: one, if all is well."""
    marked = extract_answer(thought.text, kind=graph.problem.kind)
    if marked is None and thought.answer is not None and _says(thought):
        return {thought.answer}  # a parser of its own found it there
    return {thought.answer, marked}


def _says(thought: Thought) -> bool:
    """Whether the answer of a thought stands in its text."""
    return thought.answer is not None and _bare(thought.answer) in _bare(thought.text)


def _bare(text: str) -> str:
    return "".join(text.split())


def _key(graph: ThoughtGraph, answer: str) -> tuple[str, str]:
    return graph.graph["problem"], answer


def _solutions(graph: ThoughtGraph) -> list[Thought]:
    return [thought for thought in graph.thoughts(ThoughtKind.SOLUTION) if graph.whole(thought)]


async def _grades(problem: Problem, answers: list[str]) -> list[float | None]:
    """None where the grader could not decide."""
    grader = grader_for(problem)

    async def grade(answer: str) -> float | None:
        try:
            return (await grader.grade(problem, answer)).score
        except GraderError:
            return None

    return await gather(map(grade, answers))
