"""The format: whether a reply can be read by what reads it. It says nothing about being right."""

from dataclasses import dataclass

from cogitate.errors import DataError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind, coat_actions, parse_coat
from cogitate.tasks import has_answer_line
from cogitate.training.described import described
from cogitate.training.rewards.outcome import failed

__all__ = ["FormatReward", "keeps_format"]


@described(
    "format",
    needs="nothing but the text",
    costs="nothing",
    pays="early, as a small part or as a gate: alone it is met by empty forms",
)
@dataclass(frozen=True)
class FormatReward:
    """Reward a solution that marks an answer, a critique that accepts or rejects, a verdict."""

    kept: float = 1.0
    lost: float = 0.0
    coat: bool = False
    """A solution must also be a chain with a meta-action (`<|continue|>`, `<|reflect|>` ...)."""

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the reward; None for a call that failed, and for thoughts of no set format.

        A reply that was cut at its token limit has lost its format.
        """
        kept = keeps_format(graph, thought)
        if kept is None or failed(thought):
            return None
        if self.coat and thought.kind is ThoughtKind.SOLUTION:
            kept = kept and _is_chain(graph, thought)
        return self.kept if kept and thought.finish != "length" else self.lost


def keeps_format(graph: ThoughtGraph, thought: Thought) -> bool | None:
    """Whether a thought can be read as what it is; None where its kind has no set format."""
    match thought.kind:
        case ThoughtKind.SOLUTION:
            return has_answer_line(thought.text, kind=graph.problem.kind)
        case ThoughtKind.CRITIQUE:
            return thought.accepts is not None
        case ThoughtKind.VERDICT if thought.operation == "value":
            return "judge" in thought.scores
    return None


def _is_chain(graph: ThoughtGraph, thought: Thought) -> bool:
    """Whether it has a meta-action, in the graph or, where one reply holds it all, in its text."""
    try:
        actions = coat_actions(graph, thought)
    except DataError:
        actions = []
    return any(action.meta for action in [*actions, *parse_coat(thought.text)])
