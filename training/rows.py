"""What training rows hold: a prompt, what was said, and the thoughts that both come from.

A row keeps tokens exactly as they were sampled, so that trained tokens are those that were judged,
and the ids of its thoughts, its problem and its run, so that each can be traced to the graph in
which it was thought.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.training.credit.record import Origin

__all__ = [
    "KTORow",
    "PreferenceRow",
    "PromptRow",
    "RankedRow",
    "Reply",
    "Row",
    "SFTRow",
    "Step",
    "StepRow",
    "TokenId",
]

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
"""What fits a trainer's tensors, and every vocabulary."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reply(_Record):
    """What one thought said after a prompt."""

    thought: str
    """Its id in the graph of its problem."""
    completion: str
    """Without the prefix that it continued."""
    completion_ids: tuple[TokenId, ...] | None = None
    """Exactly as sampled, end token included; None where the engine does not tell tokens."""
    logprobs: tuple[FiniteFloat, ...] | None = None
    """One for each of `completion_ids`, at the sampling temperature."""
    source: Source
    """Which weights wrote it."""
    value: FiniteFloat
    """What it is worth: a grade, or the credit that the row's method gave."""


class Row(_Record):
    """What rows of every kind say of where they come from."""

    problem: str
    """The id of its problem."""
    run: str = ""
    """The key of its run in a store, and empty where there is none. The id of a thought says where
    it stands: two runs may have other thoughts of one id."""
    question: str
    """The text of its problem: rows of one text are of one problem, whatever the ids."""
    role: str
    agent: str
    operation: str
    messages: tuple[Message, ...]
    """The prompt that is trained."""
    prefix: str = ""
    """The beginning of the reply, where one was given: part of the prompt."""
    prompt_ids: tuple[TokenId, ...] | None = None
    """As the model saw them; None where they are unknown, or where `messages` are not the prompt
    that was sampled from: then they come from the chat template."""
    credit: Origin | None = None
    """Which method says what its replies are worth; None where that is the grade alone."""


class SFTRow(Row):
    """One reply that is worth imitating."""

    thought: str
    """The id of its thought in the graph of that problem."""
    completion: str
    completion_ids: tuple[TokenId, ...] | None = None
    """Exactly as sampled, end token included; None where the engine does not tell tokens."""
    logprobs: tuple[FiniteFloat, ...] | None = None
    """One for each of `completion_ids`, at the sampling temperature."""
    source: Source
    """Which weights wrote it."""
    grade: FiniteFloat
    """What the grader gave, in [0, 1], or what `credit` says that it is worth."""


class PreferenceRow(Row):
    """Two replies to one prompt, with all parents in common, of which one is better."""

    parents: tuple[str, ...]
    """The ids of the thoughts that both have as parents."""
    chosen: Reply
    rejected: Reply


class RankedRow(Row):
    """Several replies to one prompt, as far as they are ranked."""

    parents: tuple[str, ...]
    replies: tuple[Reply, ...] = Field(min_length=2)
    ranks: tuple[Annotated[int, Field(ge=1, lt=2**31)] | None, ...]
    """1 is best, equal ranks are a tie, None: below all that are ranked, in no order."""


class KTORow(Row):
    """One reply that is wanted or not wanted."""

    reply: Reply
    wanted: bool


class Step(_Record):
    """One step of a solution."""

    thought: str
    text: str
    ids: tuple[TokenId, ...] | None = None
    """Exactly as sampled."""
    label: FiniteFloat | None
    """How right it is, in [0, 1]; None where nothing is known of it."""


class StepRow(Row):
    """A solution in steps; a process reward model learns their labels."""

    steps: tuple[Step, ...] = Field(min_length=1)
    grade: FiniteFloat | None = None
    """What the grader gave to the whole."""


class PromptRow(Row):
    """Where an episode of reinforcement learning begins: a problem, or any thought of its graph."""

    thought: str
    """The id of the thought that `prefix` ends with; of the problem where that is empty."""
    reference: str | None
    """The right answer, for the grader."""
    kind: str
    """The kind of problem, which chooses the grader."""
    began: Literal["problem", "right", "wrong", "unknown"] = "problem"
    """Whether the trajectory that was backed up had ended right."""
    prefix_ids: tuple[TokenId, ...] | None = None
    """The tokens of `prefix` exactly as sampled; None where they are unknown or were added to."""
