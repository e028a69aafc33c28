"""What led to one thought, in the Agent Trajectory Interchange Format (ATIF, version 1.7).

ATIF is the format of the Harbor framework (its RFC 0001): a document is a row of steps of a user,
a system and an agent. A thought graph gives one document for each thought from which nothing else
was made but verdicts: the problem, then all that led there, parents before children, merges
included, each thought a step of one model call. What an earlier document of the same graph has had
is marked `is_copied_context`, so that nobody trains on it twice.

Beyond the format's own fields, `extra` of a step has the thought's id, kind, role, operation,
parents and scores. Left out: the messages of each prompt (`prompt_token_ids` has them where the
engine tells tokens), prices and times, which a graph does not hold.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Literal

import networkx as nx
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, model_validator

from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind

__all__ = ["Trajectory", "trajectories_of"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Metrics(_Part):
    """What a model call cost, and its tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_token_ids: tuple[int, ...] | None = None
    completion_token_ids: tuple[int, ...] | None = None
    logprobs: tuple[FiniteFloat, ...] | None = None


class Result(_Part):
    """What the environment said."""

    content: str


class Observation(_Part):
    """All that the environment said in one step."""

    results: tuple[Result, ...]


class AtifStep(_Part):
    """One turn."""

    step_id: int = Field(ge=1)
    source: Literal["system", "user", "agent"]
    message: str
    model_name: str | None = None
    reasoning_content: str | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    llm_call_count: int | None = Field(default=None, ge=0)
    is_copied_context: bool | None = None
    extra: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _only_agents_call_models(self) -> "AtifStep":
        of_agent = (self.model_name, self.reasoning_content, self.metrics)
        if self.source != "agent" and of_agent != (None, None, None):
            raise ValueError(f"step {self.step_id} is of the {self.source}, and no model call")
        if self.llm_call_count == 0 and (self.metrics or self.reasoning_content):
            raise ValueError(f"step {self.step_id} took no model call, and has metrics of one")
        return self


class AtifAgent(_Part):
    """Who acted."""

    name: str
    version: str


class FinalMetrics(_Part):
    """Sums over the steps."""

    total_prompt_tokens: int
    total_completion_tokens: int
    total_steps: int
    extra: dict[str, JsonValue] | None = None


class Trajectory(_Part):
    """A document of the format; write it with `model_dump_json(exclude_none=True)`."""

    schema_version: Literal["ATIF-v1.7"] = "ATIF-v1.7"
    session_id: str
    """The id of the problem."""
    trajectory_id: str
    """The id of the thought that it ends with."""
    agent: AtifAgent
    steps: tuple[AtifStep, ...] = Field(min_length=1)
    final_metrics: FinalMetrics
    extra: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _numbered(self) -> "Trajectory":
        for number, step in enumerate(self.steps, start=1):
            if step.step_id != number:
                raise ValueError(f"step {step.step_id} is in place {number}")
        return self


def trajectories_of(graph: ThoughtGraph, *, run: str = "") -> Iterator[Trajectory]:
    """Yield one document for each end of a graph.

    Args:
        graph: Graded, so that its ends say what they are worth.
        run: The key of its run, where a store keeps it: it stands in `extra`.
    """
    order = graph.in_order()
    told: set[str] = set()
    for end in order:
        if end.kind is ThoughtKind.PROBLEM or not _is_end(graph, end):
            continue
        before = nx.ancestors(graph, end.id) | {end.id}
        shown = [t for t in order if t.id in before or _judges(graph, t, before)]
        steps = [
            _step(graph, number, thought, copied=thought.id in told)
            for number, thought in enumerate(shown, start=1)
        ]
        told |= {thought.id for thought in shown if thought.id != graph.root.id}
        grade = end.scores.get("grader")
        metrics = [step.metrics for step in steps if step.metrics is not None]
        yield Trajectory(
            session_id=graph.problem.id,
            trajectory_id=end.id,
            agent=AtifAgent(name="cogitate", version=version("cogitate")),
            steps=tuple(steps),
            final_metrics=FinalMetrics(
                total_prompt_tokens=sum(one.prompt_tokens or 0 for one in metrics),
                total_completion_tokens=sum(one.completion_tokens or 0 for one in metrics),
                total_steps=len(steps),
                extra=None if grade is None else {"grade": grade},
            ),
            extra={"run": run} if run else None,
        )


def _is_end(graph: ThoughtGraph, thought: Thought) -> bool:
    """Whether nothing was made of a thought but verdicts; a verdict ends nothing but itself."""
    if thought.kind is ThoughtKind.VERDICT:
        return False
    return all(child.kind is ThoughtKind.VERDICT for child in graph.children(thought))


def _judges(graph: ThoughtGraph, thought: Thought, shown: set[str]) -> bool:
    """Whether a thought is a verdict on what is shown, and on nothing else."""
    return thought.kind is ThoughtKind.VERDICT and all(
        parent.id in shown for parent in graph.parents(thought)
    )


def _step(graph: ThoughtGraph, number: int, thought: Thought, *, copied: bool) -> AtifStep:
    relations = graph.pred[thought.id]
    extra: dict[str, JsonValue] = {
        "thought": thought.id,
        "kind": thought.kind.value,
        "agent": thought.agent,
        "role": thought.role,
        "operation": thought.operation,
        "parents": [[parent, data["relation"]] for parent, data in relations.items()],
        "scores": dict(thought.scores),
    }
    if thought.error:
        extra["error"] = thought.error
    if thought.id == graph.root.id:
        return AtifStep(step_id=number, source="user", message=thought.text, extra=extra)
    if thought.kind is ThoughtKind.TOOL:
        said = Observation(results=(Result(content=thought.text),))
        return AtifStep(
            step_id=number,
            source="system",
            message="",
            observation=said,
            is_copied_context=copied or None,
            extra=extra,
        )
    called = thought.source is not None
    return AtifStep(
        step_id=number,
        source="agent",
        message=thought.text,
        model_name=thought.source.model if thought.source else None,
        reasoning_content=(thought.reasoning or None) if called else None,
        metrics=_metrics(thought) if called else None,
        llm_call_count=int(called),
        is_copied_context=copied or None,
        extra=extra,
    )


def _metrics(thought: Thought) -> Metrics:
    """The format counts a prompt for each call, also where samples of one ask share theirs."""
    tokens = thought.tokens
    if tokens is None:
        return Metrics(
            prompt_tokens=thought.prompt_tokens,
            completion_tokens=thought.completion_tokens,
            logprobs=thought.logprobs,
        )
    return Metrics(
        prompt_tokens=len(tokens.prompt_ids),
        completion_tokens=len(tokens.token_ids),
        prompt_token_ids=tokens.prompt_ids,
        completion_token_ids=tokens.token_ids,
        logprobs=tokens.logprobs,
    )
