"""A model for tests of every strategy: it answers whatever it is asked, and plausibly.

What it says follows from the prompt, the position and the sample number alone, so that equal
searches hear equal replies in whatever order they ask. It reads in the prompt which form is wanted,
as a model does, so it can also stand behind a server that tells no operation.
"""

import asyncio
import math
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cogitate.errors import EngineRefused
from cogitate.inference import (
    Completion,
    EngineInfo,
    Price,
    Rating,
    Request,
    Score,
    Scripted,
    Usage,
)

PRICE = Price(prompt=2.0, completion=10.0)
_SEVERAL = re.compile(r"\b(?:one|single|each|a)\b[^.]{0,40}\bline\b", re.IGNORECASE)
_COUNT = re.compile(r"\b(?:Write|Propose|List|Give|Name)\b\D{0,40}(\d+)")


def think(request: Request, *, seed: int = 0) -> str:
    """What the model says to a request for one sample."""
    asked = request.messages[-1].content
    begun = request.prefix.text if request.prefix else ""
    place = f"{seed}:{request.position}:{request.sample}:{asked}:{begun}"
    chance = random.Random(place)
    if chance.random() < 0.03:
        return chance.choice(["", "No idea.", "Answer:", "Score: many\nAccept: perhaps"])
    form = asked[-700:]
    answer = chance.choice(["42", "42", "41", "40", "24", "[1, 2, 3]"])
    if begun:
        return _steps(chance, answer, 3 - begun.count("\n\n"))
    if "<|reflect|>" in asked:
        return f"6 * 7 = 40\n<|reflect|>\nNot so.\n<|explore|>\n6 * 7 = 42\nAnswer: {answer}"
    if "different" in form and _SEVERAL.search(form):
        return _proposals(chance, answer, int((_COUNT.search(form) or ["", "3"])[1]))
    if "blank line" in form:
        return _steps(chance, answer, 3)
    if "an action" in form and chance.random() < 0.7:
        return chance.choice(["Action: calculator[6 * 7]", "Action: look up[six]", "Action: think"])
    lines = {
        "Answer:": answer,
        "Accept:": chance.choice(["yes", "no", "no"]),
        "Choice:": str(chance.randrange(1, 4)),
        "Score:": str(chance.randrange(11) / 10),
    }
    if "an action" in form:
        return f"Thought: I know.\nAnswer: {answer}"
    marked = [f"{mark} {value}" for mark, value in lines.items() if mark in form]
    return "\n".join([f"The sum is {chance.randrange(100)}.", *marked])


def _steps(chance: random.Random, answer: str, most: int) -> str:
    steps = [f"Then {chance.randrange(100)}.\n\n" for _ in range(chance.randrange(max(most, 1)))]
    return "".join(steps) + f"Answer: {answer}"


def _proposals(chance: random.Random, answer: str, n: int) -> str:
    lines = [f"{i}. Try {chance.randrange(100)}" for i in range(1, n + 1)]
    if chance.random() < 0.4:
        lines[-1] += f". Answer: {answer}"
    return "\n".join(lines)


Judges = Literal["text", "logprob", "outcome", "process"]


@dataclass
class Bill:
    """What a model gave, counted by itself."""

    calls: int = 0
    tokens: int = 0
    money: float = 0.0

    def add(self, usage: Usage) -> None:
        self.calls += usage.calls
        self.tokens += usage.tokens
        self.money += usage.money


async def at_once(_request: Request) -> None:
    """Keep nobody waiting."""


class Thinker:
    """An engine that thinks; its completions carry tokens and log-probabilities.

    Args:
        seed: Another seed, another mind.
        judges: How it judges as a verifier: in words, by the odds of yes, or as a reward model.
        counts: Whether it tells the tokens of a prompt before it is asked.
        failing: The share of positions at which it refuses to answer.
        before: Awaited before each reply: how long it takes, or whether it hangs.
        name: What it is called.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        judges: Judges = "text",
        counts: bool = True,
        failing: float = 0.0,
        before: Callable[[Request], Awaitable[None]] = at_once,
        name: str = "thinker",
    ) -> None:
        def share(*place: object) -> float:
            return random.Random(f"{seed}:{place}").uniform(0.01, 0.99)

        def reward(request: Request, steps: Sequence[str]) -> list[float]:
            rated = range(1, len(steps) + 1) if judges == "process" else [len(steps)]
            return [share(request.problem, steps[:end]) for end in rated]

        self._script = Scripted(
            lambda request: think(request, seed=seed),
            logprob=lambda request, text: math.log(share(request.position, text)),
            reward=reward,
            rates="outcome" if judges == "outcome" else "process",
        )
        self._counts = counts
        self._failing = failing
        self._before = before
        self.info = EngineInfo(
            model=f"scripted/{name}",
            logprobs=True,
            scores=judges == "logprob",
            rates=judges if judges in ("outcome", "process") else None,
            price=PRICE,
        )
        self.bill = Bill()
        """All that it gave; for what was cancelled, the most that it might have given."""
        self.requests: list[Request] = []
        self.busy = 0
        """Requests under way."""

    def count(self, request: Request) -> int | None:
        return self._script.count(request) if self._counts else None

    async def complete(self, request: Request) -> list[Completion]:
        self._begin(request)
        prompt = self._script.count(request)
        most = prompt + request.n * request.sampling.max_tokens
        spent = self._priced(Usage(prompt, 0, most - prompt, request.n))
        try:
            await self._before(request)
            if random.Random(f"{request.position} fails").random() < self._failing:
                spent = Usage(calls=request.n)
                raise EngineRefused("it does not want to: ask for something else")
            given = [self._known(request, c) for c in await self._script.complete(request)]
            spent = sum((completion.usage for completion in given), Usage(calls=0))
            return given
        finally:
            self._end(spent)

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        self._begin(request)
        spent = Usage(self._script.count(request), calls=len(texts))
        try:
            await self._before(request)
            given = await self._script.score(request, texts)
            return [replace(score, usage=self._priced(score.usage)) for score in given]
        finally:
            self._end(self._priced(spent))

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        self._begin(request)
        spent = Usage(calls=1)
        try:
            await self._before(request)
            given = await self._script.rate(request, steps)
            spent = self._priced(given.usage)
            return replace(given, usage=spent)
        finally:
            self._end(spent)

    async def close(self) -> None:
        pass

    def _begin(self, request: Request) -> None:
        self.requests.append(request)
        self.busy += 1

    def _end(self, spent: Usage) -> None:
        self.busy -= 1
        self.bill.add(spent)

    def _known(self, request: Request, completion: Completion) -> Completion:
        """Add tokens, their log-probabilities and the price."""
        words = completion.text.split()
        said = "\0".join(message.content for message in request.messages)
        return replace(
            completion,
            model=self.info.model,
            prompt_ids=tuple(_token(word) for word in said.split()),
            token_ids=tuple(map(_token, words)),
            logprobs=tuple(-(_token(word) % 97) / 50 for word in words),
            usage=self._priced(completion.usage),
        )

    @staticmethod
    def _priced(usage: Usage) -> Usage:
        money = (usage.prompt * PRICE.prompt + usage.completion * PRICE.completion) / 1_000_000
        return replace(usage, money=money)


def _token(word: str) -> int:
    return zlib.crc32(word.encode()) % 50_000


def shuffled(chance: random.Random) -> Callable[[Request], Awaitable[None]]:
    """Let each reply take a random number of the loop's turns: a schedule of its own each time."""

    async def wait(_request: Request) -> None:
        for _ in range(chance.choice([0, 1, 2, 5, 13, 40])):
            await asyncio.sleep(0)

    return wait
