"""What the rows of each kind say, as filters look at it."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cogitate.tasks.held_back import folded, same_text
from cogitate.training.rows import (
    KTORow,
    PreferenceRow,
    PromptRow,
    RankedRow,
    Reply,
    Row,
    SFTRow,
    StepRow,
)
from cogitate.training.rows_from.asked import without_examples

__all__ = ["Said", "asked_text", "said_in", "without_signs", "words_of"]

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+|[^\\w\\s]")
"""Of scripts that put no spaces between words each character counts as one."""


class Said(NamedTuple):
    """A text that a row trains, or begins with."""

    text: str
    tokens: int | None
    """None where they are unknown."""
    logprobs: Sequence[float] | None = None


def said_in(row: Row) -> tuple[Said, ...]:
    """Return the replies of a row: two of a pair, all of a list, the steps of a solution as one."""
    match row:
        case SFTRow(completion=text, completion_ids=ids, logprobs=logprobs):
            return (Said(text, None if ids is None else len(ids), logprobs),)
        case PreferenceRow(chosen=chosen, rejected=rejected):
            return _reply(chosen), _reply(rejected)
        case RankedRow(replies=replies):
            return tuple(map(_reply, replies))
        case KTORow(reply=reply):
            return (_reply(reply),)
        case StepRow(steps=steps):
            lengths = [len(step.ids) for step in steps if step.ids is not None]
            tokens = sum(lengths) if len(lengths) == len(steps) else None
            return (Said("".join(step.text for step in steps), tokens),)
        case PromptRow(prefix=prefix, prefix_ids=ids):
            return (Said(prefix, None if ids is None else len(ids)),)
        case _:
            return ()


def asked_text(row: Row) -> str:
    """Return who is asked what: without worked examples, and white space folded."""
    turns = [turn.content for turn in without_examples(row.messages)]
    return "\x1f".join((row.role, *map(same_text, (row.question, *turns, row.prefix))))


def words_of(text: str) -> list[str]:
    """Return words and signs of a text as it is compared (`folded`): `7*6?` is `7 * 6 ?`.

    Example:
        >>> words_of("What is 7*6?")
        ['what', 'is', '7', '*', '6', '?']
    """
    return _WORD.findall(folded(text))


def without_signs(words: Iterable[str]) -> list[str]:
    """Return those of the words that are no signs, nor underscores around a word."""
    plain = (word.strip("_") for word in words)
    return [word for word in plain if word[:1].isalnum()]


def _reply(reply: Reply) -> Said:
    ids = reply.completion_ids
    return Said(reply.completion, None if ids is None else len(ids), reply.logprobs)
