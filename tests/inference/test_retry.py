import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import pytest

from cogitate.errors import (
    CogitateError,
    ConfigError,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    PromptTooLong,
)
from cogitate.inference import Completion, Message, Request, Retry, Scripted
from cogitate.inference.retry import backoff

ASK = Request(messages=(Message("user", "2 + 2?"),))


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


def test_the_wait_is_what_the_server_asked_for_with_a_little_more_and_at_most_the_longest() -> None:
    for _ in range(100):
        assert 10.0 <= backoff(3, 10.0, longest=60.0) <= 11.0
        assert 60.0 <= backoff(3, 1000.0, longest=60.0) <= 66.0
    assert backoff(3, 0.0, longest=60.0) == 0.0


def test_without_a_word_from_the_server_the_wait_doubles_up_to_a_limit_with_jitter() -> None:
    for attempt, least in enumerate([0.5, 1, 2, 4, 8, 16, 20, 20], start=1):
        waits = {backoff(attempt, None, longest=60.0) for _ in range(100)}
        assert least <= min(waits) and max(waits) <= least + 1
        assert len(waits) > 1


def test_each_new_attempt_is_announced(caplog: pytest.LogCaptureFixture) -> None:
    ask(Retry(failing(soon("lost the server"))))
    assert [record.getMessage() for record in caplog.records] == [
        "lost the server; attempt 2 of 8 in 0.0 s"
    ]


def test_time_ends_retries_and_nobody_waits_beyond_it() -> None:
    inner = failing(EngineUnavailable("busy", retry_after=50))
    with pytest.raises(EngineUnavailable):
        ask(Retry(inner, seconds=40))
    assert inner.calls == 1


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


def test_a_rating_is_asked_for_again_too() -> None:
    failures = chain([soon()], repeat(None))
    asked: list[list[str]] = []

    def reward(_request: Request, steps: Sequence[str]) -> list[float]:
        asked.append(list(steps))
        if (error := next(failures)) is not None:
            raise error
        return [0.25] * len(steps)

    rating = asyncio.run(Retry(Scripted(["a"], reward=reward)).rate(ASK, ["a\n\n", "b"]))
    assert rating.scores == (0.25, 0.25)
    assert asked == [["a\n\n", "b"]] * 2
