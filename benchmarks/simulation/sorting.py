"""Simulated: sorting 32 numbers, where a list suffers more errors the longer it is.

A number may be lost, doubled, or change places with its neighbour. A second look at a list mends
some errors and makes others. Lists are judged by counting (`nearness`), which needs no right answer
and no model: every strategy has the same exact judge.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence

from cogitate.errors import EngineRefused
from cogitate.graphs import Thought, ThoughtKind
from cogitate.graphs.program import nearness
from cogitate.inference import Request
from cogitate.tasks import Problem
from cogitate.tasks.graders.exact import error_scope, integers
from simulation.chance import chance
from simulation.passages import passages
from simulation.rates import RATES, Rates

__all__ = ["Sorting", "count_errors", "judge"]

_LIST = re.compile(r"\[[0-9, ]*\]")
_LOST, _DOUBLED = 0.4, 0.8


class Sorting:
    """A simulated model that sorts, merges and mends at stated rates."""

    def __init__(self, rates: Rates = RATES) -> None:
        self._rates = rates

    def __call__(self, request: Request) -> str:
        """Answer one sample."""
        draw = chance(request)
        given = _lists(request.messages[-1].content)[0]
        match request.operation:
            case "generate":
                return f"Number by number, from the smallest on.\nAnswer: {self._sort(given, draw)}"
            case "merge" | "aggregate":
                first, second = (_lists(shown.text)[0] for shown in passages(request))
                return f"Answer: {self._merge(first, second, draw)}"
            case "mend" | "refine":
                lists = [found for shown in passages(request) for found in _lists(shown.text)]
                mended = self._mend(given, lists[-1], draw)
                return f"Counting each number in both lists, I find this.\nAnswer: {mended}"
            case "critique":
                return "Count each number in both lists.\nAccept: no"
            case "step" | "finish":
                tried = _lists(request.prefix.text) if request.prefix else []
                if tried and request.operation == "finish":
                    return f"Answer: {tried[-1]}"
                if not tried:
                    return f"Number by number, from the smallest on: {self._sort(given, draw)}\n\n"
                mended = self._mend(given, tried[-1], draw)
                return f"Counting each number in both lists, I find this: {mended}\n\n"
            case other:
                raise EngineRefused(f"the simulated sorter was never told how to {other}")

    def _sort(self, given: Sequence[int], draw: random.Random) -> list[int]:
        rate = self._rates.sorts * (len(given) / 32) ** self._rates.sorts_growth
        return _spoilt(sorted(given), rate, draw)

    def _merge(self, first: Sequence[int], second: Sequence[int], draw: random.Random) -> list[int]:
        a, b, merged = list(first), list(second), []
        while a and b:
            merged.append((a if a[0] <= b[0] else b).pop(0))
        merged += a + b
        return _spoilt(merged, self._rates.merges * len(merged) / 32, draw)

    def _mend(self, given: Sequence[int], found: Sequence[int], draw: random.Random) -> list[int]:
        mends, mended = self._rates.improves, list(found)
        for i in range(len(mended) - 1):
            if mended[i] > mended[i + 1] and draw.random() < mends:
                mended[i], mended[i + 1] = mended[i + 1], mended[i]
        for number in (Counter(found) - Counter(given)).elements():
            if draw.random() < mends:
                mended.remove(number)
        for number in (Counter(given) - Counter(found)).elements():
            if draw.random() < mends:
                place = next((i for i, other in enumerate(mended) if other >= number), len(mended))
                mended.insert(place, number)
        return _spoilt(mended, self._rates.worsens, draw)


def judge(problem: Problem, text: str) -> float:
    """How near the last list of a text is to the sorted form of the problem's list."""
    lists = _LIST.findall(text)
    answer = lists[-1] if lists else None
    return nearness(problem.prompt, Thought("judged.0", ThoughtKind.SOLUTION, "", answer=answer))


def count_errors(problem: Problem, answer: str | None) -> int:
    """The errors of an answer: neighbours in the wrong order, numbers missing or too many."""
    right, found = integers(problem.reference or ""), integers(answer or "")
    if right is None:
        raise ValueError(f"{problem.id} has no list as its reference")
    return error_scope(found or [], right)


def _spoilt(numbers: Sequence[int], rate: float, draw: random.Random) -> list[int]:
    """The numbers with errors: each is lost, doubled or misplaced at this rate."""
    out: list[int] = []
    misplaced: list[int] = []
    for number in numbers:
        if draw.random() >= rate:
            out.append(number)
            continue
        kind = draw.random()
        if kind < _LOST:
            continue
        out.append(number)
        if kind < _DOUBLED:
            out.append(number)
        else:
            misplaced.append(len(out) - 1)
    for i in misplaced:
        other = next((j for j in range(i + 1, len(out)) if out[j] != out[i]), None)
        if other is not None:
            out[i], out[other] = out[other], out[i]
    return out


def _lists(text: str) -> list[list[int]]:
    return [integers(found) or [] for found in _LIST.findall(text)]
