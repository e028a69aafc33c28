"""What an HTTP status means: whether to try again, change something, or take it as an answer.

3xx                       ConfigError: redirects are not followed, so a key goes to one place
401 403 404, no quota     ConfigError: the key, the model's name or the address must change
408 425 429 5xx           EngineUnavailable, with the wait that the server asked for
4xx about the context     PromptTooLong
4xx about an option       ConfigError: the option of `OpenAI(...)` to change
any other 4xx, 501 505    EngineRefused
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cogitate.errors import (
    CogitateError,
    ConfigError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)

__all__ = ["failure", "retry_after", "said"]

_SHOWN = 300
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum.{0,20}(context|model).{0,10}len|prompt is too long"
    r"|input is too long|too many tokens|max_model_len|max_seq_len|exceeds? .{0,40}token",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(r"model.{0,200}(not found|not exist|no such)|pinned to", re.I | re.S)
_NO_QUOTA = re.compile(r"insufficient.?(quota|credit|balance|funds)|billing", re.IGNORECASE)
_OPTIONS = {
    "max_tokens": 'give max_tokens_as="max_completion_tokens"',
    "max_completion_tokens": 'give max_tokens_as="max_tokens"',
    "top_logprobs": "give scores=False",
    "logprobs": "give logprobs=False",
    "seed": "give seeds=False",
    "continue_final_message": "give continues=False",
    "add_generation_prompt": "give continues=False",
}


def failure(
    status: int, headers: Mapping[str, str], text: str, sent: Iterable[str], where: str
) -> CogitateError:
    """Return the error that a status other than 200 means.

    Args:
        status: The HTTP status.
        headers: Of the response, by lower-case name.
        text: The body, without secrets.
        sent: The names of the fields that were sent.
        where: Model and address, for messages.
    """
    message = said(text)
    what = f"{where} answered {status}: {message}"
    if 300 <= status < 400:
        return ConfigError(
            f"{where} answered {status}: it redirects to {headers.get('location', 'elsewhere')!r}. "
            "Redirects are not followed: give the final address as base_url"
        )
    if status in (401, 403):
        return ConfigError(f"{what}. Check the key in api_key_env, and what it may use")
    if status == 402 or (status == 429 and _NO_QUOTA.search(text)):
        return ConfigError(f"{what}. Waiting does not help: add credit, or use another model")
    if status in (408, 425, 429) or (status >= 500 and status not in (501, 505)):
        return EngineUnavailable(what, retry_after=retry_after(headers))
    if status == 404 or _NO_MODEL.search(message):
        return ConfigError(f"{what}. Check the model's name, and base_url (it usually ends in /v1)")
    if _TOO_LONG.search(text):
        return PromptTooLong(f"{what}. Shorten the prompt or lower max_tokens")
    for option in _OPTIONS:
        if option in sent and re.search(rf"\b{option}\b", message):
            return ConfigError(f"{what}. Open the engine as OpenAI(...): {_OPTIONS[option]}")
    return EngineRefused(f"{what}. Asking again changes nothing: change the request")


def said(text: str) -> str:
    """Return the message in an error's body, in its usual places, or the body's beginning.

    Control characters are left out: a server's words are shown on terminals.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    for name in ("error", "detail", "message"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    if not isinstance(found, str):
        found = json.dumps(found, ensure_ascii=False)
    found = " ".join("".join(c if c.isprintable() else " " for c in found).split())
    return found if len(found) <= _SHOWN else found[:_SHOWN] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, given as a number or a date; None if it does not.

    Example:
        >>> retry_after({"retry-after": "2"}), retry_after({"retry-after": "soon"})
        (2.0, None)
    """
    given = headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        try:
            date = parsedate_to_datetime(given)
        except (ValueError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
