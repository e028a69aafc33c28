"""Scoring a thought: by a reward model, a judging model, a grader, a function, or any mix of them.

Each scores a thought once, and the score is kept on it under its own source:

    prm        a process reward model: of a step, or of a solution's steps reduced to one number
    orm        an outcome reward model
    logprob    a model's own odds of yes against no
    judge      the mean of a model's verdicts, which are thoughts of their own
    grader     a programmatic grader, of finished solutions only
    function   a function of the user's own

Where a team has several verifiers they are all asked at once. Each has a source of its own (two of
one kind are told apart as `prm:NAME`), and the mean of their scores, kept as `mean` where all gave
one, is what the search sees. A verifier that fails is recorded as the thought's error, leaves no
score and counts in no mean; where none gave a score, it is 0 for the search.
"""

import inspect
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from cogitate.agents import Agent, Brief, Passage, Verifier
from cogitate.agents.team import AnyVerifier, VerifyFunction, function_name
from cogitate.errors import CogitateError, ConfigError, DataError, EngineError, GraderError
from cogitate.graphs.chain import chain_of
from cogitate.graphs.gather import gather
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.inquiry import Inquiry
from cogitate.graphs.once import Once
from cogitate.graphs.thought import Thought, ThoughtKind, position_of
from cogitate.inference import Engine, EngineInfo, Message, Request
from cogitate.tasks import Grader

__all__ = ["Panel", "shown"]

_YES_NO = ("yes", "Yes", "no", "No")
_MEAN = "mean"
_NO_STEPS = (
    "this strategy scores steps, and a grader scores finished solutions only: give the team "
    "another verifier (a Verifier, or a function of problem and text)"
)


class _Unscored(CogitateError):
    """A verifier failed on one thought: the reason is kept there, and the search goes on."""


class _Seat(NamedTuple):
    """A verifier, ready to be asked."""

    source: str
    score: Callable[[Thought, int], Awaitable[float | None]]
    """Of a thought, by so many samples; None: it gave none."""
    steps: bool = True
    """It can score a step."""


class Panel:
    """All who verify in a team.

    Args:
        d: What asks the models that write verdicts, and holds the graph.
        engines: The engine of each agent, by the agent's name.

    Raises:
        ConfigError: The team has no verifier, or one whose method its engine cannot do.
    """

    def __init__(self, d: Inquiry, engines: Mapping[str, Engine]) -> None:
        self._graph = d.graph
        given: Sequence[AnyVerifier | Agent] = d.team.verifiers or (d.team.agent("verifier"),)
        seats = [_seat(verifier, d, engines) for verifier in given]
        counts = Counter(seat.source for seat in seats)
        self._seats = tuple(
            seat._replace(source=f"{seat.source}:{_name(verifier)}")
            if counts[seat.source] > 1
            else seat
            for verifier, seat in zip(given, seats, strict=True)
        )
        self._step_seats = tuple(seat for seat in self._seats if seat.steps)
        self._under_way: dict[str, Once[float]] = {}

    async def score(self, thought: Thought, samples: int) -> float:
        """Score a solution or a step, once at a time: 0 where no verifier gave a score."""
        once = self._under_way.setdefault(thought.id, Once())
        try:
            return await once.do(lambda: self._score(thought, samples))
        finally:
            if self._under_way.get(thought.id) is once:
                del self._under_way[thought.id]

    async def _score(self, thought: Thought, samples: int) -> float:
        seats = self._seats if thought.kind is not ThoughtKind.STEP else self._step_seats
        if len(seats) != 1:
            return await self._mean(seats, thought, samples)
        source, score, _ = seats[0]
        if source in thought.scores:
            return thought.scores[source]
        try:
            value = await score(thought, samples)
        except _Unscored as failure:
            thought.error = str(failure)
            return 0.0
        return 0.0 if value is None else _keep(self._graph, thought, source, value)

    async def _mean(self, seats: Sequence[_Seat], thought: Thought, samples: int) -> float:
        if not seats:
            raise ConfigError(_NO_STEPS)
        if _MEAN in thought.scores:
            return thought.scores[_MEAN]
        found: dict[str, float | None] = {}
        failures: dict[str, str] = {}

        async def ask(seat: _Seat) -> None:
            try:
                found[seat.source] = await seat.score(thought, samples)
            except _Unscored as failure:
                failures[seat.source] = str(failure)

        try:
            await gather(ask(seat) for seat in seats if seat.source not in thought.scores)
        finally:
            values = self._settle([seat.source for seat in seats], thought, found)
        if failures:
            thought.error = "; ".join(failures[s.source] for s in seats if s.source in failures)
        if not values:
            return 0.0
        mean = fmean(values)
        return _keep(self._graph, thought, _MEAN, mean) if len(values) == len(seats) else mean

    def _settle(
        self, sources: Sequence[str], thought: Thought, found: Mapping[str, float | None]
    ) -> list[float]:
        """Keep what was found, in the order of the team, and return what is kept of `sources`.

        A process model may have scored a step before, along with a later one: whether it did must
        not show in the order.
        """
        for source in sources:
            value = thought.scores.pop(source, found.get(source))
            if value is not None:
                _keep(self._graph, thought, source, value)
        return [thought.scores[source] for source in sources if source in thought.scores]


def _seat(verifier: AnyVerifier | Agent, d: Inquiry, engines: Mapping[str, Engine]) -> _Seat:
    graph = d.graph
    if isinstance(verifier, Agent):
        engine = engines[verifier.name]
        match _method(verifier, engine.info):
            case "reward" if isinstance(verifier, Verifier):
                source = "prm" if engine.info.rates == "process" else "orm"
                return _Seat(source, lambda t, _: by_reward(verifier, engine, graph, t, source))
            case "logprob":
                return _Seat("logprob", lambda t, _: by_logprob(verifier, engine, graph, t))
            case _:
                return _Seat("judge", lambda t, n: by_verdict(verifier, d, t, n))
    if isinstance(verifier, Grader):
        return _Seat("grader", lambda t, _: by_grader(verifier, graph, t), steps=False)
    return _Seat("function", lambda t, _: by_function(verifier, graph, t))


def _method(agent: Agent, info: EngineInfo) -> str:
    method = agent.method if isinstance(agent, Verifier) else "text"
    if method == "auto":
        return "reward" if info.rates else "logprob" if info.scores else "text"
    if method == "reward" and info.rates is None:
        raise ConfigError(
            f"{agent.name} shall rate, and {info.model} is not known as a reward model: download "
            "it first where it is one (`hf download NAME`), or leave method= out"
        )
    return method


def _name(verifier: AnyVerifier | Agent) -> str:
    if isinstance(verifier, Agent):
        return verifier.name
    return type(verifier).__name__ if isinstance(verifier, Grader) else function_name(verifier)


async def by_grader(grader: Grader, graph: ThoughtGraph, solution: Thought) -> float:
    """Grade the answer that a solution marks; without one it is wrong."""
    if solution.answer is None:
        return 0.0
    try:
        return (await grader.grade(graph.problem, solution.answer)).score
    except GraderError as error:
        raise _unscored(error) from error


async def by_function(function: VerifyFunction, graph: ThoughtGraph, thought: Thought) -> float:
    """Call a verifying function of the user's own, which may be async and may fail on one text."""
    try:
        value = function(graph.problem, graph.text(thought))
        return float(await value if inspect.isawaitable(value) else value)
    except Exception as error:
        raise _unscored(error) from error


async def by_logprob(agent: Agent, engine: Engine, graph: ThoughtGraph, thought: Thought) -> float:
    """Compare the probabilities of yes and no as the reply to "is the final answer right?"."""
    partial = thought.kind is ThoughtKind.STEP
    brief = Brief(graph.thought(thought.about).text, (shown(graph, thought),))
    try:
        messages, _ = agent.render("judge_step" if partial else "judge", brief, engine)
        scores = await engine.score(_request(agent, graph, thought, "judge", messages), _YES_NO)
    except EngineError as error:
        raise _unscored(error) from error
    lower_yes, upper_yes, lower_no, upper_no = (math.exp(score.logprob) for score in scores)
    yes, no = lower_yes + upper_yes, lower_no + upper_no
    return yes / (yes + no) if yes + no else 0.0


async def by_reward(
    agent: Verifier, engine: Engine, graph: ThoughtGraph, thought: Thought, source: str
) -> float:
    """Have a reward model rate a step with all that leads to it, or a solution in its steps.

    A process model rates the steps before it too: those that are thoughts keep their scores, and
    none of them is asked about again.
    """
    path, rest = chain = chain_of(graph, thought, agent.separator)
    process = engine.info.rates == "process"
    if process and not rest and all(source in step.scores for step in path):
        scores = [step.scores[source] for step in path]
    else:
        problem = Message("user", graph.thought(thought.about).text)
        request = _request(agent, graph, thought, "rate", (problem,))
        scores = await _rated(engine, request, chain.texts)
        if process:
            kept = [
                _keep(graph, step, source, score)
                for step, score in zip(path, scores, strict=False)  # the rest are no thoughts
            ]
            scores = kept + scores[len(path) :]
    return scores[-1] if thought.kind is ThoughtKind.STEP else _REDUCE[agent.reduce](scores)


async def _rated(engine: Engine, request: Request, steps: Sequence[str]) -> list[float]:
    try:
        scores = (await engine.rate(request, steps)).scores
    except EngineError as error:
        raise _unscored(error) from error
    expected = len(steps) if engine.info.rates == "process" else 1
    if len(scores) != expected:
        raise DataError(
            f"{engine.info.model} gave {len(scores)} scores where it owes {expected}: an engine's "
            "rate must give one for each step of a process model, and one of an outcome model"
        )
    return list(scores)


async def by_verdict(agent: Agent, d: Inquiry, thought: Thought, samples: int) -> float | None:
    """Have a model write verdicts, and average the scores that they give."""
    verdicts = await d.ask(
        "value",
        [thought],
        n=samples,
        work=[shown(d.graph, thought)],
        agent=agent.name,
        prompt="value_step" if thought.kind is ThoughtKind.STEP else "value",
    )
    given = [verdict.scores["judge"] for verdict in verdicts if "judge" in verdict.scores]
    return fmean(given) if given else None


def shown(graph: ThoughtGraph, thought: Thought) -> Passage:
    """A solution, or a step with all that leads to it, as another agent is shown it."""
    partial = thought.kind is ThoughtKind.STEP
    return Passage("partial solution" if partial else "solution", graph.text(thought))


def _request(
    agent: Agent,
    graph: ThoughtGraph,
    thought: Thought,
    operation: str,
    messages: tuple[Message, ...],
) -> Request:
    return Request(
        messages=messages,
        adapter=agent.adapter,
        role=agent.role,
        operation=operation,
        agent=agent.name,
        problem=graph.problem.id,
        position=position_of(graph.problem.id, (thought.id,), agent.name, operation),
    )


def _keep(graph: ThoughtGraph, thought: Thought, source: str, value: float) -> float:
    """Keep a score on a thought, unless its source has scored it already; return what is kept.

    Raises:
        DataError: The score does not lie in [0, 1].
    """
    if not 0 <= value <= 1:
        raise DataError(f"the verifier scored {value}: scores lie in [0, 1]")
    graph.score(thought, source, thought.scores.get(source, value))
    return thought.scores[source]


def _unscored(error: Exception) -> _Unscored:
    return _Unscored(f"{type(error).__name__}: {error}")


_REDUCE: Mapping[str, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1],
    "min": min,
    "product": math.prod,
    "mean": fmean,
}
