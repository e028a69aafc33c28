"""Scores of short texts, read from the likeliest first tokens of a reply.

A chat server does not score a given text. Where the texts already differ in their first token
("yes" or "no"), the log-probability of that token stands for the text. Tokens are compared by their
letters, so " yes" and "yes" are the same beginning, and their probabilities are added.
"""

import math
from collections.abc import Sequence

from cogitate.errors import EngineRefused
from cogitate.inference.openai.wire import Token

__all__ = ["first_token_logprobs"]


def first_token_logprobs(top: Sequence[Token], texts: Sequence[str]) -> list[float]:
    """The log-probability of the first token of each of `texts`, in order.

    Raises:
        EngineRefused: Two texts begin with the same token, or one was not among the likeliest.

    Example:
        >>> top = [Token(token="yes", logprob=-0.1), Token(token=" no", logprob=-2.4)]
        >>> first_token_logprobs(top, ["yes", "no"])
        [-0.1, -2.4]
    """
    return [_logprob(top, text, texts) for text in texts]


def _logprob(top: Sequence[Token], text: str, texts: Sequence[str]) -> float:
    begun = [token for token in top if _begins(token, text)]
    if not begun:
        raise EngineRefused(
            f"cannot score {text!r}: its first token is not among the {len(top)} likeliest. Ask "
            "for texts that the prompt makes likely, or parse the reply instead"
        )
    for other in texts:
        if other != text and any(_begins(token, other) for token in begun):
            raise EngineRefused(
                f"cannot score {text!r} and {other!r}: they may begin with the same token. Choose "
                "texts that differ at once, such as yes and no"
            )
    likeliest = max(token.logprob for token in begun)
    return likeliest + math.log(sum(math.exp(token.logprob - likeliest) for token in begun))


def _begins(token: Token, text: str) -> bool:
    letters = token.token.strip()
    return bool(letters) and text.strip().startswith(letters)
