"""Finished episodes as rows, and back: what is read equals what was thought, or is refused.

A thought's row holds only what its completion does not say: most texts, reasoning blocks, token
counts and tokens stand once, in the journal. What few thoughts have stands in `rest`, as JSON.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import apsw

from cogitate.errors import DataError
from cogitate.graphs import Episode, Relation, Result, Source, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.thought import Tokens
from cogitate.inference import Completion, Message, Usage
from cogitate.memory.codec import digest_of, messages, messages_cell
from cogitate.memory.database import Database, once, source_row
from cogitate.memory.journal import COMPLETION, CompletionRow, Line, completion_of
from cogitate.tasks import Grade, Problem

__all__ = ["Finished", "content_of", "read_graph", "read_result", "write_episode"]


class Finished(NamedTuple):
    """A finished episode, as its row has it."""

    episode: int
    problem: int
    result: str
    thoughts: int
    digest: bytes


class _ThoughtRow(NamedTuple):
    number: int
    id: str
    kind: str
    text: str | None
    answer: str | None
    accepts: int | None
    rest: str | None
    prompt: int | None
    completion: int | None
    agent: str
    role: str
    operation: str
    model: str
    revision: str
    adapter: str | None
    adapter_revision: str


_THOUGHTS = (
    "SELECT t.number, t.id, t.kind, t.text, t.answer, t.accepts, t.rest, t.prompt, t.completion,"
    " w.agent, w.role, w.operation, w.model, w.revision, w.adapter, w.adapter_revision"
)
"""Of thoughts t and their sources w."""


def content_of(episode: Episode) -> tuple[object, ...]:
    """Everything an episode says that no clock and no batching decides, to be compared."""
    grade, result = episode.grade, episode.result
    told: tuple[object, ...] = ()
    if result is not None:
        usage = result.usage
        told = (
            None if result.thought is None else result.thought.id,
            (usage.prompt, usage.completion, usage.calls, usage.money),
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
    links: dict[str, list[tuple[str, str]]] = {}
    for link in graph.links():
        links.setdefault(link.child.id, []).append((link.parent.id, link.relation.value))
    return [
        (
            *(getattr(t, name) for name in _PLAIN),
            t.kind.value,
            None if t.prompt is None else tuple(map(tuple, t.prompt)),
            None if t.source is None else tuple(t.source),
            None
            if t.tokens is None
            else (t.tokens.prompt_ids, t.tokens.token_ids, t.tokens.logprobs),
            tuple(t.scores.items()),
            links.get(t.id, ()),
        )
        for t in graph.in_order()
    ]


_PLAIN = (
    "id", "text", "agent", "role", "operation", "about", "answer", "accepts", "reasoning", "finish",
    "error", "dropped", "prefix", "prompt_tokens", "completion_tokens", "logprobs_alone",
)  # fmt: skip


def _digest(episode: Episode) -> bytes:
    result = episode.result
    clock = None if result is None else (result.seconds, result.usage.cached)
    return digest_of(content_of(episode), clock)


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
    db.execute(
        "UPDATE episodes SET finished = datetime('now'), result = ?, thoughts = ?, digest = ?"
        " WHERE id = ?",
        (_result_cell(episode), len(thoughts), _digest(episode), row),
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


def read_result(cell: str, problem: Problem, graph: ThoughtGraph) -> Episode:
    """Return the episode that a result's cell tells of, on its graph.

    Raises:
        DataError: The cell is damaged.
    """
    try:
        told = json.loads(cell)
        grade = told.get("grade")
        return Episode(
            problem,
            Result(
                problem=problem,
                thought=None if told["thought"] is None else graph.thought(told["thought"]),
                graph=graph,
                usage=Usage(*told["usage"]),
                stopped=told["stopped"],
                oracle=told["oracle"],
                seconds=told["seconds"],
            )
            if "usage" in told
            else None,
            None if grade is None else Grade(score=grade[0], reason=grade[1]),
            told["error"],
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"a result cannot be read: {error}") from None


def read_graph(db: Database, finished: Finished, problem: Problem) -> ThoughtGraph:
    """Return the graph of a finished episode.

    Raises:
        DataError: A row is missing or damaged.
    """
    graph = ThoughtGraph.of(problem)
    root = graph.root.id
    completions = _completions(db, finished.episode)
    prompts = _prompts(db, finished.episode)
    parents = _parents(db, finished.episode)
    thoughts: list[Thought] = []
    sources: dict[tuple[str, str, str | None, str], Source] = {}
    rows = db.rows(
        _ThoughtRow,
        f"{_THOUGHTS} FROM thoughts t JOIN sources w ON w.id = t.source WHERE t.episode = ?"
        " ORDER BY t.number",
        (finished.episode,),
    )
    try:
        for row in rows:
            thought = _thought(row, completions, prompts, sources, root)
            thoughts.append(thought)
            if row.number == 0:
                continue
            graph.add(thought)
            for parent, relation in parents.get(row.number, ()):
                graph.add_edge(thoughts[parent].id, thought.id, relation=Relation(relation).value)
        for number, source, value in db.rows(_Score, _SCORES, (finished.episode,)):
            target = graph.root if number == 0 else thoughts[number]
            target.scores[source] = value
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"a thought cannot be read: {error}") from None
    if thoughts and thoughts[0].id != root:
        raise DataError("the problem is not the first thought")
    return graph


class _Score(NamedTuple):
    thought: int
    source: str
    value: float


_SCORES = "SELECT thought, source, value FROM scores WHERE episode = ? ORDER BY thought, place"


def _thought(
    row: _ThoughtRow,
    completions: Mapping[int, Completion],
    prompts: Mapping[int, tuple[Message, ...]],
    sources: dict[tuple[str, str, str | None, str], Source],
    root: str,
) -> Thought:
    completion = None if row.completion is None else completions[row.completion]
    rest = json.loads(row.rest) if row.rest else {}
    source, tokens = None, None
    if row.model or row.revision or row.adapter is not None:
        weights = row.model, row.revision, row.adapter, row.adapter_revision
        source = sources.setdefault(weights, Source(*weights))
    alone: Sequence[float] | None = None
    text, reasoning, finish, prompt_tokens, completion_tokens = "", "", "stop", 0, 0
    if completion is not None:
        text, reasoning, finish = completion.text, completion.reasoning, completion.finish
        prompt_tokens = completion.usage.prompt
        completion_tokens = completion.usage.completion
        if completion.prompt_ids is not None and completion.token_ids is not None:
            tokens = Tokens(completion.prompt_ids, completion.token_ids, completion.logprobs)
        else:
            alone = completion.logprobs
    if "tokens" in rest:
        tokens = rest["tokens"] and Tokens(
            tuple(rest["tokens"][0]),
            tuple(rest["tokens"][1]),
            None if rest["tokens"][2] is None else tuple(rest["tokens"][2]),
        )
    if "logprobs_alone" in rest:
        alone = rest["logprobs_alone"]
    return Thought(
        row.id,
        ThoughtKind(row.kind),
        text if row.text is None else row.text,
        agent=row.agent,
        role=row.role,
        operation=row.operation,
        about=rest.get("about", root),
        answer=row.answer,
        accepts=None if row.accepts is None else bool(row.accepts),
        reasoning=rest.get("reasoning", reasoning),
        finish=rest.get("finish", finish),
        error=rest.get("error", ""),
        dropped=rest.get("dropped", 0),
        prompt=None if row.prompt is None else prompts[row.prompt],
        prefix=rest.get("prefix", ""),
        prompt_tokens=rest.get("prompt_tokens", prompt_tokens),
        completion_tokens=rest.get("completion_tokens", completion_tokens),
        source=source,
        tokens=tokens,
        logprobs_alone=None if alone is None else tuple(alone),
    )


def _completions(db: Database, episode: int) -> dict[int, Completion]:
    rows = db.rows(
        lambda row, *columns: (row, CompletionRow(*columns)),
        f"SELECT c.id, {COMPLETION} FROM thoughts t JOIN completions c ON c.id = t.completion"
        " JOIN sources s ON s.id = c.source LEFT JOIN contexts x ON x.id = c.context"
        " WHERE t.episode = ?",
        (episode,),
    )
    return {number: completion_of(row) for number, row in rows}


def _prompts(db: Database, episode: int) -> dict[int, tuple[Message, ...]]:
    rows = db.rows(
        lambda row, body: (row, body),
        "SELECT p.id, p.body FROM prompts p WHERE p.id IN"
        " (SELECT prompt FROM thoughts WHERE episode = ?)",
        (episode,),
    )
    return {row: messages(body) for row, body in rows}


def _parents(db: Database, episode: int) -> dict[int, list[tuple[int, str]]]:
    parents: dict[int, list[tuple[int, str]]] = {}
    query = "SELECT child, parent, relation FROM edges WHERE episode = ? ORDER BY child, place"
    for child, parent, relation in db.rows(lambda *row: row, query, (episode,)):
        parents.setdefault(child, []).append((parent, relation))
    return parents


def check(finished: Finished, episode: Episode) -> None:
    """Refuse an episode that is not the one that was written.

    Raises:
        DataError: It differs.
    """
    if _digest(episode) != finished.digest:
        raise DataError("what is read is not what was written")
