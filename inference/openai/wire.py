"""What goes over the wire of the chat completions protocol, and what comes back.

Only fields that are read are declared, servers add many others. What a server leaves out is filled
with an upper bound, so that a budget holds: text without a token count costs its UTF-8 bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from cogitate.errors import ConfigError, EngineError
from cogitate.inference.request import Request
from cogitate.inference.text import valid_unicode

__all__ = [
    "Chat",
    "Choice",
    "Dialect",
    "MaxTokensField",
    "Token",
    "dumps",
    "encode",
    "parse",
    "prompt_bytes",
]

_GO_ON = "Go on from exactly where you stopped, in the same form. Repeat nothing."
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]


class Dialect(NamedTuple):
    """What a server understands beyond the plain protocol."""

    max_tokens_as: MaxTokensField = "max_tokens"
    logprobs: bool = False
    seeds: bool = False
    continues: bool = True
    """A reply's beginning; otherwise the model is asked in a turn of its own to go on from it."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Token(_Wire):
    """A token with its log-probability, and those of the most likely ones in its place."""

    token: str = ""
    logprob: float
    top_logprobs: list["Token"] | None = None


class Logprobs(_Wire):
    """Log-probabilities of a choice."""

    content: list[Token] | None = None


class Reply(_Wire):
    """What the assistant said."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class Choice(_Wire):
    """One sample."""

    index: int = 0
    message: Reply
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """The stop string (or token) that ended it; None where the turn ended. vLLM tells."""
    logprobs: Logprobs | None = None


class Cached(_Wire):
    """Details of the prompt's tokens."""

    cached_tokens: int | None = None


class Tokens(_Wire):
    """What all choices of a response cost together."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Cached | None = None


class Chat(_Wire):
    """A response."""

    choices: list[Choice] = []
    usage: Tokens | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    error: JsonValue = None
    """Some servers report an error with status 200."""


def encode(model: str, request: Request, dialect: Dialect) -> dict[str, JsonValue]:
    """Return the fields of a chat completion request for all samples of `request`.

    Raises:
        ConfigError: The request's schema is no JSON.
    """
    sampling = request.sampling
    messages: list[JsonValue] = [
        {"role": message.role, "content": message.content} for message in request.messages
    ]
    body: dict[str, JsonValue] = {
        "model": request.adapter or model,
        "messages": messages,
        "temperature": sampling.temperature,
        dialect.max_tokens_as: sampling.max_tokens,
    }
    if request.prefix is not None:
        messages.append({"role": "assistant", "content": request.prefix.text})
        if dialect.continues:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            messages.append({"role": "user", "content": _GO_ON})
    if request.n > 1:
        body["n"] = request.n
    if sampling.top_p < 1:
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if dialect.logprobs:
        body["logprobs"] = True
    if dialect.seeds and request.seed is not None:
        body["seed"] = _seed(request)
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": _schema(request.schema)},
        }
    return body


def dumps(body: Mapping[str, JsonValue]) -> bytes:
    """Return `body` as JSON in valid UTF-8."""
    return valid_unicode(json.dumps(body, ensure_ascii=False)).encode()


def parse(body: bytes) -> Chat:
    """Read a response with status 200.

    Raises:
        EngineError: It is no chat completion.
    """
    try:
        return Chat.model_validate_json(body)
    except ValidationError:
        pass
    try:  # lone surrogates, as escapes or as bytes, are the one fault that can be mended
        mended = json.dumps(json.loads(body.decode(errors="replace")), ensure_ascii=False)
        return Chat.model_validate_json(valid_unicode(mended))
    except (ValueError, RecursionError):
        begin = " ".join(body[:200].decode(errors="replace").split())
        raise EngineError(
            f"the reply is no chat completion: {begin!r}. Check base_url (it usually ends in /v1)"
        ) from None


def prompt_bytes(request: Request) -> int:
    """The UTF-8 bytes of the prompt: no fewer than its tokens."""
    texts = [message.content for message in request.messages]
    if request.prefix is not None:
        texts.append(request.prefix.text)
    return sum(len(text.encode(errors="replace")) for text in texts)


def _schema(schema: str) -> JsonValue:
    try:
        read: JsonValue = json.loads(schema)
    except ValueError as error:
        raise ConfigError(f"the request's schema is no JSON ({error}): correct it") from None
    return read


def _seed(request: Request) -> int:
    """A seed of 31 bits, which all servers take."""
    where = f"{request.seed}\0{request.position}\0{request.sample_numbers}"
    return int.from_bytes(hashlib.sha256(where.encode(errors="replace")).digest()[:4]) >> 1
