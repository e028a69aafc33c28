"""Running a model's program where it can do no harm, and reading tests that it never sees."""

from cogitate.tasks.code.bubblewrap import Bubblewrap
from cogitate.tasks.code.case import Case, Expected
from cogitate.tasks.code.cases import parse_cases
from cogitate.tasks.code.execution import Outcome, Sandbox
from cogitate.tasks.code.snippet import Snippet

__all__ = [
    "Bubblewrap",
    "Case",
    "Expected",
    "Outcome",
    "Sandbox",
    "Snippet",
    "parse_cases",
]
