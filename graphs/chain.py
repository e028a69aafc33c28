"""The steps of a solution: those it was written in, or the pieces of its text."""

from typing import NamedTuple

from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.thought import Thought, ThoughtKind

__all__ = ["Chain", "chain_of", "split_steps"]


class Chain(NamedTuple):
    """A solution, or the beginning of one, in steps."""

    path: tuple[Thought, ...]
    """The steps that are thoughts of their own."""
    rest: tuple[str, ...]
    """The steps after them, as text."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of every step; joined they are the whole."""
        return *(step.text for step in self.path), *self.rest


def chain_of(graph: ThoughtGraph, thought: Thought, separator: str = "\n\n") -> Chain:
    """Return the steps of a thought.

    Those of a step are its path. A solution that continues a path has its steps, and then what its
    text adds to them, split (nothing, where that is blank); the text of any other solution is split
    as a whole.

    Args:
        graph: Where the thought stands.
        thought: A step or a solution.
        separator: What ends a step of a text.
    """
    if thought.kind is ThoughtKind.STEP:
        return Chain(_written(graph, thought), ())
    parents = graph.parents(thought)
    path = _written(graph, parents[0]) if parents else ()
    begun = "".join(step.text for step in path)
    if not thought.text.startswith(begun):
        path, begun = (), ""
    rest = thought.text[len(begun) :]
    added = split_steps(rest, separator) if rest.strip() or not path else ()
    return Chain(path, tuple(added))


def _written(graph: ThoughtGraph, step: Thought) -> tuple[Thought, ...]:
    return tuple(part for part in graph.path(step) if part.text)


def split_steps(text: str, separator: str = "\n\n") -> list[str]:
    r"""Split a text into steps, each up to and including the separator that ends it.

    The steps join back to exactly the text. None is blank: what holds nothing to read belongs to
    the step before it, or at the beginning to the first. A blank text is one step, an empty one
    none.

    Args:
        text: What to split.
        separator: What ends a step.

    Example:
        >>> split_steps("6 * 7 is 6 + 36.\n\nThat is 42.\n\n\n\nAnswer: 42")
        ['6 * 7 is 6 + 36.\n\n', 'That is 42.\n\n\n\n', 'Answer: 42']
    """
    *ended, last = text.split(separator)
    steps: list[str] = []
    open_step = ""
    for piece in (*(part + separator for part in ended), last):
        if piece.strip() and open_step.strip():
            steps.append(open_step)
            open_step = ""
        open_step += piece
    return [*steps, open_step] if open_step else steps
