"""Rows of finished episodes, read back; what was damaged is refused."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cogitate.errors import DataError
from cogitate.graphs import Episode, Relation, Result, Source, Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.thought import Tokens
from cogitate.inference import Completion, Message, Usage
from cogitate.memory.codec import messages
from cogitate.memory.episode_rows import EpisodeRows, ThoughtRow
from cogitate.memory.lines import completion_of
from cogitate.memory.write_episode import episode_digest
from cogitate.tasks import Grade, Problem

__all__ = ["Finished", "check", "read_graph", "read_result"]


class Finished(NamedTuple):
    """A finished episode, as its row has it."""

    episode: int
    run: int
    problem: int
    number: int
    result: str
    thoughts: int
    digest: bytes


_KINDS = {kind.value: kind for kind in ThoughtKind}
_RELATIONS = {relation.value: relation.value for relation in Relation}


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


def read_graph(rows: EpisodeRows, problem: Problem) -> ThoughtGraph:
    """Return the graph of a finished episode.

    Raises:
        DataError: A row is missing or damaged.
    """
    graph = ThoughtGraph.of(problem)
    root = graph.root.id
    completions = {number: completion_of(row) for number, row in rows.completions.items()}
    prompts = {number: messages(body) for number, body in rows.prompts.items()}
    parents: dict[int, list[tuple[int, str]]] = {}
    for child, parent, relation in rows.edges:
        parents.setdefault(child, []).append((parent, relation))
    thoughts: list[Thought] = []
    sources: dict[tuple[str, str, str | None, str], Source] = {}
    try:
        for row in rows.thoughts:
            thought = _thought(row, completions, prompts, sources, root)
            thoughts.append(thought)
            if row.number == 0:
                continue
            graph.add(thought)
            for parent, relation in parents.get(row.number, ()):
                graph.add_edge(thoughts[parent].id, thought.id, relation=_RELATIONS[relation])
        for number, source, value in rows.scores:
            target = graph.root if number == 0 else thoughts[number]
            target.scores[source] = value
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"a thought cannot be read: {error}") from None
    if thoughts and thoughts[0].id != root:
        raise DataError("the problem is not the first thought")
    return graph


def _thought(
    row: ThoughtRow,
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
        _KINDS[row.kind],
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


def check(finished: Finished, episode: Episode) -> None:
    """Refuse an episode that is not the one that was written.

    Raises:
        DataError: It differs.
    """
    place = finished.run, finished.problem, finished.number
    if episode_digest(place, episode) != finished.digest:
        raise DataError("what is read is not what was written")
