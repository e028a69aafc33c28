"""One thought: a node of the thought graph.

A thought is its node's attribute mapping, so `graph.nodes[id]` *is* the thought, and every networkx
exporter and drawing sees its plain values. It holds nothing that depends on the clock or on how
engines batched, so equal runs have equal thoughts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from statistics import fmean
from typing import NamedTuple

from cogitate.inference import Message

__all__ = ["Link", "Relation", "Source", "Thought", "ThoughtKind", "Tokens", "position_of"]


class ThoughtKind(StrEnum):
    """What a thought is."""

    PROBLEM = "problem"
    STEP = "step"
    SOLUTION = "solution"
    CRITIQUE = "critique"
    VERDICT = "verdict"
    LESSON = "lesson"
    TOOL = "tool"


class Relation(StrEnum):
    """What the later thought of an edge does with the earlier one."""

    GENERATES = "generates"
    CONTINUES = "continues"
    CRITIQUES = "critiques"
    VERIFIES = "verifies"
    REFINES = "refines"
    AGGREGATES = "aggregates"
    REFLECTS = "reflects"
    EXPLORES = "explores"
    RESTARTS = "restarts"
    POLISHES = "polishes"


class Source(NamedTuple):
    """Which weights wrote a thought."""

    model: str
    revision: str = ""
    adapter: str | None = None
    adapter_revision: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a thought, exactly as the model saw and sampled them."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None = None
    """One for each of `token_ids`, at the sampling temperature."""


_NO_XML = dict.fromkeys(
    (c for c in (*range(32), 0xFFFE, 0xFFFF) if chr(c) not in "\t\n\r"), "\ufffd"
)


def position_of(problem: str, parents: tuple[str, ...], agent: str, operation: str) -> str:
    """Name the place where the samples of one ask stand: 16 hexadecimal digits.

    Args:
        problem: The id of the problem.
        parents: The ids of the parents, in order.
        agent: The agent's name.
        operation: What it is asked to do.
    """
    place = "\x1f".join((problem, agent, operation, *parents))
    return blake2b(place.encode(), digest_size=8).hexdigest()


@dataclass(slots=True, eq=False)
class Thought(Mapping[str, str | int | float | bool]):
    """A node of the thought graph. Read its fields; only verifiers add to one that stands there.

    As a mapping it gives the plain values that networkx exporters write: flat, without None, and
    with control characters (which no XML format can hold) as U+FFFD.
    """

    id: str
    """`position.sample`: where the thought stands in the graph, not when it came."""
    kind: ThoughtKind
    text: str
    """What was written, without a reasoning block."""
    agent: str = ""
    role: str = ""
    operation: str = ""
    about: str = ""
    """The id of the problem thought it works on."""
    answer: str | None = None
    """The final answer that a solution marks."""
    accepts: bool | None = None
    """Whether a critique accepts; None where it did not say."""
    scores: dict[str, float] = field(default_factory=dict)
    """By source: `grader`, `judge`, `logprob`, `function`, `prm` ... Append only."""
    reasoning: str = ""
    """The model's reasoning block."""
    finish: str = "stop"
    """`length`: it was cut at the token limit."""
    error: str = ""
    """Why there is no text (the engine failed) or no score (the verifier failed)."""
    dropped: int = 0
    """Worked examples and passages left out of its prompt to fit the context."""
    prompt: tuple[Message, ...] | None = None
    """The messages that asked for it."""
    prefix: str = ""
    """The beginning of the reply that was given and continued; `text` includes it."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    source: Source | None = None
    tokens: Tokens | None = None
    """None where the engine does not tell tokens; such thoughts cannot train by RL."""
    logprobs_alone: tuple[float, ...] | None = None
    """Log-probabilities of tokens of which the engine tells nothing else."""

    @property
    def sample(self) -> int:
        """Its number among the samples at its position."""
        return int(self.id.rpartition(".")[2] or 0)

    @property
    def score(self) -> float | None:
        """The score of the most trusted source: a grader, then what was added last."""
        if not self.scores:
            return None
        return self.scores.get("grader", next(reversed(self.scores.values())))

    @property
    def logprobs(self) -> tuple[float, ...] | None:
        """The log-probability of each of its tokens, or None where they are unknown."""
        return self.logprobs_alone if self.tokens is None else self.tokens.logprobs

    @property
    def logprob(self) -> float | None:
        """Mean log-probability of its tokens, or None where it is unknown."""
        logprobs = self.logprobs
        return fmean(logprobs) if logprobs else None

    def _plain(self) -> dict[str, str | int | float | bool]:
        values: dict[str, str | int | float | bool | None] = {
            "kind": str(self.kind),
            "text": self.text.translate(_NO_XML),
            "agent": self.agent,
            "role": self.role,
            "operation": self.operation,
            "answer": None if self.answer is None else self.answer.translate(_NO_XML),
            "accepts": self.accepts,
            "error": self.error.translate(_NO_XML) or None,
            "completion_tokens": self.completion_tokens,
            **{f"score_{source}": score for source, score in self.scores.items()},
        }
        return {name: value for name, value in values.items() if value is not None}

    def copy(self) -> dict[str, str | int | float | bool]:
        """Return its plain values: what a plain networkx copy of the graph holds."""
        return self._plain()

    def __getitem__(self, name: str) -> str | int | float | bool:
        return self._plain()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain())

    def __len__(self) -> int:
        return len(self._plain())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)


class Link(NamedTuple):
    """An edge of the graph."""

    parent: Thought
    child: Thought
    relation: Relation
