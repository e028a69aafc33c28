"""Which problems are kept for measuring, so that nothing is learned from them.

Two kinds: the evaluation sets that come with the package, known by their texts, however written
(`folded`; a user's own file of the same form is not among them), and generated items from seed
1,000,000 on. Left out: test splits of the Hugging Face hub, whose problems do not tell their split.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from cogitate.tasks.load import load
from cogitate.tasks.problem import Problem

__all__ = ["FIRST_HELD_BACK_SEED", "folded", "held_back", "same_text"]

FIRST_HELD_BACK_SEED = 1_000_000
_SHIPPED = ("gsm8k", "math", "game24", "sorting")


def same_text(text: str) -> str:
    """Return the form in which two texts are compared: without differences of white space."""
    return " ".join(text.split())


def folded(text: str) -> str:
    """Return a text without what a copy of it may have lost, to find copies.

    That is case, white space, invisible characters, the form of quotation marks, dashes and minus
    signs, and the forms that Unicode holds to be the same (NFKC: full-width digits, accents in
    parts).

    Example:
        >>> folded("Janet\u2019s \uff11\uff16  ducks")
        "janet's 16 ducks"
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = (c for c in plain.translate(_SIGNS) if c.isascii() or unicodedata.category(c) != "Cf")
    return " ".join("".join(seen).split())


_SIGNS: Mapping[int, str] = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u02bc"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-"),
}


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
    name = _shipped().get(folded(problem.prompt))
    return None if name is None else f"it is in the evaluation set {name!r}"


@lru_cache(maxsize=1)
def _shipped() -> dict[str, str]:
    return {folded(problem.prompt): name for name in _SHIPPED for problem in load(name)}
