"""What is said of a method of learning, beside its code: what it needs, costs, and when it pays.

It is for trainers, rewards, credit and loops what `@strategy` is for strategies, with one
difference: nothing is registered. A list of methods should not wait for torch, which some of these
modules import, so the texts are read from the source (see `training/methods.py`), and the decorator
changes nothing. A test looks at every public name of those folders and finds one without a text.
"""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["described"]

T = TypeVar("T")


def described(name: str, *, paper: str = "", needs: str, costs: str, pays: str) -> Callable[[T], T]:
    """Say what a function or a class that learns, or that learning rests on, is.

    All are written as plain texts, not computed.

    Args:
        name: How lists, records and `cogitate train` call it.
        paper: Where it comes from; empty for what is our own.
        needs: Rows of which kind, rollouts, a graph with which grades.
        costs: In passes of a model, samples and memory.
        pays: When it is worth that, and when not.
    """

    def keep(made: T) -> T:
        return made

    return keep
