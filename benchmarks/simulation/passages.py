"""What a prompt shows of earlier thoughts: the quotations in its last message."""

import re
from typing import NamedTuple

from cogitate.inference import Request

__all__ = ["Shown", "passages"]

_QUOTED = re.compile(r"<(?P<label>[a-z][a-z ]*(?: \d+)?)>\n(?P<text>.*?)\n</(?P=label)>", re.DOTALL)


class Shown(NamedTuple):
    """A quotation."""

    label: str
    text: str


def passages(request: Request) -> list[Shown]:
    """All quotations, in order."""
    return [Shown(*found) for found in _QUOTED.findall(request.messages[-1].content)]
