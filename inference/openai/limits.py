"""How many requests and tokens a minute a server allows, kept to before it has to refuse.

Each limit is a bucket that holds a tenth of a minute's worth and fills at such a rate that no
60 seconds let through more than the limit. What a request will cost is not known when it is sent:
it takes what it may cost at most, and what it did not use is put back.
"""

import asyncio
import time

from cogitate.errors import ConfigError

__all__ = ["Bucket", "RateLimit"]

_ROUNDING = 1e-6


class Bucket:
    """A token bucket. Times are seconds of any clock that only moves forward.

    Args:
        name: The option that set the limit, for messages.
        per_minute: The limit.
        unit: The smallest amount that is ever taken: 1 for requests, 0 for what comes in any size.
    """

    def __init__(self, name: str, per_minute: float, *, unit: float = 0.0) -> None:
        if not per_minute > 0:
            raise ConfigError(f"{name}={per_minute}: give a number above 0, or None for no limit")
        self.capacity = max(unit, per_minute / 10)
        self._rate = (per_minute - self.capacity + unit) / 60
        self._level = self.capacity
        self._seen = float("-inf")

    def wait(self, amount: float, now: float) -> float:
        """Seconds from `now` until `amount` may be taken, or, where it never fits, all there is."""
        self._fill(now)
        missing = min(amount, self.capacity) - self._level
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, into debt if need be; a negative amount is put back."""
        self._fill(now)
        self._level = min(self.capacity, self._level - amount)

    def _fill(self, now: float) -> None:
        if now > self._seen:
            if self._seen > float("-inf"):
                self._level += (now - self._seen) * self._rate
                self._level = min(self.capacity, self._level)
            self._seen = now


class RateLimit:
    """Lets requests through in the order in which they came, as fast as the limits allow.

    Args:
        requests_per_minute: None is no limit.
        tokens_per_minute: Prompt and completion tokens; None is no limit.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = self._tokens = None
        if requests_per_minute is not None:
            self._requests = Bucket("requests_per_minute", requests_per_minute, unit=1.0)
        if tokens_per_minute is not None:
            self._tokens = Bucket("tokens_per_minute", tokens_per_minute)

    async def admit(self, tokens: float, queue: asyncio.Lock) -> None:
        """Return when a request of at most `tokens` may be sent. Whoever waits can be cancelled.

        Args:
            tokens: What the request may cost, prompt and completions.
            queue: The line in which requests of this event loop stand.
        """
        wanted = [(b, a) for b, a in ((self._requests, 1.0), (self._tokens, tokens)) if b]
        if not wanted:
            return
        async with queue:
            while seconds := max(bucket.wait(a, time.monotonic()) for bucket, a in wanted):
                await asyncio.sleep(seconds)
            for bucket, amount in wanted:
                bucket.take(amount, time.monotonic())

    def put_back(self, tokens: float) -> None:
        """Put back the tokens that a request did not use."""
        if self._tokens is not None:
            self._tokens.take(-tokens, time.monotonic())
