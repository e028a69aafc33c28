"""Rows that compare siblings: thoughts that share all parents, role, operation and prompt."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cogitate.graphs import Thought, ThoughtKind
from cogitate.inference import Message
from cogitate.training.credit.siblings import siblings
from cogitate.training.rows import PreferenceRow, RankedRow
from cogitate.training.rows_from.asked import Asked, Credits, asked, reply

__all__ = ["preference_rows", "ranked_rows", "rated_row"]


def preference_rows(
    credits: Credits, counts: Counter[str], *, role: str | None
) -> Iterator[PreferenceRow]:
    """Pair each sibling whose credit is positive with each whose credit is not.

    Args:
        credits: Of one graph.
        counts: `alone` (thoughts without a sibling), `one-sided` (groups without a pair), `equal`
            (pairs of the same text), `no prompt` (groups that no model was asked for).
        role: Rows of this role alone.
    """
    worth = credits.worth
    for group in _groups(credits, counts, role):
        prompt = _prompt(credits, group)
        if prompt is None:
            counts["no prompt"] += 1
            continue
        chosen = [thought for thought in group if worth[thought.id].positive is True]
        rejected = [thought for thought in group if worth[thought.id].positive is False]
        if not chosen or not rejected:
            counts["one-sided"] += 1
        for better in chosen:
            for worse in rejected:
                if better.text == worse.text:
                    counts["equal"] += 1
                    continue
                yield PreferenceRow(
                    problem=credits.problem.id,
                    run=credits.run,
                    question=credits.problem.prompt,
                    role=better.role,
                    agent=better.agent,
                    operation=better.operation,
                    messages=prompt.messages,
                    prefix=prompt.prefix,
                    prompt_ids=prompt.ids,
                    credit=worth[better.id].origin,
                    parents=_parents(credits, better),
                    chosen=reply(better, worth[better.id].value),
                    rejected=reply(worse, worth[worse.id].value),
                )


def ranked_rows(credits: Credits, counts: Counter[str], *, role: str | None) -> Iterator[RankedRow]:
    """Rank the siblings of each group by their credit, best first; equal values are a tie.

    Siblings without credit are not in the list: that nothing is known of a reply does not put it
    below the others. Of two with the same text the first is kept.

    Args:
        credits: Of one graph.
        counts: `alone`, `tied` (groups in which all are worth the same), `equal` (further replies
            of the same text), `no prompt`.
        role: Rows of this role alone.
    """
    worth = credits.worth
    for group in _groups(credits, counts, role):
        prompt = _prompt(credits, group)
        if prompt is None:
            counts["no prompt"] += 1
            continue
        texts: dict[str, Thought] = {}
        for thought in group:
            texts.setdefault(thought.text, thought)
        counts["equal"] += len(group) - len(texts)
        best = sorted(texts.values(), key=lambda thought: -worth[thought.id].value)
        values = [worth[thought.id].value for thought in best]
        if len(set(values)) < 2:
            counts["tied"] += 1
            continue
        first = best[0]
        yield RankedRow(
            problem=credits.problem.id,
            run=credits.run,
            question=credits.problem.prompt,
            role=first.role,
            agent=first.agent,
            operation=first.operation,
            messages=prompt.messages,
            prefix=prompt.prefix,
            prompt_ids=prompt.ids,
            credit=worth[first.id].origin,
            parents=_parents(credits, first),
            replies=tuple(reply(thought, worth[thought.id].value) for thought in best),
            ranks=tuple(1 + values.index(value) for value in values),
        )


def rated_row(row: PreferenceRow) -> PreferenceRow:
    """Return a pair as a reward model reads it: the problem and the replies, without a prompt."""
    asked_for = (Message("user", row.question),)
    return row.model_copy(update={"messages": asked_for, "prompt_ids": None})


def _groups(
    credits: Credits, counts: Counter[str], role: str | None
) -> Iterator[Sequence[Thought]]:
    values = {name: worth.value for name, worth in credits.worth.items()}
    for group in siblings(credits.graph, values):
        first = group[0]
        if role not in (None, first.role) or first.kind is ThoughtKind.PROBLEM:
            continue
        if len(group) < 2:
            counts["alone"] += 1
        else:
            yield group


def _prompt(credits: Credits, group: Sequence[Thought]) -> Asked | None:
    """The prompt of a group; its ids only where all were sampled after the same ones."""
    found = [asked(credits, thought) for thought in group]
    first = found[0]
    if first is None or all(prompt == first for prompt in found):
        return first
    return first._replace(ids=None)


def _parents(credits: Credits, thought: Thought) -> tuple[str, ...]:
    return tuple(parent.id for parent in credits.graph.parents(thought))
