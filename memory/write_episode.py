"""Finished episodes as rows: what is read back equals what was thought, or is refused.

A thought's row holds only what its completion does not say: most texts, reasoning blocks, token
counts and tokens stand once, in the journal. What few thoughts have stands in `rest`, as JSON.
"""

import json
from collections.abc import Mapping
from operator import attrgetter

import apsw

from cogitate.graphs import Episode, ThoughtGraph
from cogitate.graphs.thought import Tokens
from cogitate.inference import Completion, Message
from cogitate.memory.codec import digest_of, messages_cell
from cogitate.memory.database import once, source_row
from cogitate.memory.lines import Line

__all__ = ["content_of", "episode_digest", "write_episode"]


def content_of(episode: Episode) -> tuple[object, ...]:
    """Everything an episode says that no clock and no batching decides, to be compared.

    Money is left out with cached tokens: of asks that were merged, one pays for the prompt.
    """
    grade, result = episode.grade, episode.result
    told: tuple[object, ...] = ()
    if result is not None:
        usage = result.usage
        told = (
            None if result.thought is None else result.thought.id,
            (usage.prompt, usage.completion, usage.calls),
            result.stopped,
            result.oracle,
        )
    return (
        episode.problem.model_dump_json(),
        told,
        None if grade is None else (grade.score, grade.reason),
        episode.error,
        _graph(episode.graph) if result is not None else (),
    )


def _graph(graph: ThoughtGraph) -> list[tuple[object, ...]]:
    parents = graph.pred
    return [
        (
            *_plain_of(t),
            t.kind.value,
            None if t.prompt is None else tuple(map(tuple, t.prompt)),
            None if t.source is None else tuple(t.source),
            None
            if t.tokens is None
            else (t.tokens.prompt_ids, t.tokens.token_ids, t.tokens.logprobs),
            tuple(t.scores.items()),
            [(parent, str(edge["relation"])) for parent, edge in parents[t.id].items()] or (),
        )
        for t in graph.in_order()
    ]


_PLAIN = (
    "id", "text", "agent", "role", "operation", "about", "answer", "accepts", "reasoning", "finish",
    "error", "dropped", "prefix", "prompt_tokens", "completion_tokens", "logprobs_alone",
)  # fmt: skip
_plain_of = attrgetter(*_PLAIN)


def episode_digest(place: tuple[int, int, int], episode: Episode) -> bytes:
    """Return what changes when anything of an episode, of its clock, or where it belongs, does.

    Args:
        place: The rows of its run and its problem, and its number in the run.
        episode: The episode.
    """
    result = episode.result
    clock = None if result is None else (result.seconds, result.usage.cached, result.usage.money)
    return digest_of(place, content_of(episode), clock)


def write_episode(
    db: apsw.Connection,
    row: int,
    problem: int,
    episode: Episode,
    asked: Mapping[tuple[str, int], Line],
) -> None:
    """Write a finished episode.

    Args:
        db: Within a transaction.
        row: Of the episode.
        problem: The row of its problem.
        episode: What to write.
        asked: The journal's lines that it used, by position and sample number.
    """
    thoughts = [] if episode.result is None else episode.graph.in_order()
    numbers = {thought.id: number for number, thought in enumerate(thoughts)}
    root = thoughts[0].id if thoughts else ""
    prompts: dict[tuple[Message, ...], int] = {}
    sources: dict[tuple[str | None, ...], int] = {}
    rows, edges, scores = [], [], []
    for number, thought in enumerate(thoughts):
        position, _, sample = thought.id.rpartition(".")
        line = asked.get((position, int(sample)))
        completion = None if line is None else _completion_row(db, problem, line)
        if completion is None:  # it stands in a shard: the row says all
            line = None
        source: tuple[str | None, ...] = (
            thought.agent,
            thought.role,
            thought.operation,
            *(thought.source or _NOBODY),
        )
        if source not in sources:
            sources[source] = source_row(db, source)
        if thought.prompt is not None and thought.prompt not in prompts:
            prompts[thought.prompt] = once(db, "prompts", messages_cell(thought.prompt))
        known = _known(None if line is None else line.completion, root)
        text = None if thought.text == known["text"] else thought.text
        rest = {
            name: value
            for name in _REST
            if (value := _plain(getattr(thought, name))) != known[name]
        }
        rows.append(
            (
                row,
                number,
                thought.id,
                thought.kind.value,
                text,
                sources[source],
                completion,
                None if thought.prompt is None else prompts[thought.prompt],
                thought.answer,
                thought.accepts,
                json.dumps(rest, ensure_ascii=False, allow_nan=False) if rest else None,
            )
        )
        relations = episode.graph.edges
        edges += [
            (row, number, place, numbers[parent.id], relations[parent.id, thought.id]["relation"])
            for place, parent in enumerate(episode.graph.parents(thought))
        ]
        scores += [
            (row, number, place, name, value)
            for place, (name, value) in enumerate(thought.scores.items())
        ]
    db.executemany("INSERT INTO thoughts VALUES(?,?,?,?,?,?,?,?,?,?,?)", rows)
    db.executemany("INSERT INTO edges VALUES(?,?,?,?,?)", edges)
    db.executemany("INSERT INTO scores VALUES(?,?,?,?,?)", scores)
    [place] = db.execute("SELECT run, problem, number FROM episodes WHERE id = ?", (row,))
    run, of, at = place
    assert isinstance(run, int) and isinstance(of, int) and isinstance(at, int)
    db.execute(
        "UPDATE episodes SET finished = datetime('now'), result = ?, thoughts = ?, digest = ?"
        " WHERE id = ?",
        (_result_cell(episode), len(thoughts), episode_digest((run, of, at), episode), row),
    )


_REST = (
    "about", "reasoning", "finish", "error", "dropped", "prefix", "prompt_tokens",
    "completion_tokens", "logprobs_alone", "tokens",
)  # fmt: skip
_NOBODY: tuple[str | None, ...] = ("", "", None, "")


def _known(completion: Completion | None, root: str) -> dict[str, object]:
    """What the row of a thought need not say."""
    known: dict[str, object] = {
        "text": "",
        "about": root,
        "reasoning": "",
        "finish": "stop",
        "error": "",
        "dropped": 0,
        "prefix": "",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "logprobs_alone": None,
        "tokens": None,
    }
    if completion is not None:
        ids = completion.prompt_ids is not None and completion.token_ids is not None
        known |= {
            "text": completion.text,
            "reasoning": completion.reasoning,
            "finish": completion.finish,
            "prompt_tokens": completion.usage.prompt,
            "completion_tokens": completion.usage.completion,
            "logprobs_alone": None if ids else _plain(completion.logprobs),
            "tokens": _tokens(completion) if ids else None,
        }
    return known


def _tokens(tokens: Tokens | Completion) -> list[object]:
    return [_plain(tokens.prompt_ids), _plain(tokens.token_ids), _plain(tokens.logprobs)]


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    if isinstance(value, Tokens):
        return _tokens(value)
    return list(value) if isinstance(value, tuple) else value


def _completion_row(db: apsw.Connection, problem: int, line: Line) -> int | None:
    query = "SELECT id FROM completions WHERE problem = ? AND key = ? AND sample = ?"
    for (row,) in db.execute(query, (problem, line.key, line.sample)):
        return int(row)
    return None


def _result_cell(episode: Episode) -> str:
    result, grade = episode.result, episode.grade
    told: dict[str, object] = {"error": episode.error}
    if grade is not None:
        told["grade"] = [grade.score, grade.reason]
    if result is not None:
        usage = result.usage
        told |= {
            "thought": None if result.thought is None else result.thought.id,
            "usage": [usage.prompt, usage.cached, usage.completion, usage.calls, usage.money],
            "stopped": result.stopped,
            "oracle": result.oracle,
            "seconds": result.seconds,
        }
    return json.dumps(told, ensure_ascii=False)
