"""A server's options in a model's name: `openai/my-critic?logprobs=true&concurrency=64`."""

from typing import Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError

from cogitate.errors import ConfigError
from cogitate.inference.engine import Price
from cogitate.inference.openai.engine import OpenAI
from cogitate.inference.openai.wire import MaxTokensField

__all__ = ["open_named"]


class _Options(BaseModel):
    """Those of `OpenAI` that a text can say; a price as its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = 32
    timeout: float = 600.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    prompt_price: float | None = None
    completion_price: float | None = None
    context: int | None = None
    logprobs: bool = False
    scores: bool = False
    continues: bool | Literal["echo"] = False
    seeds: bool = False
    max_tokens_as: MaxTokensField = "max_tokens"


def open_named(name: str, *, base_url: str | None = None) -> OpenAI:
    """Open a server by the part of a model's name that follows the slash.

    Args:
        name: The model as the server calls it, and options after a question mark. Prices are those
            of a million tokens.
        base_url: The server's address.

    Raises:
        ConfigError: An option that there is not, or a value of the wrong kind.

    Example:
        >>> critic = open_named("critic?logprobs=true", base_url="http://127.0.0.1:8000/v1")
        >>> critic.info.model, critic.info.logprobs
        ('openai/critic', True)
    """
    model, _, query = name.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    try:
        options = _Options.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0])
        have = ", ".join(_Options.model_fields)
        wrong = "there is no such option" if option not in _Options.model_fields else first["msg"]
        raise ConfigError(f"openai/{name}: {option}: {wrong}. Options: {have}") from None
    return OpenAI(
        model,
        base_url=base_url,
        concurrency=options.concurrency,
        timeout=options.timeout,
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
        price=_price(name, options),
        context=options.context,
        logprobs=options.logprobs,
        scores=options.scores,
        continues=options.continues,
        seeds=options.seeds,
        max_tokens_as=options.max_tokens_as,
    )


def _price(name: str, options: _Options) -> Price | None:
    match options.prompt_price, options.completion_price:
        case float(prompt), float(completion):
            return Price(prompt, completion)
        case None, None:
            return None
        case _:
            raise ConfigError(f"openai/{name}: give prompt_price and completion_price together")
