"""Simulated: the Game of 24, with moves of stated quality and verdicts of stated noise.

The simulation knows from which numbers 24 can be reached. The generator picks such a move with the
stated probability, and calculates it wrongly with another; the verifier sees whether 24 can be
reached, through noise.
"""

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from cogitate.errors import EngineRefused
from cogitate.inference import Request
from cogitate.tasks import Problem
from cogitate.tasks.arithmetic import calculate
from simulation.chance import chance, normal
from simulation.passages import passages
from simulation.rates import RATES, Rates

__all__ = ["Game24", "reachable"]

_NUMBER = r"-?\d+(?:/\d+)?"
_MOVE = re.compile(rf"({_NUMBER}) ([-+*/]) ({_NUMBER}) = ({_NUMBER}) \(left:")
_STATE = re.compile(rf"^{_NUMBER}(?: {_NUMBER})*$", re.MULTILINE)
_TARGET = Fraction(24)
_UNUSUAL = 0.1
"""How likely a move to a fraction or below zero is, against another of the same quality."""


class _Term(NamedTuple):
    value: Fraction
    expression: str


class _Move(NamedTuple):
    left: int
    sign: str
    right: int
    value: Fraction


def _moves(values: Sequence[Fraction]) -> Iterator[_Move]:
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            if i == j:
                continue
            if i < j:
                yield _Move(i, "+", j, a + b)
                yield _Move(i, "*", j, a * b)
            yield _Move(i, "-", j, a - b)
            if b:
                yield _Move(i, "/", j, a / b)


@cache
def reachable(values: tuple[Fraction, ...]) -> bool:
    """Whether 24 can be made from these numbers, which are sorted."""
    if len(values) == 1:
        return values[0] == _TARGET
    return any(reachable(_after(values, move)) for move in _moves(values))


def _after(values: Sequence[Fraction], move: _Move) -> tuple[Fraction, ...]:
    rest = [value for k, value in enumerate(values) if k not in (move.left, move.right)]
    return tuple(sorted([*rest, move.value]))


@cache
def _options(values: tuple[Fraction, ...]) -> tuple[list[_Move], list[_Move]]:
    """The moves after which 24 can be reached, and the others."""
    good: list[_Move] = []
    bad: list[_Move] = []
    for move in _moves(values):
        (good if reachable(_after(values, move)) else bad).append(move)
    return good, bad


class Game24:
    """A simulated model that plays and judges at stated rates."""

    def __init__(self, problems: Sequence[Problem], rates: Rates = RATES) -> None:
        self._numbers = {problem.id: _given(problem.metadata) for problem in problems}
        self._rates = rates

    def __call__(self, request: Request) -> str:
        """Answer one sample."""
        draw = chance(request)
        match request.operation:
            case "generate" | "step" | "finish":
                begun = request.prefix.text if request.prefix else ""
                return self._write(request, begun, draw)
            case "propose":
                return self._propose(request, draw)
            case "value":
                return self._judge(request, draw)
            case other:
                raise EngineRefused(f"the simulated player was never told how to {other}")

    def _write(self, request: Request, begun: str, draw: random.Random) -> str:
        terms = self._terms(request.problem, begun)
        if len(terms) == 1:
            return f"Answer: {terms[0].expression}"
        blocks = []
        while len(terms) > 1:
            text, terms = self._move(terms, draw, ())
            blocks.append(text)
            if "\n\n" in request.sampling.stop:
                break
        if len(terms) == 1:
            return "\n\n".join(blocks) + f"\nAnswer: {terms[0].expression}"
        return "\n\n".join(blocks) + "\n\n"

    def _propose(self, request: Request, draw: random.Random) -> str:
        shown = passages(request)
        terms = self._terms(request.problem, shown[-1].text if shown else "")
        if len(terms) == 1:
            return f"Answer: {terms[0].expression}"
        found = re.search(r"Write (\d+) different", request.messages[-1].content)
        lines: dict[str, None] = {}
        for _ in range(int(found[1])):  # type: ignore[index]  # the prompt says so
            text, after = self._move(terms, draw, lines)
            if len(after) == 1 and after[0].value == _TARGET:
                text += f" Answer: {after[0].expression}"
            lines[text] = None
        return "\n".join(line for line in lines if line)

    def _move(
        self, terms: Sequence[_Term], draw: random.Random, said: Mapping[str, None] | tuple[()]
    ) -> tuple[str, list[_Term]]:
        """Pick a move that was not said yet, where there is one."""
        values = tuple(sorted(term.value for term in terms))
        good, bad = _options(values)
        wants = draw.random() < self._rates.promising[len(terms)]
        slip = draw.random() < self._rates.slip
        for _ in range(8):
            pool = (good or bad) if wants else (bad or good)
            weights = [1.0 if _usual(move.value) else _UNUSUAL for move in pool]
            move = draw.choices(pool, weights)[0]
            text, after = _played(values, move, terms, draw.choice((-1, 1, 2)) if slip else 0)
            if not any(line.startswith(text) for line in said):
                return text, after
        return "", list(terms)

    def _terms(self, problem: str, text: str) -> list[_Term]:
        """The numbers that are left after the moves of a text, and how they came about."""
        terms = [_Term(Fraction(n), str(n)) for n in self._numbers[problem]]
        for a, sign, b, value in _MOVE.findall(text):
            left = _take(terms, Fraction(a))
            right = _take(terms, Fraction(b))
            if left is None or right is None:
                break
            terms.append(_Term(Fraction(value), f"({left.expression} {sign} {right.expression})"))
        return terms

    def _judge(self, request: Request, draw: random.Random) -> str:
        shown = passages(request)
        mood = self._rates.mood
        if shown and shown[-1].label == "solution":
            expression = shown[-1].text.rpartition("Answer:")[2].strip()
            right = self._solves(request.problem, expression)
            noise = _mixed(mood, normal("solution", request.problem, expression), draw)
            evidence = self._evidence(right, self._rates.states[1], noise)
            return f"{expression} makes {'24' if evidence > 0 else 'something else'}.\n" + (
                "sure" if evidence > 0 else "impossible"
            )
        if shown:
            values = [term.value for term in self._terms(request.problem, shown[-1].text)]
        else:
            said = _STATE.findall(request.messages[-1].content)
            values = [Fraction(word) for word in said[-1].split()]
        state = tuple(sorted(values))
        separation = self._rates.states[min(len(state), max(self._rates.states))]
        noise = _mixed(mood, normal("state", *state), draw)
        evidence = self._evidence(reachable(state), separation, noise)
        word = "likely"
        if abs(evidence) > separation / 4:
            word = "sure" if evidence > 0 else "impossible"
        tries = " ".join(_written(value) for value in state)
        return f"{tries}: tried a product, a sum and a difference of these.\n{word}"

    @staticmethod
    def _evidence(right: bool, separation: float, noise: float) -> float:
        return (separation / 2 if right else -separation / 2) + noise

    def _solves(self, problem: str, expression: str) -> bool:
        done = calculate(expression)
        return (
            done is not None
            and done.value == _TARGET
            and sorted(done.numbers) == sorted(self._numbers[problem])
        )


def _played(
    values: tuple[Fraction, ...], move: _Move, terms: Sequence[_Term], slip: int
) -> tuple[str, list[_Term]]:
    rest = list(terms)
    a, b = values[move.left], values[move.right]
    left, right = _take(rest, a), _take(rest, b)
    if left is None or right is None:
        raise EngineRefused("the simulated player took a number that is not there")
    value = move.value + slip
    rest.append(_Term(value, f"({left.expression} {move.sign} {right.expression})"))
    remaining = " ".join(_written(term.value) for term in rest)
    text = f"{_written(a)} {move.sign} {_written(b)} = {_written(value)} (left: {remaining})"
    return text, rest


def _take(terms: list[_Term], value: Fraction) -> _Term | None:
    for i, term in enumerate(terms):
        if term.value == value:
            return terms.pop(i)
    return None


def _mixed(mood: float, lasting: float, draw: random.Random) -> float:
    """Noise that is partly the state's own and partly that of the sample."""
    return math.sqrt(1 - mood) * lasting + math.sqrt(mood) * draw.gauss()


def _usual(value: Fraction) -> bool:
    return value >= 0 and value.denominator == 1


def _written(value: Fraction) -> str:
    return str(value)


def _given(metadata: Mapping[str, object]) -> list[int]:
    numbers = metadata["numbers"]
    if not isinstance(numbers, list):
        raise TypeError("a Game of 24 tells its numbers as a list")
    return [int(number) for number in numbers]
