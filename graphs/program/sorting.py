"""Sorting as Graph of Thoughts does it (Besta et al. 2024, arXiv:2308.09687): split, sort, merge.

The list is halved until there are `parts` sub-lists; each is sorted k times and the best attempt
kept; the halves are merged pair by pair, k times each, the best merge kept; the last merge is
refined k times unless it is right already. Lists are scored without the right answer, by the
paper's errors: neighbours in the wrong order plus numbers that are missing or too many, compared
with the list that was to be sorted; the score is 1 - errors / length, and at least 0.

Departures from the paper: the list is split exactly, by a function instead of a model; and by
halves of halves, so that every merge has a list of its own to be scored against.
"""

import re
from itertools import pairwise

from cogitate.agents import Brief, Passage, Shot, Template
from cogitate.errors import ConfigError
from cogitate.graphs.program.choose import Given, GroundTruth, KeepBest, Part, Score
from cogitate.graphs.program.stage import Stage, Wording
from cogitate.graphs.program.transform import Aggregate, Generate, Refine, Split
from cogitate.graphs.thought import Thought
from cogitate.tasks.graders.exact import error_scope, integers

__all__ = ["halves", "nearness", "sorting"]

_LIST = re.compile(r"\[[-+0-9,\s]*\]")
_SYSTEM = "You sort lists of numbers and end with a line that begins with Answer:"
_PUT = "Give it on the last line, in this form:\nAnswer: [the numbers]"

_SORT = Wording(
    "sort",
    Template(
        "{problem}\n\nWrite the smallest number first, and each number as often as it is there. "
        + _PUT,
        system=_SYSTEM,
    ),
    shots=(
        Shot(Brief("Sort this list: [3, 1, 4, 1, 5, 9, 2, 6]"), "Answer: [1, 1, 2, 3, 4, 5, 6, 9]"),
        Shot(Brief("Sort this list: [7, 0, 7, 2, 0, 8]"), "Answer: [0, 0, 2, 7, 7, 8]"),
    ),
)
_MERGE = Wording(
    "merge",
    Template(
        "{work}\n\nMerge these two sorted lists into one list in ascending order. Take the smaller "
        "of the two first numbers each time, and keep every duplicate. " + _PUT,
        system=_SYSTEM,
    ),
    shots=(
        Shot(
            Brief("", (Passage("list 1", "[1, 1, 4, 7]"), Passage("list 2", "[0, 1, 4, 9]"))),
            "Answer: [0, 1, 1, 1, 4, 4, 7, 9]",
        ),
        Shot(
            Brief("", (Passage("list 1", "[2, 5, 5]"), Passage("list 2", "[3, 3, 8]"))),
            "Answer: [2, 3, 3, 5, 5, 8]",
        ),
    ),
    label="list",
    answers=True,
)
_MEND = Wording(
    "mend",
    Template(
        "Problem:\n{problem}\n\n{work}\n\nThis list should be the sorted form of the given one, "
        "and is not: numbers are missing, too many, or in the wrong place. Count each number in "
        "both lists, and write the list as it should be. " + _PUT,
        system=_SYSTEM,
    ),
    shots=(
        Shot(
            Brief("Sort [3, 7, 0, 2, 8, 1, 2, 2, 2].", (Passage("list", "[0, 1, 2, 2, 3, 7, 8]"),)),
            "The given list has four 2, this one two: two are missing.\n"
            "Answer: [0, 1, 2, 2, 2, 2, 3, 7, 8]",
        ),
        Shot(
            Brief("Sort [6, 4, 5, 1, 9, 4].", (Passage("list", "[1, 4, 4, 6, 5, 9]"),)),
            "No number is missing or too many; 5 comes before 6.\nAnswer: [1, 4, 4, 5, 6, 9]",
        ),
    ),
    label="list",
    answers=True,
)


def sorting(*, parts: int = 2, k: int = 5) -> Stage:
    """Split a list, sort the parts, merge them pair by pair, and mend the whole.

    Args:
        parts: Sub-lists to sort: a power of two (the paper: one for each 16 numbers).
        k: Attempts at each sort, merge and mending.

    Raises:
        ConfigError: `parts` is no power of two.
    """
    if parts < 1 or parts & (parts - 1):
        raise ConfigError(f"sorting(parts={parts}): give a power of two, such as 2 or 4")
    given = Given()
    merged = _sorted(given, parts, k)
    mended = Score(Refine(merged, k=k, critique=False, below=1.0, wording=_MEND), by=nearness)
    return GroundTruth(KeepBest((merged, mended)))


def _sorted(given: Stage, parts: int, k: int) -> Stage:
    """Sort a list by itself, or its halves first."""
    if parts == 1:
        return KeepBest(Score(Generate(given, k=k, wording=_SORT), by=nearness))
    split = Split(given, into=2, parts=halves)
    pair = [_sorted(Part(split, half), parts // 2, k) for half in (0, 1)]
    return KeepBest(Score(Aggregate(pair, k=k, wording=_MERGE), by=nearness))


def nearness(problem: str, solution: Thought) -> float:
    """How near a list is to the sorted form of the problem's: 1 - errors / length, at least 0.

    Example:
        >>> from cogitate.graphs import ThoughtKind
        >>> found = Thought("s.0", ThoughtKind.SOLUTION, "", answer="[1, 3, 2, 3]")
        >>> nearness("Sort [3, 1, 2, 1].", found)  # 3 before 2; a 1 missing; a 3 too many
        0.25
    """
    expected, found = _numbers(problem), integers(solution.answer or "")
    if not expected or not found:
        return 0.0
    return max(0.0, 1 - error_scope(found, expected) / len(expected))


def halves(problem: str, into: int) -> list[str]:
    """Write a problem once for each part of its list, in its own words.

    Example:
        >>> halves("Sort this list: [3, 1, 2]", 2)
        ['Sort this list: [3]', 'Sort this list: [1, 2]']

    Raises:
        ConfigError: It has no list of so many numbers.
    """
    numbers = _numbers(problem)
    if len(numbers) < into:
        raise ConfigError(
            f"the sorting program needs a problem with a list of at least {into} numbers, such as "
            "[3, 1, 2]: choose fewer parts, or program=default"
        )
    ends = [len(numbers) * i // into for i in range(into + 1)]
    [*_, last] = _LIST.finditer(problem)
    return [
        problem[: last.start()] + str(numbers[start:end]) + problem[last.end() :]
        for start, end in pairwise(ends)
    ]


def _numbers(problem: str) -> list[int]:
    """The last list in a problem's text."""
    lists = _LIST.findall(problem)
    return (integers(lists[-1]) or []) if lists else []
