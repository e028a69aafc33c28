"""One test of a program: what the program is given, and what is expected of it."""

from typing import Literal, NamedTuple

from cogitate.tasks.code.values import is_near, matches, truth

__all__ = ["Case", "Expected"]


class Expected(NamedTuple):
    """What a call must return. It never enters a sandbox."""

    values: tuple[object, ...]
    """One of them is right."""
    relation: Literal["equals", "is", "truth", "near"] = "equals"
    relative: float = 0.0
    absolute: float = 0.0
    loose: bool = False
    """It came from JSON, which has no tuples: a tuple is taken for a list."""

    def met_by(self, given: object) -> bool:
        """Tell whether a value that `cogitate.tasks.code.values.parse` read is right."""
        if self.relation == "truth":
            return truth(given) is self.values[0]
        if self.relation == "is":
            return given is self.values[0]
        if self.relation == "near":
            return is_near(
                self.values[0],
                given,
                relative=self.relative,
                absolute=self.absolute,
                loose=self.loose,
            )
        return any(matches(value, given, loose=self.loose) for value in self.values)

    def __str__(self) -> str:
        try:
            return " or ".join(map(repr, self.values))
        except ValueError:
            return "an integer of very many digits"


class Case(NamedTuple):
    """One test: an expression to evaluate, or an input to read."""

    call: str | None
    expected: Expected | None
    setup: str = ""
    """Statements that come before the call: imports."""
    stdin: str = ""
    stdout: str = ""
    """What must be printed, where there is no call."""
