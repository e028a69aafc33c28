"""From training rows to tokens: as they were sampled, where that is known.

Encoding a text again is not harmless: the tokens of two pieces are often not those of the whole, so
what is trained would not be what was judged. Ids are used where the weights that sampled them are
those that are trained, adapters aside; everything else is encoded from its text, and counted.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference.hf.locate import fingerprint
from cogitate.inference.request import Prefix
from cogitate.training.rows import KTORow, PreferenceRow, PromptRow, Reply, SFTRow

__all__ = ["IGNORED", "Coder", "Encoded", "Labelled", "encode"]

IGNORED = -100
"""The label of a token without loss, as PyTorch's cross-entropy has it."""


class Labelled(NamedTuple):
    """One row as a trainer takes it; both lists are of one length."""

    input_ids: list[int]
    labels: list[int]
    """The completion's tokens, after an `IGNORED` for each token of the prompt."""


class Encoded(NamedTuple):
    """All rows, in order."""

    rows: list[Labelled]
    reencoded: int
    """Completions encoded from their text: they have no ids, or those of other weights."""


class Coder:
    """Finds the tokens of rows for one model.

    Args:
        folder: The model's.
    """

    def __init__(self, folder: Path) -> None:
        from cogitate.inference.hf.encode import Encoder  # imports transformers

        self.encoder = Encoder(folder)
        self.reencoded = 0
        """Completions that were encoded from their text."""
        self._revision = fingerprint(folder)
        self._end = () if self.encoder.end is None else (self.encoder.end,)

    def owns(self, source: Source) -> bool:
        """Whether a model's ids are this one's: the same weights, adapters aside."""
        return source.revision == self._revision

    def prompt(
        self, row: SFTRow | PreferenceRow | KTORow | PromptRow, *, own: bool
    ) -> tuple[int, ...]:
        """Return the prompt of a row, its prefix included.

        Args:
            row: The row.
            own: Whether the row's ids are this model's.

        Raises:
            ConfigError: It has neither ids nor messages.
        """
        if own and row.prompt_ids is not None:
            return row.prompt_ids
        if not row.messages:
            raise ConfigError(f"a row of problem {row.problem} has no prompt: leave it out")
        begun = Prefix(row.prefix) if row.prefix else None
        return self.encoder.prompt(row.messages, begun).ids

    def completion(self, text: str, ids: tuple[int, ...] | None, *, own: bool) -> tuple[int, ...]:
        """Return a completion; one without ids of its own ends with the model's end token."""
        if own and ids:
            return ids
        self.reencoded += 1
        return (*self.encoder.text(text), *self._end)

    def reply(self, reply: Reply) -> tuple[int, ...]:
        """Return the completion of a reply."""
        return self.completion(reply.completion, reply.completion_ids, own=self.owns(reply.source))


def encode(rows: Sequence[SFTRow], folder: Path) -> Encoded:
    """Return the tokens and labels of rows for the model in `folder`.

    Raises:
        ConfigError: A row has no prompt.
    """
    coder, encoded = Coder(folder), []
    for row in rows:
        own = coder.owns(row.source)
        prompt = coder.prompt(row, own=own)
        completion = coder.completion(row.completion, row.completion_ids, own=own)
        labels = [*(IGNORED for _ in prompt), *completion]
        encoded.append(Labelled([*prompt, *completion], labels))
    return Encoded(encoded, coder.reencoded)
