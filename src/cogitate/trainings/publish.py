"""What a file says of the Hugging Face hub: `push = "user/name"`, or a table with its terms.

[push]
repository = "user/name"
private = false                       # true by default
licence = "apache-2.0"                # by default what the base states
base = "HuggingFaceTB/SmolLM2-135M-Instruct"   # what the hub knows the base as
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from cogitate.training.hub import Hub, check_repository, push, the_hub
from cogitate.training.model_card import verdict_of

__all__ = ["Push", "PushTo"]


def _repository(given: str) -> str:
    check_repository(given)  # a ConfigError is a ValueError: the file's key is named before it
    return given


class Push(BaseModel):
    """Where what was made goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str, AfterValidator(_repository)]
    private: bool = True
    licence: str | None = None
    base: str | None = None

    def ready(self) -> None:
        """Fail before anything runs where there is no key.

        Raises:
            ConfigError: There is none.
        """
        the_hub()

    def publish(self, made: Mapping[str, Path], hub: Hub | None = None) -> Sequence[str]:
        """Upload folders of weights, and say what became of each.

        Args:
            made: By role; one without a role gets the repository's name alone.
            hub: See `cogitate.training.push`.

        Raises:
            ConfigError, EngineError: See `cogitate.training.push`.
        """
        said = []
        for role, folder in made.items():
            verdict = verdict_of(folder)
            if verdict is not None and not verdict.promotion.promoted:
                said.append(f"{folder} was not pushed: {verdict.promotion.reason}")
                continue
            name = f"{self.repository}-{role}" if role else self.repository
            where = push(
                folder,
                name,
                private=self.private,
                licence=self.licence,
                base=self.base,
                hub=hub,
            )
            said.append(f"{folder} is at {where}")
        return said


PushTo = Annotated[
    Push, BeforeValidator(lambda given: {"repository": given} if isinstance(given, str) else given)
]
"""A table, or the repository's name alone."""
