import asyncio
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
import stamina

from cogitate.errors import (
    CogitateError,
    ConfigError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)
from cogitate.inference import Completion, Message, Request, Retry, Scripted

ASK = Request(messages=(Message("user", "2 + 2?"),))


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[float]]:
    """The planned waits, kept instead of waited."""
    planned: list[float] = []
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda details: planned.append(details.wait_for)])
    yield planned
    stamina.instrumentation.set_on_retry_hooks(hooks)


def failing(*errors: CogitateError) -> Scripted:
    """An engine that raises `errors`, one a call, and answers `fine` from then on."""
    script: Iterator[CogitateError | None] = chain(errors, repeat(None))

    def reply(request: Request) -> str:
        error = next(script)
        if error is not None:
            raise error
        return "fine"

    return Scripted(reply)


def soon(message: str = "busy") -> EngineUnavailable:
    return EngineUnavailable(message, retry_after=0.001)


def ask(engine: Retry) -> Completion:
    return asyncio.run(engine.complete(ASK))[0]


def test_what_passes_is_asked_again() -> None:
    inner = failing(soon(), soon())
    assert ask(Retry(inner)).text == "fine"
    assert inner.calls == 3


def test_the_last_error_comes_out_when_attempts_are_used_up() -> None:
    inner = failing(soon("first"), soon("second"), soon("third"))
    with pytest.raises(EngineUnavailable, match="third"):
        ask(Retry(inner, attempts=3))
    assert inner.calls == 3


def test_one_attempt_means_no_retry() -> None:
    inner = failing(soon())
    with pytest.raises(EngineUnavailable):
        ask(Retry(inner, attempts=1))
    assert inner.calls == 1


@pytest.mark.parametrize(
    "error",
    [
        EngineRefused("no"),
        PromptTooLong("too long"),
        ConfigError("no key"),
        EngineError("nonsense"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_no_other_error_is_retried_not_even_after_one_that_was(
    error: CogitateError, before: int
) -> None:
    inner = failing(*[soon()] * before, error)
    with pytest.raises(type(error)):
        ask(Retry(inner))
    assert inner.calls == before + 1


def test_the_wait_is_what_the_server_asked_for_with_a_little_more_and_at_most_the_longest(
    waits: list[float],
) -> None:
    errors = [EngineUnavailable("busy", retry_after=seconds) for seconds in (0.01, 1000.0)]
    assert ask(Retry(failing(*errors), longest=0.02)).text == "fine"
    assert 0.01 <= waits[0] <= 0.011 and 0.02 <= waits[1] <= 0.022


def test_without_a_word_from_the_server_the_wait_doubles_with_jitter(waits: list[float]) -> None:
    async def plan() -> None:
        call = asyncio.create_task(Retry(failing(EngineUnavailable("busy"))).complete(ASK))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call])

    asyncio.run(plan())
    assert 0.5 <= waits[0] <= 1.5


def test_time_ends_retries_too() -> None:
    inner = failing(*[EngineUnavailable("busy", retry_after=0.02)] * 100)
    with pytest.raises(EngineUnavailable):
        ask(Retry(inner, attempts=100, seconds=0.05))
    assert inner.calls <= 4


def test_a_cancelled_wait_asks_no_more() -> None:
    inner = failing(EngineUnavailable("busy", retry_after=30))

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Retry(inner).complete(ASK), 0.01)

    asyncio.run(run())
    assert inner.calls == 1


def test_scores_are_retried_as_completions_are() -> None:
    errors = [soon()]

    def logprob(request: Request, text: str) -> float:
        if errors:
            raise errors.pop()
        return -1.0

    engine = Retry(Scripted(["unused"], logprob=logprob))
    (score,) = asyncio.run(engine.score(ASK, ["yes"]))
    assert score.logprob == -1.0


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"seconds": 0.0}, {"longest": -1.0}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="give"):
        Retry(failing(), **wrong)  # type: ignore[arg-type]  # one wrong value each
