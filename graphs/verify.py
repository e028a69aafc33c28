"""Scoring a solution: by a grader, by a function, or by a model's own odds of yes against no.

Each scores a solution once and keeps the score on it under its own source. A verifier that fails is
recorded as the thought's error, scores 0 for the search, and leaves no score behind.
"""

import inspect
import math

from cogitate.agents import Agent, Brief, Passage
from cogitate.agents.team import VerifyFunction
from cogitate.errors import ConfigError, DataError, EngineError, GraderError
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.thought import Thought, ThoughtKind, position_of
from cogitate.inference import Engine, Request
from cogitate.tasks import Grader

__all__ = ["by_function", "by_grader", "by_logprob", "keep_score"]

_YES_NO = ("yes", "Yes", "no", "No")


async def by_grader(grader: Grader, graph: ThoughtGraph, solution: Thought) -> float:
    """Grade the answer that a solution marks; without one it is wrong."""
    if "grader" in solution.scores:
        return solution.scores["grader"]
    if solution.kind is ThoughtKind.STEP:
        raise ConfigError(
            "this strategy scores steps, and a grader scores finished solutions only: give the "
            "team another verifier (a Verifier, or a function of problem and text)"
        )
    if solution.answer is None:
        return keep_score(graph, solution, "grader", 0.0)
    try:
        grade = await grader.grade(graph.problem, solution.answer)
    except GraderError as error:
        return _failed(solution, error)
    return keep_score(graph, solution, "grader", grade.score)


async def by_function(function: VerifyFunction, graph: ThoughtGraph, solution: Thought) -> float:
    """Call a verifying function of the user's own, which may be async and may fail on one text."""
    if "function" in solution.scores:
        return solution.scores["function"]
    try:
        value = function(graph.problem, graph.text(solution))
        value = float(await value if inspect.isawaitable(value) else value)
    except Exception as error:
        return _failed(solution, error)
    return keep_score(graph, solution, "function", value)


async def by_logprob(agent: Agent, engine: Engine, graph: ThoughtGraph, solution: Thought) -> float:
    """Compare the probabilities of yes and no as the reply to "is the final answer right?"."""
    if "logprob" in solution.scores:
        return solution.scores["logprob"]
    problem = graph.thought(solution.about).text
    partial = solution.kind is ThoughtKind.STEP
    label = "partial solution" if partial else "solution"
    brief = Brief(problem, (Passage(label, graph.text(solution)),))
    try:
        messages, _ = agent.render("judge_step" if partial else "judge", brief, engine)
        request = Request(
            messages=messages,
            adapter=agent.adapter,
            role=agent.role,
            operation="judge",
            agent=agent.name,
            problem=graph.problem.id,
            position=position_of(graph.problem.id, (solution.id,), agent.name, "judge"),
        )
        scores = await engine.score(request, _YES_NO)
    except EngineError as error:
        return _failed(solution, error)
    lower_yes, upper_yes, lower_no, upper_no = (math.exp(score.logprob) for score in scores)
    yes, no = lower_yes + upper_yes, lower_no + upper_no
    return keep_score(graph, solution, "logprob", yes / (yes + no) if yes + no else 0.0)


def keep_score(graph: ThoughtGraph, solution: Thought, source: str, value: float) -> float:
    """Keep a score on a solution, unless its source has scored it already; return what is kept.

    Raises:
        DataError: The score does not lie in [0, 1].
    """
    if not 0 <= value <= 1:
        raise DataError(f"the verifier scored {value}: scores lie in [0, 1]")
    graph.score(solution, source, solution.scores.get(source, value))
    return solution.scores[source]


def _failed(solution: Thought, error: Exception) -> float:
    solution.error = f"{type(error).__name__}: {error}"
    return 0.0
