"""Any server that speaks the OpenAI chat completions protocol, as an engine.

Servers differ in what they understand beyond the plain protocol, and none says so. What is not
universal is off until it is asked for, and what a server gets wrong is mended here: one that gives
fewer than n samples is asked for the rest, one that leaves stop strings or reasoning in the text
has them set apart.

Left out: streaming (a strategy has no use for half a thought), tools, and token ids, which few
servers give; so completions from here cannot become RL rows.
"""

import asyncio
import re
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import JsonValue

from cogitate.errors import ConfigError, EngineError, EngineRefused, EngineUnavailable
from cogitate.inference.completion import Completion, FinishReason, Rating, Score, Usage
from cogitate.inference.engine import EngineInfo, Price
from cogitate.inference.interrupted import Interrupted, only, share_prompt
from cogitate.inference.openai.failure import failure, said
from cogitate.inference.openai.first_token import first_token_logprobs
from cogitate.inference.openai.limits import RateLimit
from cogitate.inference.openai.secret import Secret
from cogitate.inference.openai.server import Response, Server
from cogitate.inference.openai.tally import usages
from cogitate.inference.openai.wire import (
    Chat,
    Choice,
    Dialect,
    MaxTokensField,
    dumps,
    encode,
    parse,
    prompt_bytes,
)
from cogitate.inference.request import Request, Sampling
from cogitate.inference.text import before_stop, split_reasoning, valid_unicode

__all__ = ["OpenAI"]

_HOME = "https://api.openai.com/v1"
_HOME_KEY = "OPENAI_API_KEY"
_MOST = 128
"""The largest n that OpenAI takes, and so most servers; some take 1."""
_ABOUT_N = re.compile(r"(?<!\w)n(?!\w)")
_TOP = 20
"""The most likely tokens that a server shows."""


class OpenAI:
    """A model behind an OpenAI-compatible server.

    Args:
        model: As the server calls it.
        base_url: The server's address, such as `http://127.0.0.1:8000/v1`; None is OpenAI itself.
        api_key_env: The environment variable that holds the key. Servers other than OpenAI's are
            sent the key in `OPENAI_API_KEY` where there is one, and none where there is not.
        concurrency: The most calls under way at a time; the others wait in line.
        timeout: Seconds that one call may take.
        requests_per_minute: What the server allows; None is no limit.
        tokens_per_minute: What the server allows, prompt and completions; None is no limit.
        price: For money budgets.
        context: Tokens of prompt and completion together, where it is known.
        logprobs: Ask for the log-probability of each token. Servers report it at temperature 1.
        scores: Score texts that differ in their first token, by the server's likeliest tokens.
        continues: Whether the server can continue a reply's beginning (vLLM and SGLang can, by
            `continue_final_message`); `"echo"` where it then repeats the beginning. Where it
            cannot, the model is shown the beginning as its own turn, and asked to go on.
        seeds: Send a seed, made from the run's seed, the position and the sample numbers.
        max_tokens_as: What the server calls the most tokens of a reply.

    Raises:
        ConfigError: A key is missing, or an option or the address cannot be used.

    Example:
        >>> OpenAI("critic", base_url="http://127.0.0.1:8000/v1").info.model
        'openai/critic'
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str = _HOME_KEY,
        concurrency: int = 32,
        timeout: float = 600.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        price: Price | None = None,
        context: int | None = None,
        logprobs: bool = False,
        scores: bool = False,
        continues: bool | Literal["echo"] = False,
        seeds: bool = False,
        max_tokens_as: MaxTokensField = "max_tokens",
    ) -> None:
        if not model:
            raise ConfigError("the model has no name: give the one that the server knows it by")
        self.info = EngineInfo(
            model=f"openai/{model}", context=context, logprobs=logprobs, scores=scores, price=price
        )
        self._model = model
        self._server = Server(
            base_url or _HOME,
            key=Secret.of(api_key_env, needed=base_url is None or api_key_env != _HOME_KEY),
            concurrency=concurrency,
            timeout=timeout,
            limit=RateLimit(requests_per_minute, tokens_per_minute),
        )
        self._dialect = Dialect(max_tokens_as, logprobs, seeds, continues=bool(continues))
        self._continues = continues
        self._most = _MOST

    def __repr__(self) -> str:
        return f"OpenAI({self._model!r}, base_url={self._server.address!r})"

    def count(self, request: Request) -> None:
        """None: the server's tokenizer is unknown."""

    async def complete(self, request: Request) -> list[Completion]:
        """Sample `request.n` completions, in as many calls as the server needs for them.

        Where it needed several, the prompt is counted once, and money for every call.

        Raises:
            EngineUnavailable: It may work when tried again; what has come by then is kept for it.
            EngineRefused: The server will not do this.
            PromptTooLong: The prompt does not fit the model's context.
            ConfigError: Key, model's name, address or an option must change.
            EngineError: The reply makes no sense.
        """
        started = time.perf_counter()
        samples: dict[int, Completion] = {}
        most = self._most
        try:
            while missing := [place for place in range(request.n) if place not in samples]:
                if most == 1:
                    await _together([self._sample(request, [i], samples, started) for i in missing])
                else:
                    await self._sample(request, missing[:most], samples, started)
                    if len(missing) > 1 >= len(samples):  # the server ignores n, or refuses it
                        most = 1
        except EngineUnavailable as error:
            if samples:
                raise Interrupted(error, samples) from None
            raise
        if request.sampling.temperature > 0:  # some servers refuse n for greedy decoding alone
            self._most = most
        return share_prompt([samples[place] for place in range(request.n)])

    async def _sample(
        self, request: Request, places: list[int], samples: dict[int, Completion], started: float
    ) -> None:
        """Ask for the samples at `places`, and keep those that come: none if n > 1 is refused."""
        part = only(request, places)
        try:
            chat = await self._chat(part, encode(self._model, part, self._dialect))
        except EngineRefused as refusal:
            if part.n > 1 and _ABOUT_N.search(str(refusal)):
                return
            raise
        chat = chat.model_copy(update={"choices": chat.choices[: part.n]})
        latency = time.perf_counter() - started
        for place, choice, usage in zip(
            places, chat.choices, usages(chat, part, self.info.price), strict=False
        ):
            samples[place] = self._completion(choice, request, usage, chat, latency)

    def _completion(
        self, choice: Choice, request: Request, usage: Usage, chat: Chat, latency: float
    ) -> Completion:
        said_text = choice.message.content or choice.message.refusal or ""
        if request.prefix is not None and self._continues is not True:
            said_text = said_text.removeprefix(request.prefix.text)
        kept, stop = before_stop(said_text, request.sampling.stop)
        cut = choice.finish_reason == "length" and stop is None
        finish: FinishReason = "length" if cut else "stop"
        if stop is None and not cut:
            stop = _stopped_by(choice, request)
        text, thought = split_reasoning(kept)
        reasoning = choice.message.reasoning_content or choice.message.reasoning or thought
        tokens = choice.logprobs.content if choice.logprobs else None
        named = "" if chat.model == (request.adapter or self._model) else chat.model
        return Completion(
            text=valid_unicode(text),
            reasoning=valid_unicode(reasoning),
            finish=finish,
            stop=stop,
            usage=usage,
            logprobs=tuple(token.logprob for token in tokens) if tokens else None,
            model=self.info.model,
            revision=" ".join(filter(None, (named, chat.system_fingerprint))),
            adapter=request.adapter,
            latency=latency,
        )

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """The log-probability of the first token of each of `texts`; ids are unknown, given as -1.

        Raises:
            EngineRefused: `scores` is off, or the likeliest tokens do not tell the texts apart.
        """
        if not self.info.scores:
            raise EngineRefused(
                f"{self.info.model} does not score: open it as OpenAI(..., scores=True) if its "
                "server reports top_logprobs"
            )
        if not texts:
            return []
        sampling = Sampling(temperature=1.0, max_tokens=1)
        one = replace(only(request, [0]), n=1, sampling=sampling, schema=None)
        body = encode(self._model, one, self._dialect._replace(logprobs=True))
        chat = await self._chat(one, body | {"top_logprobs": _TOP})
        logprobs = chat.choices[0].logprobs
        if logprobs is None or not logprobs.content or not logprobs.content[0].top_logprobs:
            raise EngineRefused(
                f"{self.info.model} reported no top_logprobs: open it with scores=False"
            )
        values = first_token_logprobs(logprobs.content[0].top_logprobs, texts)
        cost = usages(chat, one, self.info.price)[0]
        return [
            Score(text, (-1,), (value,), Usage() if i else cost)
            for i, (text, value) in enumerate(zip(texts, values, strict=True))
        ]

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Refused: the chat interface has no ratings."""
        raise EngineRefused(
            f"{self.info.model} is no reward model: open one as hf/, or have this model judge in "
            "words with Verifier(method='text')"
        )

    async def _chat(self, request: Request, body: dict[str, JsonValue]) -> Chat:
        """Make one call, and return its reply with at least one choice."""
        most = prompt_bytes(request) + request.n * request.sampling.max_tokens
        used = 0
        try:
            response = await self._server.post("/chat/completions", dumps(body), tokens=most)
            where = f"{self.info.model} at {self._server.address}"
            if response.status != 200:
                text = self._server.scrub(response.body.decode(errors="replace"))
                raise failure(response.status, response.headers, text, body, where)
            chat = parse(response.body)
            if not chat.choices:
                raise _without_choices(chat, response, body, where)
            if chat.usage:
                used = (chat.usage.prompt_tokens or 0) + (chat.usage.completion_tokens or 0)
            used = used or most
            return chat
        finally:
            self._server.put_back(most - used)

    async def close(self) -> None:
        """Close the connections, and refuse requests from now on."""
        await self._server.close()


def _stopped_by(choice: Choice, request: Request) -> str | None:
    """The stop string that ended a choice.

    The plain protocol does not tell it from the end of the turn; vLLM and SGLang do. Of another
    server the first stop string is assumed: who continues after the end of a turn gets no text.
    """
    if "stop_reason" in choice.model_fields_set:
        return choice.stop_reason if isinstance(choice.stop_reason, str) else None
    return request.sampling.stop[0] if request.sampling.stop else None


def _without_choices(
    chat: Chat, response: Response, body: dict[str, JsonValue], where: str
) -> Exception:
    """The error of a reply with status 200 that holds no choice."""
    error = chat.error
    code = error.get("code") if isinstance(error, dict) else None
    text = response.body.decode(errors="replace")
    if isinstance(code, int) and 400 <= code < 600:
        return failure(code, response.headers, text, body, where)
    return EngineError(f"{where} replied without choices: {said(text)}. See the server's own log")


async def _together(calls: Sequence[Coroutine[None, None, None]]) -> None:
    """Run `calls` at once; all have ended when this returns, or raises what the first one raised.

    An unavailable server ends nobody else's call: what still comes is kept.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        task.result()
