"""From training rows to tokens and labels: as they were sampled, where that is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cogitate.errors import ConfigError
from cogitate.inference.hf.locate import fingerprint
from cogitate.inference.request import Prefix
from cogitate.training.dataset import SFTRow

__all__ = ["IGNORED", "Encoded", "Labelled", "encode"]

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


def encode(rows: Sequence[SFTRow], folder: Path) -> Encoded:
    """Return the tokens of rows for the model in `folder`.

    Ids are used as they were sampled where the weights that sampled them are these, adapters aside.
    Other completions are encoded from their text, and end with the model's end token.

    Raises:
        ConfigError: A row has no prompt.
    """
    from cogitate.inference.hf.encode import Encoder  # imports transformers

    encoder, revision = Encoder(folder), fingerprint(folder)
    end = () if encoder.end is None else (encoder.end,)
    encoded, reencoded = [], 0
    for row in rows:
        own = row.source.revision == revision
        prompt, completion = (row.prompt_ids, row.completion_ids) if own else (None, None)
        if prompt is None:
            if not row.messages:
                raise ConfigError(f"the row of thought {row.thought} has no prompt: leave it out")
            prefix = Prefix(row.prefix) if row.prefix else None
            prompt = encoder.prompt(row.messages, prefix).ids
        if completion is None:
            reencoded += 1
            completion = (*encoder.text(row.completion), *end)
        labels = [*(IGNORED for _ in prompt), *completion]
        encoded.append(Labelled([*prompt, *completion], labels))
    return Encoded(encoded, reencoded)
