"""Simulated: fees that nobody can know who was not told, and problems where telling does not help.

A carrier has a tariff of its own. Who was shown the right lesson about it is mostly right, who was
shown a wrong one is mostly wrong, and who was shown nothing guesses. After a failure the solver
writes the right lesson, a wrong one, or an empty phrase. Of the other two families one (`books`)
shares words with the fees and one (`sums`) shares none; there lessons teach nothing, and each that
is shown confuses.
"""

import random
import re
from collections.abc import Mapping
from typing import NamedTuple

from cogitate.inference import Request
from cogitate.tasks import Problem
from simulation.chance import chance

__all__ = ["KNOWING", "Parcels", "parcels", "right_lesson"]

_TARIFFS: Mapping[str, tuple[int, int]] = {
    "heron": (3, 4),
    "ferry": (2, 9),
    "tramway": (5, 1),
    "courier": (4, 7),
    "balloon": (6, 2),
    "caravan": (7, 3),
}
_PLACES = ("harbour", "mill", "castle", "market", "school", "lighthouse")

# What the solver is good at, fixed before anything was measured.
KNOWING = 0.90
_MISLED = 0.05
_GUESSING = 0.20
_EASY = 0.70
_CONFUSION = 0.10
"""What one lesson that does not help costs on `books` and `sums`."""
_INSIGHT = 0.60
_FALLACY = 0.20


class _Task(NamedTuple):
    """A problem, as the simulation knows it."""

    family: str
    carrier: str
    truth: int


def parcels(family: str, size: int, *, seed: int) -> dict[str, tuple[Problem, _Task]]:
    """Make problems of one family: `fees`, `books` or `sums`; no text twice."""
    draw = random.Random(f"{family}:{seed}")
    made: dict[str, tuple[Problem, _Task]] = {}
    texts: set[str] = set()
    while len(made) < size:
        a, b, c = draw.randint(2, 99), draw.randint(2, 40), draw.randint(2, 40)
        carrier, place = draw.choice([*_TARIFFS]), draw.choice(_PLACES)
        match family:
            case "fees":
                each, more = _TARIFFS[carrier]
                truth = each * a + more
                text = (
                    f"The {carrier} takes a parcel of {a} kilos to the {place}. What is the fee in "
                    "coins?"
                )
            case "books":
                truth = b * c
                text = (
                    f"A parcel of {a} kilos holds {b} books. How many books are in {c} such "
                    f"parcels for the {place}?"
                )
            case _:
                truth = a + b - c
                text = f"Calculate {a} + {b} - {c}."
        if text not in texts:
            texts.add(text)
            name = f"{family}-{seed}-{len(made)}"
            problem = Problem(id=name, prompt=text, reference=str(truth), kind="numeric")
            made[name] = problem, _Task(family, carrier, truth)
    return made


def right_lesson(text: str) -> bool:
    """Whether a lesson says what is so."""
    return any(text == _says(carrier, *tariff) for carrier, tariff in _TARIFFS.items())


class Parcels:
    """The solver: a reply to every request about the problems it was made for."""

    def __init__(self, *problems: Mapping[str, tuple[Problem, _Task]]) -> None:
        self._tasks = {name: task for some in problems for name, (_, task) in some.items()}
        self.shown = 0
        """How many lessons stood in the prompts of attempts so far."""

    def __call__(self, request: Request) -> str:
        """Reply as the rates say; equal requests get equal replies."""
        task, draw = self._tasks[request.problem], chance(request)
        if request.operation == "reflect":
            return _lesson(task, draw)
        lessons = re.findall(r"^- (.*)$", request.messages[-1].content, re.MULTILINE)
        self.shown += len(lessons)
        right = draw.random() < _rate(task, lessons)
        return f"Answer: {task.truth if right else task.truth + draw.randint(1, 9)}"


def _rate(task: _Task, lessons: list[str]) -> float:
    if task.family != "fees":
        return max(0.0, _EASY - _CONFUSION * len(lessons))
    about = [lesson for lesson in lessons if task.carrier in lesson]
    if _says(task.carrier, *_TARIFFS[task.carrier]) in about:
        return KNOWING
    return _MISLED if about else _GUESSING


def _lesson(task: _Task, draw: random.Random) -> str:
    luck = draw.random()
    each, more = _TARIFFS[task.carrier]
    if luck < _INSIGHT:
        return _says(task.carrier, each, more)
    if luck < _INSIGHT + _FALLACY:
        return _says(task.carrier, each + draw.randint(1, 3), more)
    return "I was careless. Next time I read the question twice."


def _says(carrier: str, each: int, more: int) -> str:
    return f"The {carrier} takes {each} coins for each kilo and {more} more."
