"""A budget as a promise: what a problem may cost, reserved before a call and settled after it.

A call reserves the most that it can cost: its prompt and `n * max_tokens`, and in money the prompt
n times, because a server may need a call for each sample. Where that does not fit what is left, the
call waits until all earlier calls have settled; then its n is cut to what fits; where not one
sample fits, `BudgetExhausted` is raised. So what a call is granted depends on the order in which
calls are asked for and on what earlier ones used, never on which came back first.

A prompt whose tokenizer is unknown reserves its UTF-8 bytes and a fixed margin for a chat template:
no byte-level tokenizer makes more tokens than that.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from cogitate.errors import BudgetExhausted, CogitateError, ConfigError, EngineError
from cogitate.inference import Completion, Engine, EngineInfo, Rating, Request, Score, Usage

__all__ = ["Budget", "Budgeted", "Cost", "Ledger", "Reservation"]

_TEMPLATE_TOKENS = 64
_TURN_TOKENS = 16
_GO_ON_TOKENS = 128
"""A server that cannot continue a reply is asked to go on from it in a further turn."""
_STEP_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one problem may cost at most, verifiers and critics included. None is no limit.

    `seconds` is the one limit that makes a run depend on the clock.
    """

    tokens: int | None = None
    """Prompt and completion tokens, cached ones included."""
    calls: int | None = None
    """Sampled completions, scored texts and rated replies, however they are batched."""
    money: float | None = None
    """In the currency of the engines' price tables."""
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that are not positive numbers."""
        for name in ("tokens", "calls", "money", "seconds"):
            limit = getattr(self, name)
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise ConfigError(f"Budget({name}={limit}): give a positive number, or None")


class Ledger:
    """The account of one problem: what was spent, what is reserved, and which limit was met."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.usage = Usage(calls=0)
        """Spent so far, by calls that have ended."""
        self.stopped: str | None = None
        """The limit that was met first."""
        self._limits = tuple(
            (name, limit)
            for name in ("tokens", "calls", "money")
            if (limit := getattr(budget, name)) is not None
        )
        self._reserved = {"tokens": 0.0, "calls": 0.0, "money": 0.0}
        self._open = 0
        self._queue = asyncio.Lock()
        self._settled = asyncio.Event()
        self._asking: set[asyncio.Task[object] | None] = set()
        """The tasks that wait for a reservation or hold one."""
        self._ended = False

    async def reserve(self, fixed: "Cost", each: "Cost", n: int) -> "Reservation":
        """Reserve `fixed` and as many times `each` as fit, n at most.

        Raises:
            BudgetExhausted: Not one fits, even after every earlier call has settled.
            CogitateError: The search is over.
        """
        if self._ended:
            raise CogitateError(
                "the search is over, and a task that it left behind asks for more: a strategy must "
                "await every task that it starts (cogitate.graphs.gather does)"
            )
        task = asyncio.current_task()
        self._asking.add(task)
        fitting, _ = self._fitting(fixed, each, n)
        if fitting < n or self._queue.locked():
            try:
                fitting = await self._wait(fixed, each, n)
            except BaseException:
                self._asking.discard(task)
                raise
        reservation = Reservation(
            n=fitting,
            tokens=fixed.tokens + fitting * each.tokens,
            calls=fixed.calls + fitting * each.calls,
            money=fixed.money + fitting * each.money,
        )
        self._open += 1
        for name, _ in self._limits:
            self._reserved[name] += getattr(reservation, name)
        return reservation

    async def _wait(self, fixed: "Cost", each: "Cost", n: int) -> int:
        async with self._queue:
            fitting, limit = self._fitting(fixed, each, n)
            while fitting < n and self._open:
                self._settled.clear()
                await self._settled.wait()
                fitting, limit = self._fitting(fixed, each, n)
            if fitting < n:
                self.stopped = self.stopped or limit
            if fitting < 1:
                raise BudgetExhausted(limit)
            return fitting

    def settle(self, reservation: "Reservation", spent: Usage | None) -> None:
        """Replace a reservation by what was spent; None where that is unknown: all of it."""
        self._open -= 1
        self._asking.discard(asyncio.current_task())
        for name, _ in self._limits:
            self._reserved[name] -= getattr(reservation, name)
        _, tokens, calls, money = reservation
        self.usage += Usage(tokens, 0, 0, calls, money) if spent is None else spent
        self._settled.set()

    async def end(self) -> None:
        """Refuse further calls and cancel those under way, so that the account is closed."""
        self._ended = True
        for task in self._asking:
            if task is not None:
                task.cancel()
        while self._open:
            self._settled.clear()
            await self._settled.wait()

    def _fitting(self, fixed: "Cost", each: "Cost", n: int) -> tuple[int, str]:
        fitting, met = n, ""
        for name, limit in self._limits:
            left = limit - getattr(self.usage, name) - self._reserved[name] - getattr(fixed, name)
            price = getattr(each, name)
            fit = n if left >= n * price else max(0, math.floor(left / price)) if left > 0 else 0
            if fit < fitting:
                fitting, met = fit, name
        return fitting, met


class Cost(NamedTuple):
    """The most that something can cost."""

    tokens: int = 0
    calls: int = 0
    money: float = 0.0


class Reservation(NamedTuple):
    """What a call was granted: its n, and what is set aside for it."""

    n: int
    tokens: int
    calls: int
    money: float


class Budgeted:
    """An engine that stays within a problem's budget; its `complete` may return fewer than n.

    A call that was cancelled is charged all that it had reserved, since what it used is unknown; a
    call that failed is charged as calls without tokens.
    """

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self.info: EngineInfo = engine.info
        if ledger.budget.money is not None and self.info.price is None and _remote(self.info):
            raise ConfigError(
                f"a money budget needs the price of {self.info.model}: open it as "
                "cogitate.inference.OpenAI(..., price=Price(prompt=..., completion=...))"
            )

    def count(self, request: Request) -> int | None:
        """As the engine counts."""
        return self._engine.count(request)

    async def complete(self, request: Request) -> list[Completion]:
        """Complete as many of the n samples as the budget allows.

        Raises:
            BudgetExhausted: Not one fits.
        """
        prompt, each = self._prompt(request), request.sampling.max_tokens
        reservation = await self._ledger.reserve(
            Cost(tokens=prompt), Cost(each, 1, self._money(prompt, each)), request.n
        )
        if reservation.n < request.n:
            request = replace(request, n=reservation.n, numbers=None)
        spent = None
        try:
            completions = await self._engine.complete(request)
            spent = _total(completions)
            return completions
        except EngineError:
            spent = Usage(calls=reservation.n)
            raise
        finally:
            self._ledger.settle(reservation, spent)

    async def score(self, request: Request, texts: Sequence[str]) -> list[Score]:
        """Score all texts or none.

        Raises:
            BudgetExhausted: They do not all fit.
        """
        tokens = self._prompt(request) + sum(len(text.encode()) + 1 for text in texts)
        cost = Cost(tokens, len(texts), self._money(tokens, 0))
        reservation = await self._ledger.reserve(Cost(), cost, 1)
        spent = None
        try:
            scores = await self._engine.score(request, texts)
            spent = _total(scores)
            return scores
        except EngineError:
            spent = Usage(calls=len(texts))
            raise
        finally:
            self._ledger.settle(reservation, spent)

    async def rate(self, request: Request, steps: Sequence[str]) -> Rating:
        """Rate a reply: one call, whatever the number of its steps.

        Raises:
            BudgetExhausted: It does not fit.
        """
        reply = sum(len(step.encode()) + _STEP_TOKENS for step in steps)
        tokens = self._prompt(request) + reply + _TURN_TOKENS
        reservation = await self._ledger.reserve(Cost(), Cost(tokens, 1, self._money(tokens, 0)), 1)
        spent = None
        try:
            rating = await self._engine.rate(request, steps)
            spent = rating.usage
            return rating
        except EngineError:
            spent = Usage(calls=1)
            raise
        finally:
            self._ledger.settle(reservation, spent)

    async def close(self) -> None:
        """Leave the engine open: it belongs to the run."""

    def _prompt(self, request: Request) -> int:
        counted = self._engine.count(request)
        if counted is not None:
            return counted
        prefix = len(request.prefix.text.encode()) + _GO_ON_TOKENS if request.prefix else 0
        text = sum(len(message.content.encode()) + _TURN_TOKENS for message in request.messages)
        return text + prefix + _TEMPLATE_TOKENS

    def _money(self, prompt: int, completion: int) -> float:
        price = self.info.price
        if price is None:
            return 0.0
        return (prompt * price.prompt + completion * price.completion) / 1_000_000


def _total(parts: Sequence[Completion] | Sequence[Score]) -> Usage:
    total = parts[0].usage if parts else Usage(calls=0)
    for part in parts[1:]:
        total += part.usage
    return total


def _remote(info: EngineInfo) -> bool:
    return info.model.startswith("openai/")
