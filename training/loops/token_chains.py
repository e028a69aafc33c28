"""Several chains of one problem in one graph: siblings to compare, and states to restart from."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from cogitate.graphs import Deliberation, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.coat_text import CHAIN, Action, Meta, parse_coat
from cogitate.graphs.strategies.coat import COAT, read_chain
from cogitate.tasks import extract_answer
from cogitate.training.intervals import Interval, wilson

__all__ = ["ChainForms", "TokenChains", "forms_of", "is_formed"]

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class TokenChains:
    """Ask a model that was tuned on the tokens for n chains, and let them vote."""

    n: int = 8

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the majority's chain, or the first where none has an answer."""
        replies = await d.ask(CHAIN, [d.problem], spec=COAT, n=self.n)
        chains = [read_chain(d, reply) for reply in replies]
        return (await d.vote(chains)).winner or chains[0]


class ChainForms(BaseModel):
    """How many of a model's replies are chains, and what these do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replies: int = Field(ge=0)
    """All of them, those that failed too."""
    formed: int = Field(ge=0)
    """Those that are chains (see `is_formed`)."""
    reflecting: int = Field(ge=0)
    """Of these, those that reflect."""
    wordings: int = Field(ge=0)
    """Different reflections in them, numbers apart: few of them are a template."""

    @property
    def form_rate(self) -> Interval:
        """Chains, as a share of the replies."""
        return wilson(self.formed, self.replies)

    @property
    def reflect_rate(self) -> Interval:
        """Chains that reflect, as a share of the replies."""
        return wilson(self.reflecting, self.replies)

    def __str__(self) -> str:
        return (
            f"{self.formed} of {self.replies} replies are chains, {self.reflecting} of these "
            f"reflect, in {self.wordings} wordings"
        )


def is_formed(actions: Sequence[Action]) -> bool:
    r"""Whether a reply is a chain: it begins with a token, says something after each, and answers.

    Example:
        >>> is_formed(parse_coat("<|continue|>2 + 2 = 4.\nAnswer: 4"))
        True
    """
    return (
        bool(actions)
        and actions[0].meta is not None
        and all(text.strip() for _, text in actions)
        and extract_answer(actions[-1].text) is not None
    )


def forms_of(graphs: Iterable[ThoughtGraph]) -> ChainForms:
    """Count what the replies in graphs of chains with tokens are."""
    counts, wordings = Counter[str](), set[str]()
    for graph in graphs:
        for thought in graph.children(graph.root):
            if thought.kind is not ThoughtKind.SOLUTION or thought.operation != CHAIN:
                continue
            counts["replies"] += 1
            actions = parse_coat(thought.text)
            said = [
                _NUMBER.sub("#", text.strip()) for meta, text in actions if meta is Meta.REFLECT
            ]
            if is_formed(actions):
                counts["formed"] += 1
                counts["reflecting"] += bool(said)
                wordings.update(said)
    return ChainForms(
        replies=counts["replies"],
        formed=counts["formed"],
        reflecting=counts["reflecting"],
        wordings=len(wordings),
    )
