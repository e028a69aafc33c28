"""What length costs: Kimi k1.5's reward within a group, DAPO's slope before the limit."""

from collections.abc import Sequence

from cogitate.errors import ConfigError, DataError

__all__ = ["length_reward", "overlong_penalty"]


def length_reward(lengths: Sequence[int], correct: Sequence[bool]) -> list[float]:
    """Return what each reply of a group gains or loses by its length (Kimi k1.5, arXiv:2501.12599).

    With lambda = 0.5 - (length - min) / (max - min), a correct reply gets lambda and a wrong one
    min(0, lambda); all get 0 where all lengths are equal.

    Args:
        lengths: In tokens.
        correct: Whether a grader found each right.

    Raises:
        DataError: They differ in number, or a length is negative.

    Example:
        >>> length_reward([100, 200, 300, 100], [True, True, True, False])
        [0.5, 0.0, -0.5, 0.0]
    """
    if len(lengths) != len(correct):
        raise DataError(f"{len(lengths)} lengths and {len(correct)} outcomes: give one for each")
    if not lengths:
        return []
    least, most = min(lengths), max(lengths)
    if least < 0:
        raise DataError(f"a reply has {least} tokens: lengths are 0 or more")
    if least == most:
        return [0.0] * len(lengths)
    slopes = [0.5 - (length - least) / (most - least) for length in lengths]
    return [s if right else min(0.0, s) for s, right in zip(slopes, correct, strict=True)]


def overlong_penalty(length: int, *, limit: int, cache: int) -> float:
    """Return 0, then a slope down to -1 over the last `cache` tokens (DAPO, arXiv:2503.14476).

    Args:
        length: Of the reply, in tokens.
        limit: From how many tokens on the penalty is whole.
        cache: Over how many tokens before the limit it grows.

    Raises:
        ConfigError: Not 0 < cache <= limit.
        DataError: The length is negative.

    Example:
        >>> [overlong_penalty(n, limit=100, cache=20) for n in (80, 90, 100, 120)]
        [0.0, -0.5, -1.0, -1.0]
    """
    if not 0 < cache <= limit:
        raise ConfigError(
            f"overlong_penalty(limit={limit}, cache={cache}): give 0 < cache <= limit"
        )
    if length < 0:
        raise DataError(f"a reply has {length} tokens: lengths are 0 or more")
    over = length - (limit - cache)
    return -min(over, cache) / cache if over > 0 else 0.0
