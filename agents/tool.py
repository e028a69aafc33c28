"""What an agent can use besides its own words, and what it observes.

A tool gets a text that a model wrote: it must treat it as data. Whatever happens in it becomes an
observation, so that the agent can try something else.
"""

import asyncio
from typing import NamedTuple, Protocol, runtime_checkable

from cogitate.inference.text import valid_unicode

__all__ = ["Observation", "Tool", "use"]

_LONGEST = 2_000
"""Characters of an observation: longer ones would push the problem out of a small context."""
_GRACE = 1.0
"""Seconds that a tool gets to end after its time is up."""


@runtime_checkable
class Tool(Protocol):
    """Something that an agent can call with a text and that answers with a text."""

    @property
    def name(self) -> str:
        """A word of letters, digits, `_` and `-`: what the agent calls it."""
        ...

    @property
    def description(self) -> str:
        """One line for the agent: what it takes, and what it tells."""
        ...

    async def call(self, text: str, /) -> str:
        """Answer `text`, which a model wrote.

        It is cancelled when its time is up. A call that blocks the event loop cannot be cancelled:
        put it into `asyncio.to_thread`.

        Raises:
            Exception: It failed; the agent is told the message.
        """
        ...


class Observation(NamedTuple):
    """What came of a call."""

    text: str
    """What the agent is told; at most 2,000 characters."""
    error: str = ""
    """Why the tool gave no answer."""


async def use(tool: Tool, text: str, *, seconds: float) -> Observation:
    """Call a tool; one that fails or hangs gives an observation that says so.

    Args:
        tool: What to call.
        text: What the model wrote for it.
        seconds: How long the call may take.
    """
    call = asyncio.ensure_future(_call(tool, text))
    try:
        await asyncio.wait({call}, timeout=seconds)
        if not call.done():
            call.cancel()
            await asyncio.wait({call}, timeout=_GRACE)
            return _failed(tool, f"no answer within {seconds:g} seconds")
    finally:
        call.cancel()
    if call.cancelled():
        return _failed(tool, "it was cancelled")
    if error := call.exception():
        return _failed(tool, f"{type(error).__name__}: {error}")
    answer = call.result()
    if not isinstance(answer, str):
        return _failed(tool, f"its answer is no text but a {type(answer).__name__}")
    return Observation(_cut(valid_unicode(answer).strip()) or "(nothing)")


async def _call(tool: Tool, text: str) -> object:
    return await tool.call(text)


def _failed(tool: Tool, why: str) -> Observation:
    why = _cut(valid_unicode(why))
    return Observation(f"{tool.name} failed: {why}", f"the tool {tool.name} failed: {why}")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
