"""A thought graph for people: a text tree for the terminal, and the Mermaid language for pages.

Model text is shown on one line, with control and direction characters made visible.
"""

import unicodedata
from collections.abc import Sequence

from cogitate.graphs.thought import Link, Thought, ThoughtKind

__all__ = ["caption", "mermaid", "one_line", "tree"]

_DEEPEST = 40
"""Levels of a tree that are indented: a chain of n thoughts would take n * n characters."""
_SHAPES = {
    ThoughtKind.PROBLEM: ('(["', '"])'),
    ThoughtKind.CRITIQUE: ('{{"', '"}}'),
    ThoughtKind.VERDICT: ('{{"', '"}}'),
    ThoughtKind.TOOL: ('[/"', '"/]'),
}


def one_line(text: str, width: int) -> str:
    r"""Return `text` on one line of at most `width` characters, harmless to a terminal.

    Example:
        >>> one_line("a\n b\x1b[31m", 20)
        'a b\ufffd[31m'
    """
    line = " ".join(text[: 4 * width].split())
    cut = line if len(line) <= width and len(text) <= 4 * width else line[: width - 1] + "…"
    return "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in cut)


def caption(thought: Thought) -> str:
    """Say what a thought is in a few words: kind, agent, answer, judgement and scores."""
    parts = [str(thought.kind)]
    if thought.agent:
        parts.append(f"by {one_line(thought.agent, 30)}")
    if thought.answer is not None:
        parts.append(f"answer {one_line(thought.answer, 40)}")
    if thought.kind == ThoughtKind.CRITIQUE:
        parts.append({True: "accepts", False: "rejects", None: "undecided"}[thought.accepts])
    parts += [f"{one_line(source, 30)} {value:.2f}" for source, value in thought.scores.items()]
    if thought.error:
        parts.append(f"failed: {one_line(thought.error, 60)}")
    return " · ".join(parts)


def tree(root: Thought, links: Sequence[Link], *, width: int) -> str:
    """Draw a text tree: a thought stands once, under the latest thought that it was made from.

    Below 40 levels a thought stands no further to the right than what it was made from.
    """
    latest: dict[str, Link] = {}
    for link in links:
        latest[link.child.id] = link
    children: dict[str, list[Link]] = {}
    for link in latest.values():
        children.setdefault(link.parent.id, []).append(link)
    lines = [f"{caption(root)}: {one_line(root.text, width)}"]
    stack = [(link, "", i == 0) for i, link in enumerate(reversed(children.get(root.id, [])))]
    while stack:
        link, indent, last = stack.pop()
        branch, bar = ("└─ ", "   ") if last else ("├─ ", "│  ")
        lines.append(f"{indent}{branch}{link.relation} → {caption(link.child)}")
        lines.append(f"{indent}{bar}   {one_line(link.child.text, width)}")
        below = reversed(children.get(link.child.id, []))
        deeper = indent + bar if len(indent) < _DEEPEST * len(bar) else indent
        stack += [(child, deeper, i == 0) for i, child in enumerate(below)]
    return "\n".join(lines) + "\n"


def mermaid(thoughts: Sequence[Thought], links: Sequence[Link], *, width: int) -> str:
    """Draw a Mermaid flowchart, top down."""
    number = {thought.id: f"t{i}" for i, thought in enumerate(thoughts)}
    lines = ["flowchart TD"]
    for thought in thoughts:
        opens, closes = _SHAPES.get(thought.kind, ('["', '"]'))
        label = _escape(caption(thought)) + "<br/>" + _escape(one_line(thought.text, width))
        lines.append(f"    {number[thought.id]}{opens}{label}{closes}")
    for parent, child, relation in links:
        lines.append(f"    {number[parent.id]} -->|{relation}| {number[child.id]}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    escapes = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;"}
    return "".join(escapes.get(c, c) for c in text)
