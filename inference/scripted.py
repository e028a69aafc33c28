"""An engine that answers from a script: for tests, simulations and measuring our own overhead.

It follows the rules of a real engine (stop strings, `max_tokens`, token counts, n samples), so that
what is shown with it holds for a model. A token is a run of non-blanks with the blanks before it.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Literal

from cogitate.errors import ConfigError, EngineRefused
from cogitate.inference.completion import Completion, FinishReason, Rating, Score, Usage
from cogitate.inference.engine import EngineInfo
from cogitate.inference.request import Request
from cogitate.inference.text import before_stop, valid_unicode

__all__ = ["Scripted"]

_TOKEN = re.compile(r"\s*\S+")


class Scripted:
    """Answer with `replies`: a list, used in order and then again from its start, or a function.

    Args:
        replies: Texts or completions; or a function of the request that is called once per sample
            (`request.sample` is its number, `request.n` is 1). It may raise an `EngineError`.
        latency: Seconds that each call takes, whatever its n.
        logprob: The log-probability of a text after a request; without it `score` is refused.
        reward: The scores of a reply's steps (of a process model one each, of an outcome model one
            in all), in [0, 1], after a request; without it `rate` is refused.
        rates: What kind of reward model `reward` plays.
        name: What follows `scripted/` in the model's name.

    Example:
        >>> import asyncio
        >>> from cogitate.inference import Message, Request
        >>> engine = Scripted(["Answer: 4"])
        >>> request = Request(messages=(Message("user", "2 + 2?"),))
        >>> asyncio.run(engine.complete(request))[0].text
        'Answer: 4'
    """

    def __init__(
        self,
        replies: Sequence[str | Completion] | Callable[[Request], str | Completion],
        *,
        latency: float = 0.0,
        logprob: Callable[[Request, str], float] | None = None,
        reward: Callable[[Request, Sequence[str]], Sequence[float]] | None = None,
        rates: Literal["outcome", "process"] = "process",
        name: str = "script",
    ) -> None:
        if isinstance(replies, str):
            raise ConfigError("replies is one text: give a list of texts, or a function")
        if not callable(replies) and not replies:
            raise ConfigError("replies is empty: give at least one text, or a function")
        script = None if callable(replies) else cycle(replies)
        self._reply = replies if callable(replies) else lambda _request: next(script)  # type: ignore[arg-type]  # script is None only for a function
        self._latency = latency
        self._logprob = logprob
        self._reward = reward
        self._closed = False
        self._counted: tuple[Request | None, int] = None, 0
        self.info = EngineInfo(
            model=f"scripted/{name}",
            scores=logprob is not None,
            rates=None if reward is None else rates,
        )
        self.calls = 0
        """Calls of `complete` so far."""

    def count(self, request: Request) -> int:
        """The words of all messages and the prefix."""
        if request is self._counted[0]:  # who keeps a budget counts just before asking
            return self._counted[1]
        words = len(request.prefix.text.split()) if request.prefix else 0
        for message in request.messages:
            words += len(message.content.split())
        self._counted = request, words
        return words

    async def complete(self, request: Request) -> list[Completion]:
        """Answer each sample from the script."""
        if self._closed:
            raise EngineRefused("this scripted engine is closed: make a new one")
        self.calls += 1
        started = time.perf_counter()
        prompt = self.count(request)
        replies = [self._reply(one) for one in request.each()]
        if self._latency:
            await asyncio.sleep(self._latency)
        latency = time.perf_counter() - started
        return [
            reply
            if isinstance(reply, Completion)
            else self._completion(reply, request, 0 if i else prompt, latency)
            for i, reply in enumerate(replies)
        ]

    def _completion(self, text: str, request: Request, prompt: int, latency: float) -> Completion:
        text = valid_unicode(text)
        finish: FinishReason = "stop"
        stops = request.sampling.stop
        text, stop = before_stop(text, stops) if stops else (text, None)
        tokens = len(text.split())
        limit = request.sampling.max_tokens
        if tokens > limit:
            *_, last = islice(_TOKEN.finditer(text), limit)
            text, tokens, finish, stop = text[: last.end()], limit, "length", None
        return Completion(
            text=text,
            finish=finish,
            stop=stop,
            usage=Usage(prompt=prompt, completion=tokens),
            model=self.info.model,
            adapter=request.adapter,
            latency=latency,
        )

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """Score each text with the function given as `logprob`."""
        if self._logprob is None:
            raise EngineRefused("this scripted engine cannot score: give it logprob=...")
        prompt = self.count(request)
        return [
            Score(text, (0,), (self._logprob(request, text),), Usage(0 if i else prompt, calls=1))
            for i, text in enumerate(texts)
        ]

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate the steps with the function given as `reward`."""
        if self._reward is None:
            raise EngineRefused("this scripted engine is no reward model: give it reward=...")
        if self._closed:
            raise EngineRefused("this scripted engine is closed: make a new one")
        if not all(steps) or not steps:
            raise EngineRefused("cannot rate a reply without text: give steps that say something")
        scores = tuple(float(score) for score in self._reward(request, steps))
        expected = len(steps) if self.info.rates == "process" else 1
        if len(scores) != expected or not all(0 <= score <= 1 for score in scores):
            raise ConfigError(
                f"reward gave {scores} for {len(steps)} steps: give {expected} of [0, 1]"
            )
        if self._latency:
            await asyncio.sleep(self._latency)
        words = sum(len(step.split()) for step in steps)
        return Rating(scores, Usage(self.count(replace(request, prefix=None)) + words))

    async def close(self) -> None:
        """Refuse requests from now on."""
        self._closed = True
