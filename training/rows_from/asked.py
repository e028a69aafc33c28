"""What a thought was asked and what it said, as a row has them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from cogitate.graphs import Source, Thought, ThoughtGraph, ThoughtKind, Tokens
from cogitate.inference import Message
from cogitate.tasks import Problem
from cogitate.training.credit.record import Credit, Origin
from cogitate.training.rows import Reply

__all__ = ["Asked", "Credits", "PromptForm", "Worth", "asked", "reply", "said", "without_examples"]

PromptForm = Literal["sampled", "zero-shot"]
"""Which prompt a reply is trained on: the one it was sampled from, or the same without its worked
examples, so that the model learns to do without them."""


class Worth(NamedTuple):
    """What a credit method says of a thought, in the one number that a row has."""

    value: float
    positive: bool | None
    """Worth imitating; None where the method does not say."""
    measure: str
    origin: Origin

    @classmethod
    def of(cls, credits: list[Credit]) -> "Worth":
        """Put a thought's credits together: the mean, where it is part of several trajectories.

        An advantage is worth imitating above 0, where the thought is better than its siblings; at 0
        it says nothing, for they may all be right.
        """
        first = credits[0]
        value = sum(credit.value for credit in credits) / len(credits)
        positive = first.positive
        if first.measure == "advantage":
            positive = None if value == 0 else value > 0
        return cls(value, positive, first.measure, first.origin)


class Credits(NamedTuple):
    """A graded graph with its credit."""

    problem: Problem
    graph: ThoughtGraph
    worth: Mapping[str, Worth]
    """By the id of a thought; a thought without credit is not there."""
    prompt: PromptForm = "sampled"
    run: str = ""
    """The key of its run, where a store keeps it."""


class Asked(NamedTuple):
    """The prompt of a row."""

    messages: tuple[Message, ...]
    prefix: str
    ids: tuple[int, ...] | None


def asked(credits: Credits, thought: Thought) -> Asked | None:
    """Return the prompt of a thought, or None for one that no model was asked for."""
    messages = thought.prompt
    if not messages:
        return None
    trained = messages if credits.prompt == "sampled" else without_examples(messages)
    ids = thought.tokens.prompt_ids if thought.tokens and trained == messages else None
    return Asked(trained, _prefix(credits.graph, thought), ids)


def _prefix(graph: ThoughtGraph, thought: Thought) -> str:
    """The beginning of the reply; that of a step is the steps before it."""
    if thought.kind is not ThoughtKind.STEP:
        return thought.prefix
    return "".join(step.text for step in graph.path(thought)[:-1])


def said(thought: Thought) -> str:
    """What a thought adds to its prefix."""
    return thought.text.removeprefix(thought.prefix)


def reply(thought: Thought, value: float) -> Reply:
    """Return what a thought said, as one of several replies."""
    tokens = thought.tokens
    return Reply(
        thought=thought.id,
        completion=said(thought),
        completion_ids=None if tokens is None else tokens.token_ids,
        logprobs=_logprobs(tokens),
        source=thought.source or Source(""),
        value=value,
    )


def _logprobs(tokens: Tokens | None) -> tuple[float, ...] | None:
    return None if tokens is None else tokens.logprobs


def without_examples(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the system message, where there is one, and the last user message.

    Example:
        >>> turns = (Message("system", "s"), Message("user", "1 + 1?"), Message("assistant", "2"))
        >>> [turn.content for turn in without_examples((*turns, Message("user", "2 + 2?")))]
        ['s', '2 + 2?']
    """
    last = max((i for i, turn in enumerate(messages) if turn.role == "user"), default=None)
    system = tuple(turn for turn in messages if turn.role == "system")
    return messages if last is None else (*system, messages[last])
