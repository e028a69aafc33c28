"""The options of a problem set's name: what stands after its question mark."""

import difflib
from collections.abc import Iterable
from urllib.parse import unquote

from cogitate.errors import ConfigError

__all__ = ["Options", "closest"]


class Options:
    """Options by name, each taken once; whatever is left over is a mistake.

    Args:
        name: The whole name, for messages.
        query: The part after the question mark, as in a web address.

    Example:
        >>> options = Options("gsm8k?size=3", "size=3")
        >>> options.integer("size"), options.integer("offset")
        (3, None)
        >>> options.finish()
    """

    def __init__(self, name: str, query: str) -> None:
        self.name = name
        self._known: list[str] = []
        # Not parse_qsl: it makes a space of every plus, and + is an operator that is asked for.
        pairs = [part.partition("=") for part in query.split("&")] if query else []
        if not all(option and equals for option, equals, _ in pairs):
            raise ConfigError(f"{name}: write options as ?size=100&seed=1")
        self._values = {unquote(option): unquote(value) for option, _, value in pairs}
        if len(self._values) < len(pairs):
            raise ConfigError(f"{name}: an option is given twice: give each once")

    def text(self, option: str) -> str | None:
        """Take an option as text, None where it is not given."""
        self._known.append(option)
        value = self._values.pop(option, None)
        if value == "":
            raise ConfigError(
                f"{self.name}: {option} has no value: write {option}=…, or leave it out"
            )
        return value

    def integer(self, option: str) -> int | None:
        """Take an option as a whole number, None where it is not given."""
        value = self.text(option)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            raise ConfigError(f"{self.name}: {option}={value} must be a whole number") from None

    def finish(self) -> None:
        """Say that every option has been taken.

        Raises:
            ConfigError: One is left that nobody asked for.
        """
        for option in self._values:
            raise ConfigError(
                f"{self.name}: unknown option {option!r}{closest(option, self._known)}. "
                f"Its options: {', '.join(self._known)}"
            )


def closest(name: str, known: Iterable[str]) -> str:
    """Return "(did you mean …?)" for a misspelt name, or nothing."""
    matches = difflib.get_close_matches(name, known, 3, 0.5)
    return f" (did you mean {' or '.join(matches)}?)" if matches else ""
