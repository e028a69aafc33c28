"""Simulated: step-wise arithmetic, calculations in a row, each working on the result before it.

An error stays: what follows works on the wrong result. Steps are worded in many ways, so two right
solutions are two texts. The verifier knows whether all results so far are right and says so through
noise, which belongs to the text: it says the same when asked again, and its errors persist from
step to step.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cogitate.errors import EngineRefused
from cogitate.inference import Request
from cogitate.tasks import Problem
from simulation.chance import calibrated, chance, normal
from simulation.passages import passages
from simulation.rates import RATES, Level, Rates

__all__ = ["Arithmetic", "problems"]

_SIGN = {"add": "+", "subtract": "-", "multiply by": "*"}
_SLIPS = (-100, -20, -10, -9, -2, -1, 1, 2, 9, 10, 20, 100)
_WORDINGS = [
    f"{where} {what}"
    for where in (
        "the value is {before}",
        "I am at {before}",
        "so far I have {before}",
        "{before} is where I stand",
        "we have come to {before}",
        "what I have is {before}",
    )
    for what in (
        "and I have to {verb} {operand}, so",
        "and the next thing is to {verb} {operand}, thus",
        "and now I {verb} {operand}, which makes",
        "to which I {verb} {operand} as told, hence",
    )
]
_STEP = re.compile(r"Step \d+: [^\n]*? = (-?\d+)\.")
_ANSWER = re.compile(r"^Answer: (-?\d+)", re.MULTILINE)


class _Operation(NamedTuple):
    verb: str
    operand: int

    def of(self, value: int) -> int:
        match self.verb:
            case "add":
                return value + self.operand
            case "subtract":
                return value - self.operand
            case _:
                return value * self.operand


@dataclass(frozen=True, slots=True)
class _Chain:
    """A problem, as the simulation knows it."""

    start: int
    operations: tuple[_Operation, ...]
    level: Level

    def truth(self) -> list[int]:
        values = [self.start]
        for operation in self.operations:
            values.append(operation.of(values[-1]))
        return values[1:]


def problems(size: int, *, seed: int, rates: Rates = RATES) -> dict[str, tuple[Problem, _Chain]]:
    """Make problems, with as many of each difficulty as of any other."""
    made = {}
    for i in range(size):
        level = rates.levels[i % len(rates.levels)]
        draw = random.Random(f"arithmetic:{seed}:{i}")
        chain = _chain(draw, level)
        listed = "; ".join(f"{verb} {operand}" for verb, operand in chain.operations)
        name = f"arithmetic-{seed}-{i}"
        problem = Problem(
            id=name,
            prompt=f"Start with {chain.start}. Then, one after the other: {listed}. What is the "
            "result?",
            reference=str(chain.truth()[-1]),
            kind="numeric",
        )
        made[name] = problem, chain
    return made


def _chain(draw: random.Random, level: Level) -> _Chain:
    start = value = draw.randint(10, 99)
    operations = []
    for _ in range(level.steps):
        verbs = ["add", "subtract", "multiply by"] if abs(value) < 200 else ["add", "subtract"]
        verb = draw.choice(verbs)
        operation = _Operation(
            verb, draw.randint(2, 9) if verb == "multiply by" else draw.randint(10, 99)
        )
        operations.append(operation)
        value = operation.of(value)
    return _Chain(start, tuple(operations), level)


class Arithmetic:
    """A simulated model that calculates, criticises, verifies and refines at stated rates."""

    def __init__(self, chains: dict[str, tuple[Problem, _Chain]], rates: Rates = RATES) -> None:
        self._chains = {name: chain for name, (_, chain) in chains.items()}
        self._rates = rates

    def __call__(self, request: Request) -> str:
        """Answer one sample."""
        chain, draw = self._chains[request.problem], chance(request)
        match request.operation:
            case "generate" | "step" | "finish":
                return self._write(request, chain, draw)
            case "propose":
                return self._propose(request, chain, draw)
            case "value":
                return f"Score: {self._score(request, chain):.6f}"
            case "critique":
                return self._critique(request, chain, draw)
            case "refine":
                return self._refine(request, chain, draw)
            case other:
                raise EngineRefused(f"the simulated calculator was never told how to {other}")

    def _write(self, request: Request, chain: _Chain, draw: random.Random) -> str:
        begun = request.prefix.text if request.prefix else ""
        if _ANSWER.search(begun):
            return ""
        whole, _, tail = begun.rpartition("\n\n") if "\n\n" in begun else ("", "", begun)
        values = _results(whole)
        written, enough = [], request.sampling.max_tokens
        while len(values) < len(chain.operations):
            said = _results(tail)
            value = said[0] if said else self._result(request, chain, values, draw)
            blocks = [_block(chain, values, value, wording) for wording in _WORDINGS]
            block = draw.choice(
                [one for one in blocks if one.startswith(tail)] or [" " + blocks[0]]
            )
            values.append(value)
            written.append(block.removeprefix(tail))
            tail = ""
            enough -= len(written[-1].split())
            if "\n\n" in request.sampling.stop or enough < 0:
                break
        more = "\n\n" if len(values) < len(chain.operations) else ""
        return "\n\n".join(written) + more

    def _result(
        self, request: Request, chain: _Chain, values: Sequence[int], draw: random.Random
    ) -> int:
        """The next result: right, or wrong out of habit, or wrong in some way."""
        before = values[-1] if values else chain.start
        right = chain.operations[len(values)].of(before)
        if draw.random() >= self._error(chain, first=not values):
            return right
        if draw.random() < self._rates.habit:
            draw = random.Random(f"habit:{request.problem}:{len(values)}:{before}")
        return right + draw.choice(_SLIPS)

    def _error(self, chain: _Chain, *, first: bool) -> float:
        """The probability that a step errs; the front's share of all of them falls on the first."""
        steps, error, front = *chain.level, self._rates.front
        share = (1 - front) + front * steps if first else 1 - front
        return 1 - (1 - error) ** share if front else error

    def _propose(self, request: Request, chain: _Chain, draw: random.Random) -> str:
        shown = passages(request)
        values = _results(shown[-1].text) if shown else []
        found = re.search(r"Write (\d+) different", request.messages[-1].content)
        tried = [self._result(request, chain, values, draw) for _ in range(int(found[1]))]  # type: ignore[index]
        blocks = (
            _block(chain, values, value, draw.choice(_WORDINGS)) for value in dict.fromkeys(tried)
        )
        return "\n".join(block.replace("\n", " ") for block in blocks)

    def _score(self, request: Request, chain: _Chain) -> float:
        shown = passages(request)[-1]
        values = _results(shown.text)
        whole = shown.label == "solution"
        answer = _ANSWER.search(shown.text)
        right = values == chain.truth()[: len(values)] and not (whole and answer is None)
        separation = self._rates.whole if whole else self._rates.partial
        return calibrated(right, separation, self._noise(request.problem, shown.text))

    def _noise(self, problem: str, text: str) -> float:
        keep = self._rates.persistence
        noise, fresh = 0.0, 1.0
        for step in _STEP.finditer(text):
            noise = keep * noise + fresh * normal(problem, text[: step.end()])
            fresh = math.sqrt(1 - keep * keep)
        return noise if fresh < 1.0 else normal(problem)

    def _critique(self, request: Request, chain: _Chain, draw: random.Random) -> str:
        values, truth = _results(passages(request)[-1].text), chain.truth()
        right = values == truth
        rates = self._rates
        accepts = draw.random() < (rates.critic_accepts if right else 1 - rates.critic_finds)
        if accepts:
            return "Every step follows from the one before and is calculated rightly.\nAccept: yes"
        step = draw.randrange(len(truth)) if right else _first_wrong(values, truth)
        return (
            f"Step {step + 1} is wrong: its result does not follow from the value before it. Do it "
            "again, and all that comes after it.\nAccept: no"
        )

    def _refine(self, request: Request, chain: _Chain, draw: random.Random) -> str:
        drafts = [shown for shown in passages(request) if shown.label == "solution"]
        values, truth = _results(drafts[-1].text), chain.truth()
        if values == truth:
            if draw.random() >= self._rates.refiner_spoils:
                return _whole(chain, values, draw)
            step = draw.randrange(len(truth))
            kept = [*values[:step], truth[step] + draw.choice(_SLIPS)]
        else:
            step = _first_wrong(values, truth)
            mended = draw.random() < self._rates.refiner_mends
            kept = [*truth[:step], truth[step] + (0 if mended else draw.choice(_SLIPS))]
        while len(kept) < len(truth):
            kept.append(self._result(request, chain, kept, draw))
        return _whole(chain, kept, draw)


def _results(text: str) -> list[int]:
    """The results that a text states, step by step."""
    return [int(value) for value in _STEP.findall(text)]


def _block(chain: _Chain, values: Sequence[int], value: int, wording: str) -> str:
    """The text of the step after `values`; the last one carries the answer."""
    number, before = len(values) + 1, values[-1] if values else chain.start
    verb, operand = chain.operations[len(values)]
    left = len(chain.operations) - number
    text = (
        f"Step {number}: {wording.format(before=before, verb=verb, operand=operand)} {before} "
        f"{_SIGN[verb]} {operand} = {value}. The value is now {value}, and {left} of the "
        "calculations are left."
    )
    return text if left else f"{text}\nAnswer: {value}"


def _whole(chain: _Chain, values: Sequence[int], draw: random.Random) -> str:
    return "\n\n".join(
        _block(chain, values[:i], value, draw.choice(_WORDINGS)) for i, value in enumerate(values)
    )


def _first_wrong(values: Sequence[int], truth: Sequence[int]) -> int:
    wrong = (i for i, pair in enumerate(zip(values, truth, strict=False)) if pair[0] != pair[1])
    return next(wrong, min(len(values), len(truth) - 1))
