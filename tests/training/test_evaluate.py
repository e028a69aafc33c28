"""Evaluations of a scripted model of known quality."""

import asyncio
import os
import signal

import pytest

import cogitate as cg
from cogitate.errors import ConfigError, EngineRefused
from cogitate.inference import Request, Scripted
from cogitate.training import Evaluation, aevaluate, evaluate, table

PROBLEMS = [
    cg.tasks.Problem(id=f"p{i}", prompt=f"What is {i} + {i}?", reference=str(2 * i))
    for i in range(10)
]


def right_below(limit: int) -> Scripted:
    """A model that is right on the first `limit` problems and keeps the format on the first 5."""

    def reply(request: Request) -> str:
        number = int(request.problem[1:])
        answer = 2 * number if number < limit else 99
        return f"Answer: {answer}" if number < 5 else f"The answer is {answer}."

    return Scripted(reply)


def test_right_answers_format_and_cost_are_counted() -> None:
    found = evaluate(PROBLEMS, cg.Team.of(right_below(8)), cg.ChainOfThought())
    assert (found.problems, found.correct, found.accuracy) == (10, 8, 0.8)
    assert found.interval == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert found.format_rate == 0.5
    assert (found.calls, found.errors, found.stopped) == (10, 0, 0)
    assert found.completion_tokens == 5 * 2 + 5 * 4
    assert not found.oracle and not found.interrupted


def test_what_failed_counts_as_wrong_and_as_an_error() -> None:
    def reply(request: Request) -> str:
        if request.problem == "p0":
            raise EngineRefused("no")
        return "Answer: 2"

    found = evaluate(PROBLEMS[:2], cg.Team.of(Scripted(reply)), cg.Direct())
    assert (found.problems, found.correct, found.errors) == (2, 1, 1)


def test_a_strategy_that_fails_counts_as_an_error() -> None:
    async def broken(d: cg.Deliberation) -> cg.Thought:
        raise RuntimeError(d.task.id)

    found = evaluate(PROBLEMS[:2], cg.Team.of(right_below(2)), broken)
    assert (found.strategy, found.problems, found.correct, found.errors) == ("broken", 2, 0, 2)


def test_a_verifier_that_reads_the_reference_is_marked() -> None:
    team = cg.Team.of(right_below(8), verifier=cg.tasks.AutoGrader())
    found = evaluate(PROBLEMS, team, cg.BestOfN(n=2))
    assert found.oracle and found.strategy == "best-of-n?n=2"
    assert "best-of-n?n=2 (oracle)" in table([found])


def test_a_budget_that_is_met_is_counted() -> None:
    team = cg.Team.of(right_below(8))
    found = evaluate(PROBLEMS, team, cg.SelfConsistency(n=4), budget=cg.Budget(calls=2))
    assert (found.stopped, found.calls) == (10, 20)


def test_a_problem_without_a_reference_is_refused() -> None:
    with pytest.raises(ConfigError, match="no reference answer"):
        evaluate([cg.tasks.Problem(prompt="Why?")], cg.Team.of(right_below(1)), cg.Direct())


def test_the_finished_part_is_evaluated_when_it_is_stopped() -> None:
    async def stopped_after_three() -> Evaluation:
        stop = asyncio.Event()
        ended = 0

        def count(_episode: object) -> None:
            nonlocal ended
            ended += 1
            if ended == 3:
                stop.set()

        return await aevaluate(
            PROBLEMS,
            cg.Team.of(right_below(8)),
            cg.Direct(),
            concurrency=1,
            on_episode=count,
            stop=stop,
        )

    found = asyncio.run(stopped_after_three())
    assert found.interrupted and (found.problems, found.correct) == (3, 3)


def test_ctrl_c_keeps_the_finished_part() -> None:
    before = signal.getsignal(signal.SIGINT)
    ended: list[object] = []

    def interrupt_once(episode: object) -> None:
        ended.append(episode)
        if len(ended) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    team = cg.Team.of(right_below(8))
    found = evaluate(PROBLEMS, team, cg.Direct(), concurrency=1, on_episode=interrupt_once)
    assert found.interrupted and found.problems == len(ended) < len(PROBLEMS)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_evaluation_is_the_same_after_json() -> None:
    found = evaluate(PROBLEMS, cg.Team.of(right_below(8)), cg.Direct())
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_a_table_has_a_line_for_each_evaluation() -> None:
    found = evaluate(PROBLEMS, cg.Team.of(right_below(8)), cg.Direct())
    header, rule, line = table([found]).splitlines()
    assert len(header) == len(rule) == len(line)
    assert "8/10" in line and "80.0%" in line and "49.0% to 94.3%" in line


def test_games_of_24_can_be_evaluated_as_they_are_loaded() -> None:
    puzzles = cg.tasks.load("game24?size=2")
    found = evaluate(puzzles, cg.Team.of(Scripted(["Answer: 1 + 1"])), cg.Direct())
    assert (found.correct, found.problems, found.errors) == (0, 2, 0)
