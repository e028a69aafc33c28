"""`cogitate solve`: one problem, thought about before one's eyes."""

import asyncio
import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.interrupt import interruptible
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import CogitateError, ConfigError
from cogitate.graphs import Deliberation, Episode, Result, Strategy, asolve, best_thought
from cogitate.graphs.episode import graded
from cogitate.graphs.strategy import name_of
from cogitate.tasks import Problem

__all__ = ["solve"]

Question = Annotated[str, typer.Argument(metavar="PROBLEM", help="The question; - reads stdin.")]
Save = Annotated[
    str | None, typer.Option(metavar="FILE", help="Keep the graph, for `cogitate show`.")
]
Reference = Annotated[
    str | None, typer.Option(metavar="ANSWER", help="The right answer: grades, and is not shown.")
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="How to think: see `cogitate methods`; self-refine by default.",
    ),
]


@reported
@options.asking
def solve(
    asked: options.Asked,
    problem: Question,
    strategy: StrategyName = None,
    reference: Reference = None,
    save: Save = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: Debug = False,
) -> None:
    """Think about one problem: a live tree meanwhile, then the answer and the graph.

    \b
    cogitate solve "What is 12 * 13?" --strategy 'self-refine?rounds=2' --budget tokens=4000
    cogitate solve "What is 12 * 13?" --generator hf/smollm2-135m \\
        --critic openai/my-critic --base-url http://127.0.0.1:8000/v1 --save graph.json
    """
    strategies = [strategy] if strategy else []
    if not strategies and asked.config is None:
        strategies = ["self-refine"]
    setup = asked.set_up(strategies)
    how, *others = setup.strategies
    if others:
        raise ConfigError(f"{asked.config} names several strategies: choose one with --strategy")
    if setup.team.oracle and reference is None:
        raise ConfigError("a grader compares with the right answer: give it as --reference")
    target = _writable(save)
    prompt = sys.stdin.read() if problem == "-" else problem
    if not prompt.strip():
        raise ConfigError("the problem is empty: write a question")
    task = Problem(prompt=prompt, reference=reference)
    with contextlib.redirect_stderr(io.StringIO()) if quiet else contextlib.nullcontext():
        episode, result, code, failure = asyncio.run(_think(task, how, setup, quiet=quiet))
    if target is not None:
        target.write_text(result.graph.to_json(), encoding="utf-8")
    if json:
        emit_json(_record(episode, result, name_of(how), setup.seed))
    else:
        _show(episode, result, name_of(how))
    if failure is not None:
        raise failure
    _conclude(result, code)


class _Thinking(NamedTuple):
    """What thinking came to."""

    episode: Episode
    result: Result
    code: int | None
    """The exit code of a signal that came meanwhile."""
    failure: CogitateError | None
    """What ended it, after something had been thought."""


async def _think(task: Problem, how: Strategy, setup: options.Setup, *, quiet: bool) -> _Thinking:
    from cogitate.cli.watch import watching  # rich, which no help text should wait for

    failure: CogitateError | None = None
    with interruptible() as interrupt:
        async with watching(how, quiet=quiet) as watch:
            try:
                result = await asolve(
                    task,
                    setup.team,
                    watch,
                    budget=setup.budget,
                    seed=setup.seed,
                    watch=watch.thought,
                    stop=interrupt.event,
                )
            except CogitateError as error:
                if watch.deliberation is None or not watch.thoughts:
                    raise
                failure, result = error, _so_far(watch.deliberation, watch.seconds)
        return _Thinking(await graded(Episode(task, result, None)), result, interrupt.code, failure)


def _so_far(d: Deliberation, seconds: float) -> Result:
    """What was thought before the failure that ended it."""
    return Result(
        problem=d.task,
        thought=best_thought(d.graph),
        graph=d.graph,
        usage=d.ledger.usage,
        stopped="failed",
        oracle=d.team.oracle,
        seconds=seconds,
    )


def _writable(path: str | None) -> Path | None:
    """The file to save to: that it can be written is found out before the thinking."""
    if path is None:
        return None
    file = Path(path)
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigError(
            f"--save {path}: it cannot be written: choose a file in a folder of yours"
        )
    return file


def _record(episode: Episode, result: Result, strategy: str, seed: int) -> dict[str, JsonValue]:
    import json  # the option of this command has the same name

    usage, found = result.usage, episode.grade
    return {
        "answer": result.answer,
        "solution": None if result.thought is None else result.thought.text,
        "grade": None if found is None else {"score": found.score, "reason": found.reason},
        "stopped": result.stopped,
        "oracle": result.oracle,
        "strategy": strategy,
        "seed": seed,
        "usage": {
            "prompt": usage.prompt,
            "cached": usage.cached,
            "completion": usage.completion,
            "calls": usage.calls,
            "money": usage.money,
        },
        "seconds": round(result.seconds, 3),
        "errors": [*result.errors, *([episode.error] if episode.error else [])],
        "graph": json.loads(result.graph.to_json()),
    }


def _show(episode: Episode, result: Result, strategy: str) -> None:
    emit(result.graph.to_tree())
    if result.thought is not None:
        answer = result.answer if result.answer is not None else "none is marked in the reply"
        emit(f"Answer: {answer}")
    if (found := episode.grade) is not None:
        verdict = "right" if found.correct else "wrong" if found.score == 0 else "partly right"
        oracle = "; its verifier saw the right answer" if result.oracle else ""
        emit(f"Grade: {found.score:g}, {verdict} ({found.reason}{oracle})")
    if episode.error:
        emit(f"Grade: none ({episode.error})")
    usage = result.usage
    emit(
        f"{strategy}: {usage.calls} calls, {usage.prompt} prompt tokens ({usage.cached} cached), "
        f"{usage.completion} new tokens, {result.seconds:.1f} s"
    )
    if result.stopped:
        emit(f"Stopped early: {_REASONS[result.stopped]}")
    if result.thought is not None:
        for error in result.errors:
            emit(f"One thought failed: {error}")


_REASONS = {
    "tokens": "the tokens budget was met; --budget tokens=... sets it",
    "calls": "the calls budget was met; --budget calls=... sets it",
    "money": "the money budget was met; --budget money=... sets it",
    "seconds": "the time was up; --budget seconds=... sets it",
    "interrupted": "interrupted",
    "failed": "by a failure that no model can mend",
}


def _conclude(result: Result, code: int | None) -> None:
    """End with the exit code that fits the result."""
    if code is not None:
        what = "nothing was" if result.thought is None else "the best thought so far is"
        raise Failed(f"interrupted: {what} kept", code=code)
    if result.thought is not None:
        return
    if result.errors:
        raise Failed(f"no model wrote a solution. The first failure: {result.errors[0]}")
    if result.stopped:
        raise Failed(
            f"no model wrote a solution within the {result.stopped} budget: raise it with "
            f"--budget {result.stopped}=..., or lower --max-tokens"
        )
    raise Failed("no model wrote a solution: every reply was empty; try another model or strategy")
