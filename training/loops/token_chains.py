"""Several chains of one problem in one graph: siblings to compare, and states to restart from."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from cogitate.graphs import Deliberation, Thought, ThoughtGraph, ThoughtKind, gather
from cogitate.graphs.coat_text import CHAIN, Action, Meta, parse_coat
from cogitate.graphs.solve import wait_for
from cogitate.graphs.strategies.coat import COAT, read_chain
from cogitate.tasks import extract_answer, grader_for
from cogitate.training.credit.outcomes import is_right
from cogitate.training.intervals import Interval, wilson
from cogitate.training.restarts import ReflectRates

__all__ = ["ChainForms", "TokenChains", "forms_of", "is_formed", "own_reflections"]

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
    for _, chain in _replies(graphs):
        counts["replies"] += 1
        actions = parse_coat(chain.text)
        said = [_NUMBER.sub("#", text.strip()) for meta, text in actions if meta is Meta.REFLECT]
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


def own_reflections(graphs: Iterable[ThoughtGraph]) -> ReflectRates:
    """Return how the reflections turned out that no restart asked for.

    A beginning is the answer that a chain gives before it first reflects; what comes of it are the
    paper's rates of self-correction. `fresh` counts those too that do not reflect.

    Args:
        graphs: Of chains with tokens, graded (see `training.grade`).

    Raises:
        GraderError: A problem's grader cannot tell whether a beginning is right.
    """

    async def turned(graph: ThoughtGraph, chain: Thought) -> Counter[str]:
        if "grader" not in chain.scores:
            return Counter(ungraded=1)
        ends = is_right(chain.scores["grader"])
        counts = Counter(fresh=1, solved=int(ends), tokens=chain.completion_tokens)
        before, reflects, _ = chain.text.partition(Meta.REFLECT.token)
        said = "\n".join(action.text for action in parse_coat(before))
        answer = extract_answer(said, kind=graph.problem.kind) if reflects else None
        if answer is not None:
            begins = (await grader_for(graph.problem).grade(graph.problem, answer)).correct
            counts["right" if begins else "wrong"] += 1
            counts["spoilt"] += begins and not ends
            counts["mended"] += ends and not begins
        return counts

    async def all_turned() -> ReflectRates:
        found = await gather(turned(graph, chain) for graph, chain in _replies(graphs))
        return ReflectRates(step=0, **sum(found, start=Counter[str]()))

    return wait_for(all_turned())


def _replies(graphs: Iterable[ThoughtGraph]) -> Iterator[tuple[ThoughtGraph, Thought]]:
    for graph in graphs:
        for thought in graph.children(graph.root):
            if thought.kind is ThoughtKind.SOLUTION and thought.operation == CHAIN:
                yield graph, thought
