"""Which problems are kept for measuring, so that nothing is learned from them.

Two kinds: the evaluation sets that come with the package, known by their texts (a user's own file
of the same form is not among them), and generated items from seed 1,000,000 on. Left out: test
splits of the Hugging Face hub, whose problems do not tell their split.
"""

from functools import lru_cache

from cogitate.tasks.load import load
from cogitate.tasks.problem import Problem

__all__ = ["FIRST_HELD_BACK_SEED", "held_back", "same_text"]

FIRST_HELD_BACK_SEED = 1_000_000
_SHIPPED = ("gsm8k", "math", "game24", "sorting")


def same_text(text: str) -> str:
    """Return the form in which two texts are compared: without differences of white space."""
    return " ".join(text.split())


def held_back(problem: Problem) -> str | None:
    """Return why nothing may be trained on `problem` or remembered of it, or None where it may.

    Example:
        >>> held_back(Problem(id="gcd-1000000", prompt="...", kind="reasoning_gym"))
        'generated items from seed 1000000 on are for measuring'
        >>> held_back(Problem(id="gcd-999999", prompt="...", kind="reasoning_gym"))
    """
    if problem.kind == "reasoning_gym":
        seed = problem.id.rpartition("-")[2]
        if not seed.isdecimal() or int(seed) >= FIRST_HELD_BACK_SEED:
            return f"generated items from seed {FIRST_HELD_BACK_SEED} on are for measuring"
    name = _shipped().get(same_text(problem.prompt))
    return None if name is None else f"it is in the evaluation set {name!r}"


@lru_cache(maxsize=1)
def _shipped() -> dict[str, str]:
    return {same_text(problem.prompt): name for name in _SHIPPED for problem in load(name)}
