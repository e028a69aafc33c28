"""An API key: read from the environment, sent to one server, and shown to nobody.

A server may send the key back, in an error or in a page, so what comes from it is scrubbed before
anyone sees it. Keys without meaning (`EMPTY`, `none`) are often words that a model also writes:
replies are scrubbed only of keys long enough to be one.
"""

import os

from cogitate.errors import ConfigError

__all__ = ["Secret"]

_SHOWN = "[key]"
_LONG = 16


class Secret:
    """A key that no `repr`, exception or log shows.

    Args:
        value: The key.
        variable: The environment variable it came from.

    Raises:
        ConfigError: It cannot be sent in a header.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, variable: str) -> None:
        value = value.strip()
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(
                f"the key in {variable} holds characters that no key has: set it again"
            )
        self._value = value

    @classmethod
    def of(cls, variable: str, *, needed: bool) -> "Secret | None":
        """Read the key from the environment; None where there is none and none is needed.

        Raises:
            ConfigError: There is none, and one is needed.
        """
        value = os.environ.get(variable, "")
        if value.strip():
            return cls(value, variable)
        if needed:
            raise ConfigError(
                f"no API key: set the environment variable {variable}, or give base_url=... of a "
                "server that needs none"
            )
        return None

    def __repr__(self) -> str:
        return f"Secret({_SHOWN})"

    def header(self) -> dict[str, str]:
        """The header that carries the key."""
        return {"Authorization": f"Bearer {self._value}"}

    def scrub(self, text: str) -> str:
        """Return `text` without the key: what a server said, before it is shown."""
        return text.replace(self._value, _SHOWN)

    def scrub_reply(self, body: bytes) -> bytes:
        """Return a reply without the key, where the key is too long to be a word."""
        if len(self._value) < _LONG:
            return body
        return body.replace(self._value.encode(), _SHOWN.encode())
