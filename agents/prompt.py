"""From what an agent should know to the messages that it is sent."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cogitate.agents.quote import neutralise, quote
from cogitate.errors import ConfigError
from cogitate.inference import Message

__all__ = ["Brief", "Passage", "Prompt", "Shot", "Template"]

_FIELD = re.compile(r"(?<!\w)\{(\w+)\}")
_FIELDS = frozenset({"problem", "work", "lessons", "n"})


class Passage(NamedTuple):
    """A text that another agent wrote: its label says what it is (`draft`, `critique` ...)."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Brief:
    """All that an agent is told for one ask. Never the reference answer."""

    problem: str
    work: tuple[Passage, ...] = ()
    """Earlier thoughts, oldest first."""
    lessons: tuple[str, ...] = ()
    """What was learned on other problems."""
    n: int = 1
    """How many things a prompt asks for that asks for several in one reply."""


class Shot(NamedTuple):
    """A worked example of an ask: what was told, and a reply that keeps the format."""

    brief: Brief
    response: str


Prompt = Callable[[Brief, Sequence[Shot]], tuple[Message, ...]]
"""Anything that turns a brief and its worked examples into messages."""


@dataclass(frozen=True, slots=True)
class Template:
    r"""A prompt from text: `{problem}`, `{work}`, `{lessons}` (quoted) and `{n}` are filled in.

    Braces that follow a letter, as in LaTeX's `\boxed{answer}`, are text.
    Worked examples become earlier turns in the same form, which small models follow best.

    Example:
        >>> template = Template("Solve: {problem}", system="Be brief.")
        >>> [message.content for message in template(Brief("2 + 2?"), ())]
        ['Be brief.', 'Solve: 2 + 2?']
    """

    user: str
    system: str = ""

    def __post_init__(self) -> None:
        """Refuse a template that leaves out the problem or names an unknown field."""
        fields = set(_FIELD.findall(self.user))
        if unknown := sorted(fields - _FIELDS):
            raise ConfigError(f"a prompt has the unknown field {{{unknown[0]}}}: use {_known()}")
        if not fields & {"problem", "work"}:
            raise ConfigError(f"a prompt shows neither the problem nor any work: use {_known()}")

    def __call__(self, brief: Brief, shots: Sequence[Shot] = ()) -> tuple[Message, ...]:
        """Return the system message, one pair of turns per worked example, and the ask."""
        ask = Message("user", self._fill(brief))
        if not shots:
            return (_system(self.system), ask) if self.system else (ask,)
        return (*_turns(self, tuple(shots)), ask)

    def _fill(self, brief: Brief) -> str:
        user = self.user if brief.work else self.user.replace("{work}\n\n", "")
        parts = list(_parts(user))
        for i in range(1, len(parts), 2):
            parts[i] = _value(parts[i], brief)
        return "".join(parts).strip()


def _value(name: str, brief: Brief) -> str:
    match name:
        case "problem":
            return neutralise(brief.problem)
        case "n":
            return str(brief.n)
        case "work":
            return "\n\n".join([quote(label, text) for label, text in brief.work])
        case _:
            said = (" ".join(neutralise(lesson).split()) for lesson in brief.lessons)
            lessons = [f"- {lesson}\n" for lesson in said]
            return "".join(("Keep in mind:\n", *lessons, "\n")) if lessons else ""


@lru_cache(maxsize=256)
def _parts(user: str) -> list[str]:
    """Part a template into text and, at the odd places, the names of fields."""
    return _FIELD.split(user)


@lru_cache(maxsize=256)
def _system(text: str) -> Message:
    return Message("system", text)


@lru_cache(maxsize=256)
def _turns(template: Template, shots: tuple[Shot, ...]) -> tuple[Message, ...]:
    turns = [_system(template.system)] if template.system else []
    for shot in shots:
        turns.append(Message("user", template._fill(shot.brief)))
        turns.append(Message("assistant", shot.response))
    return tuple(turns)


def _known() -> str:
    return ", ".join(f"{{{field}}}" for field in sorted(_FIELDS))
