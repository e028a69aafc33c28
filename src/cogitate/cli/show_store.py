"""What `cogitate show` tells of a store: its runs, the episodes of one, or one episode's graph."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from cogitate.cli.resume import choose
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import ConfigError, DataError
from cogitate.graphs.render import one_line
from cogitate.memory import EpisodeInfo, RunInfo, RunRecord, RunStore

__all__ = ["View", "show_store"]


class View(NamedTuple):
    """What to show, and how."""

    run: str | None
    episode: int | None
    mermaid: bool
    width: int
    json: bool


def show_store(file: str, view: View) -> None:
    """Show what was asked for.

    Raises:
        ConfigError: There is no such run or episode.
        DataError: The episode is damaged.
    """
    with RunStore(file) as store:
        if view.episode is not None:
            _episode(store, view.episode, view)
        elif view.run is None:
            _runs(store.runs(), view)
        else:
            [run] = choose(store.runs(), view.run)
            _episodes(run, store.listing(run.key), view)


def _runs(runs: Sequence[RunInfo], view: View) -> None:
    if view.json:
        emit_json({"runs": [_run_record(run) for run in runs]})
        return
    for run in runs:
        emit(
            f"{run.key[:8]}  {run.created}  {_set(run)} · {run.strategy}: {run.finished} of "
            f"{run.problems} finished"
        )
    emit(f"{len(runs)} runs. --run KEY lists the episodes of one.")


def _run_record(run: RunInfo) -> dict[str, JsonValue]:
    return {
        "run": run.key,
        "set": _set(run),
        "strategy": run.strategy,
        "created": run.created,
        "verified": bool(run.verified),
        "problems": run.problems,
        "finished": run.finished,
    }


def _set(run: RunInfo) -> str:
    try:
        return RunRecord.read(run.record).set or "problems"
    except DataError:
        return "(its record is damaged)"


def _episodes(run: RunInfo, episodes: Sequence[EpisodeInfo], view: View) -> None:
    if view.json:
        listed: list[JsonValue] = [dict(one._asdict()) for one in episodes]
        emit_json({**_run_record(run), "episodes": listed})
        return
    for one in episodes:
        grade = "no grade" if one.score is None else f"grade {one.score:g}"
        answer = "no answer" if one.answer is None else f"answer {one_line(one.answer, 40)}"
        stopped = f", stopped by {one.stopped}" if one.stopped else ""
        error = f", {one_line(one.error, 60)}" if one.error else ""
        emit(
            f"{one.id:>6}  {one_line(one.problem, 40)}: {answer}, {grade}, {one.thoughts} thoughts,"
            f" {one.calls} calls{stopped}{error}"
        )
    emit(
        f"{_set(run)} · {run.strategy}: {run.finished} of {run.problems} finished. "
        "--episode NUMBER shows a graph."
    )


def _episode(store: RunStore, number: int, view: View) -> None:
    if not store.db.rows(
        lambda one: one, "SELECT 1 FROM episodes WHERE id = ? AND digest IS NOT NULL", (number,)
    ):
        raise ConfigError(
            f"--episode {number}: there is no finished episode of that number; --run KEY lists them"
        )
    episode = store.episode(number)
    result, grade = episode.result, episode.grade
    answer = None if result is None else result.answer
    if view.json:
        import json  # the field of the view has the same name

        emit_json(
            {
                "episode": number,
                "run": episode.run,
                "problem": episode.problem.id,
                "answer": answer,
                "grade": None if grade is None else {"score": grade.score, "reason": grade.reason},
                "stopped": None if result is None else result.stopped,
                "error": episode.error,
                "graph": json.loads(episode.graph.to_json()),
            }
        )
    elif view.mermaid:
        emit(episode.graph.to_mermaid(width=view.width).rstrip("\n"))
    else:
        emit(episode.graph.to_tree(width=view.width))
        emit(f"{len(episode.graph)} thoughts. Answer: {'none' if answer is None else answer}")
        if grade is not None:
            emit(f"Grade: {grade.score:g} ({grade.reason})")
        if episode.error:
            emit(f"Error: {episode.error}")
