"""How a reward model reads a conversation: as which tokens, and where each step ends.

Where a step ends is known and not searched for: each step is encoded by itself, so no token reaches
over a border. That is how a step was sampled (it ended with its stop string), how process models
are trained, and why the tokens up to a step are the same whatever follows it.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from cogitate.errors import EngineRefused
from cogitate.inference.hf.encode import Encoder
from cogitate.inference.request import Message

__all__ = ["Reader", "Reading"]


class Reading(NamedTuple):
    """A conversation as a reward model reads it."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    """The place of each step's last token; of an outcome model none."""


class Reader:
    """Encodes conversations for a reward model. Safe to use from several threads.

    Args:
        encoder: The model's tokenizer and chat template.
        rates: What the model rates.
        step_end: What each step of a process model must end with; added where it does not.
    """

    def __init__(
        self, encoder: Encoder, rates: Literal["outcome", "process"], *, step_end: str = ""
    ) -> None:
        self._encoder = encoder
        self._rates = rates
        self._step_end = step_end

    def read(self, messages: tuple[Message, ...], steps: Sequence[str]) -> Reading:
        """Encode a conversation and the reply to it.

        Raises:
            EngineRefused: No step or one without text, or messages that the template refuses.
        """
        if not steps or not all(steps):
            raise EngineRefused("cannot rate a reply without text: give steps that say something")
        if self._rates == "outcome":
            reply = Message("assistant", "".join(steps))
            return Reading(self._encoder.conversation((*messages, reply)), ())
        ids, ends = list(self._encoder.prompt(messages, None).ids), []
        for step in steps:
            missing = "" if step.endswith(self._step_end) else self._step_end
            added = self._encoder.text(step + missing)
            if not added:
                raise EngineRefused(f"cannot rate the step {step!r}: it has no tokens")
            ids += added
            ends.append(len(ids) - 1)
        return Reading(tuple(ids), tuple(ends))
