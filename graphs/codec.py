"""A thought graph as JSON text: versioned, lossless, and in an order that only the graph decides.

Prompts are kept once and referred to by number, because the samples of one ask share theirs.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from cogitate.errors import DataError
from cogitate.graphs.thought import Link, Relation, Source, Thought, ThoughtKind, Tokens
from cogitate.inference import Message
from cogitate.tasks import Problem

__all__ = ["dump", "load"]

FORMAT = "cogitate-graph"
VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TokensRecord(_Record):
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[FiniteFloat, ...] | None = None


class _ThoughtRecord(_Record):
    id: str
    kind: ThoughtKind
    text: str
    parents: tuple[tuple[str, Relation], ...] = ()
    agent: str = ""
    role: str = ""
    operation: str = ""
    about: str = ""
    answer: str | None = None
    accepts: bool | None = None
    scores: dict[str, FiniteFloat] = {}
    reasoning: str = ""
    finish: str = "stop"
    error: str = ""
    dropped: int = 0
    prompt: int | None = None
    """The number of its prompt in `prompts`."""
    prefix: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    source: tuple[str, str, str | None, str] | None = None
    tokens: _TokensRecord | None = None
    logprobs_alone: tuple[FiniteFloat, ...] | None = None


class _GraphRecord(_Record):
    format: Literal["cogitate-graph"]
    version: Literal[1]
    problem: Problem
    prompts: tuple[tuple[tuple[Literal["system", "user", "assistant"], str], ...], ...]
    thoughts: tuple[_ThoughtRecord, ...]


_DEFAULTS = {
    name: field.default
    for name, field in _ThoughtRecord.model_fields.items()
    if not field.is_required()
}


def dump(problem: Problem, thoughts: Sequence[Thought], links: Iterable[Link]) -> str:
    """Write a graph.

    Args:
        problem: What it thinks about.
        thoughts: All of them, parents before children.
        links: All edges, each child's in the order of its parents.
    """
    parents: dict[str, list[tuple[str, str]]] = {}
    for link in links:
        parents.setdefault(link.child.id, []).append((link.parent.id, link.relation.value))
    prompts: dict[tuple[Message, ...], int] = {}
    entries = []
    for thought in thoughts:
        entry: dict[str, object] = {
            name: getattr(thought, name) for name in _ThoughtRecord.model_fields if name not in _OWN
        }
        entry["parents"] = parents.get(thought.id, ())
        if thought.prompt is not None:
            entry["prompt"] = prompts.setdefault(thought.prompt, len(prompts))
        if thought.tokens is not None:
            entry["tokens"] = {
                "prompt_ids": thought.tokens.prompt_ids,
                "token_ids": thought.tokens.token_ids,
                "logprobs": thought.tokens.logprobs,
            }
        entries.append({k: v for k, v in entry.items() if k not in _DEFAULTS or v != _DEFAULTS[k]})
    graph = {
        "format": FORMAT,
        "version": VERSION,
        "problem": problem.model_dump(mode="json"),
        "prompts": list(prompts),
        "thoughts": entries,
    }
    return json.dumps(graph, ensure_ascii=False, allow_nan=False)


_OWN = frozenset({"parents", "prompt", "tokens"})


def load(text: str) -> tuple[Problem, list[tuple[Thought, tuple[tuple[str, Relation], ...]]]]:
    """Read a graph: its problem, and each thought with its parents' ids and relations.

    Raises:
        DataError: The text is no graph that `dump` wrote.
    """
    try:
        record = _GraphRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the text"
        raise DataError(
            f"this is no {FORMAT} of version {VERSION}: {where}: {first['msg']}"
        ) from None
    prompts = [tuple(Message(*turn) for turn in prompt) for prompt in record.prompts]
    entries = []
    for entry in record.thoughts:
        values = {name: getattr(entry, name) for name in _ThoughtRecord.model_fields}
        parents = values.pop("parents")
        if entry.prompt is not None:
            if not 0 <= entry.prompt < len(prompts):
                raise DataError(f"thought {entry.id}: there is no prompt {entry.prompt}")
            values["prompt"] = prompts[entry.prompt]
        if entry.source is not None:
            values["source"] = Source(*entry.source)
        if entry.tokens is not None:
            values["tokens"] = Tokens(
                entry.tokens.prompt_ids, entry.tokens.token_ids, entry.tokens.logprobs
            )
        entries.append((Thought(**values), parents))
    return record.problem, entries
