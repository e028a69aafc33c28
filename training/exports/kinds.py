"""The kinds of rows by name, as files and the command line have them."""

from enum import StrEnum

from cogitate.errors import ConfigError
from cogitate.training.rows import (
    KTORow,
    PreferenceRow,
    PromptRow,
    RankedRow,
    Row,
    SFTRow,
    StepRow,
)

__all__ = ["Kind", "kind_of", "row_class"]


class Kind(StrEnum):
    """What a file of rows holds."""

    SFT = "sft"
    PREFERENCES = "preferences"
    RANKED = "ranked"
    UNPAIRED = "unpaired"
    STEPS = "steps"
    PROMPTS = "prompts"


_ROWS: dict[Kind, type[Row]] = {
    Kind.SFT: SFTRow,
    Kind.PREFERENCES: PreferenceRow,
    Kind.RANKED: RankedRow,
    Kind.UNPAIRED: KTORow,
    Kind.STEPS: StepRow,
    Kind.PROMPTS: PromptRow,
}


def row_class(kind: Kind) -> type[Row]:
    """Return the class of the rows of a kind."""
    return _ROWS[kind]


def kind_of(row: type[Row]) -> Kind:
    """Return the name of a class of rows.

    Raises:
        ConfigError: There are no files of such rows.
    """
    for kind, known in _ROWS.items():
        if known is row:
            return kind
    raise ConfigError(f"{row.__name__}: there are no files of such rows: give one of {[*Kind]}")
