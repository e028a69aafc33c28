"""What a store holds, told without reading any graph."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from cogitate.memory.database import Database

__all__ = ["EpisodeInfo", "RunInfo", "list_episodes", "list_runs"]


class RunInfo(NamedTuple):
    """A run of a store, and how far it is."""

    key: str
    """24 hexadecimal digits, by which equal runs are the same."""
    strategy: str
    record: str
    """What it was told to do, as JSON: see `cogitate.memory.RunRecord`."""
    verified: int
    """1: it ran here; what was imported is not verified, and 0."""
    created: str
    """When, in UTC."""
    problems: int
    finished: int


class EpisodeInfo(NamedTuple):
    """A finished episode of a run."""

    id: int
    """Its row."""
    problem: str
    """The id of its problem."""
    thoughts: int
    answer: str | None
    score: float | None
    """Its grade, in [0, 1]; None where it has none."""
    calls: int
    tokens: int
    stopped: str | None
    error: str
    """Why it has no result or no grade."""


def list_runs(db: Database) -> list[RunInfo]:
    """All runs, in the order in which they began."""
    return db.rows(
        RunInfo,
        "SELECT r.key, r.strategy, r.config, r.verified, r.created, count(e.id), count(e.digest)"
        " FROM runs r LEFT JOIN episodes e ON e.run = r.id GROUP BY r.id ORDER BY r.id",
    )


def list_episodes(db: Database, run: str) -> Sequence[EpisodeInfo]:
    """The finished episodes of a run, in the order of its problems; nothing here was checked."""
    return db.rows(
        _episode,
        "SELECT e.id, p.name, e.thoughts, e.result, ifnull(s.answer, (SELECT t.answer FROM"
        " thoughts t WHERE t.episode = e.id AND t.id = json_extract(e.result, '$.thought')))"
        " FROM episodes e JOIN problems p ON p.id = e.problem JOIN runs r ON r.id = e.run"
        " LEFT JOIN spilled s ON s.episode = e.id"
        " WHERE r.key = ? AND e.digest IS NOT NULL ORDER BY e.number",
        (run,),
    )


def _episode(row: int, problem: str, thoughts: int, result: str, answer: str | None) -> EpisodeInfo:
    try:
        told = json.loads(result)
        grade = told.get("grade")
        prompt, _, completion, calls, _ = told.get("usage", (0, 0, 0, 0, 0.0))
        score, error = None if grade is None else grade[0], told["error"]
        tokens, stopped = prompt + completion, told.get("stopped")
        return EpisodeInfo(row, problem, thoughts, answer, score, calls, tokens, stopped, error)
    except (ValueError, TypeError, LookupError, AttributeError):
        return EpisodeInfo(row, problem, thoughts, answer, None, 0, 0, None, "it is damaged")
