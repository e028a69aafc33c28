"""What the measurement of waiting rests on: rounds by definition, and a server that takes time."""

import asyncio
import time

import pytest
from latency import Measured, alone, engine, in_flight, methods, widest
from waiting.clock import rounds
from waiting.server import Call, Server

import cogitate as cg
from cogitate.inference import Message, Request, Sampling

METHODS = methods()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_search_waits_for_nothing_but_what_its_method_asks_for(method: Measured) -> None:
    assert rounds(method.strategy, method.problem, method.team) == method.rounds


def test_a_strategy_that_waits_more_than_it_must_is_found_out() -> None:
    async def one_after_the_other(d: cg.Deliberation) -> cg.Thought:
        solutions = await d.samples(8)
        scores = [await d.verify(solution) for solution in solutions]
        return solutions[scores.index(max(scores))]

    best_of_8 = METHODS["best-of-n, 8"]
    assert rounds(one_after_the_other, best_of_8.problem, best_of_8.team) == 9 > best_of_8.rounds


def test_the_server_takes_as_long_for_many_calls_as_for_one() -> None:
    ask = Request(messages=(Message("user", "6 * 7?"),), sampling=Sampling(max_tokens=9), n=3)

    async def scenario(server: Server) -> None:
        model = engine(server, 8)
        assert await alone(model, 3) > 0.19
        server.calls()
        started = time.monotonic()
        answers = await asyncio.gather(*(model.complete(ask) for _ in range(8)))
        taken = time.monotonic() - started
        await model.close()
        calls = server.calls()
        assert [len(answer) for answer in answers] == [3] * 8
        assert len(calls) == 8 and widest(calls) > 1 and taken < 8 * 0.2
        assert all(0.19 < call.end - call.begin <= taken for call in calls)
        assert server.calls() == []

    with Server(0.2) as server:
        asyncio.run(scenario(server))


def test_calls_in_flight_are_counted_by_the_millisecond() -> None:
    calls = [Call(0.0, 0.0025), Call(0.0005, 0.0035)]
    assert in_flight(calls, 0.0, 0.0049) == [1, 2, 2, 1, 0]
