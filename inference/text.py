"""Text that came from outside, made safe to keep.

Python strings can hold lone surrogates, which no UTF-8 file, socket or database accepts. Text is
made valid once, where it enters (an engine's reply, a problem), and is trusted from there on.
A model's reasoning block and what follows a stop string are set apart at the same place.
"""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["before_stop", "split_reasoning", "valid_unicode"]


def valid_unicode(text: str) -> str:
    r"""Return `text` with every lone surrogate replaced by U+FFFD; valid text comes back as it is.

    Example:
        >>> valid_unicode("fine"), valid_unicode("\ud800!")
        ('fine', '\ufffd!')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Stopped(NamedTuple):
    """A text up to where it was stopped."""

    text: str
    stop: str | None
    """What stopped it."""


def before_stop(text: str, stops: Iterable[str]) -> Stopped:
    """Return what stands before the first of `stops`; all of `text` where none occurs.

    Example:
        >>> before_stop("4. Next: 5", ["Next", "."])
        Stopped(text='4', stop='.')
    """
    end, stop = min(
        ((end, stop) for stop in stops if (end := text.find(stop)) >= 0), default=(0, None)
    )
    if stop is None:
        return Stopped(text, None)
    return Stopped(text[:end], stop)


class Reply(NamedTuple):
    """A reply, and the reasoning that led to it."""

    text: str
    reasoning: str


def split_reasoning(text: str, *, opened: bool = False) -> Reply:
    """Set a leading `<think>…</think>` block apart from the reply.

    Some chat templates open the block themselves, so a block that only ends is one too; a block
    that was cut before its end is all reasoning.

    Args:
        text: What a model wrote.
        opened: It is known that the prompt ended inside a block.

    Example:
        >>> split_reasoning("<think>2 and 2</think>Answer: 4")
        Reply(text='Answer: 4', reasoning='2 and 2')
    """
    begun, opening, inside = text.partition("<think>")
    written = bool(opening) and not begun.strip()
    reasoning, closing, reply = (inside if written else text).partition("</think>")
    if closing:
        return Reply(reply.lstrip(), reasoning.strip())
    return Reply("", reasoning.strip()) if opened or written else Reply(text, "")
