"""How much an in-process model may hold."""

from dataclasses import asdict, dataclass

from cogitate.errors import ConfigError

__all__ = ["Memory"]

_LEAST = {"max_rows": 1, "max_tokens_in_memory": 2, "prefix_tokens": 0, "prefill_tokens": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The bounds of a running batch.

    Raises:
        ConfigError: A bound under which nothing could run.
    """

    max_rows: int | None
    """The most completions computed at once; None: as many as pay."""
    max_tokens_in_memory: int
    """The most tokens held for them, padding to the longest included."""
    prefix_tokens: int
    """The most tokens kept of prompts seen before; 0: none."""
    prefill_tokens: int
    """The most prompt tokens in one forward pass."""

    def __post_init__(self) -> None:
        """Refuse what could not run."""
        for name, value in asdict(self).items():
            if value is not None and value < _LEAST[name]:
                raise ConfigError(f"{name}={value}: give at least {_LEAST[name]}")

    def rows_on(self, device: str) -> int:
        """The most completions computed at once there: more cost a GPU hardly more time."""
        return self.max_rows or (64 if device == "cpu" else 256)
