"""Rows of single replies: those worth imitating, and all that are known to be wanted or not."""

from collections import Counter
from collections.abc import Iterator

from cogitate.graphs import Source, Thought, ThoughtKind
from cogitate.tasks import has_answer_line
from cogitate.training.credit.record import Origin
from cogitate.training.rows import KTORow, SFTRow
from cogitate.training.rows_from.asked import Asked, Credits, asked, reply, said

__all__ = ["sft_row", "sft_rows", "unpaired_rows"]


def sft_rows(
    credits: Credits, counts: Counter[str], *, role: str | None, marked: bool
) -> Iterator[SFTRow]:
    """Yield the replies whose credit is positive.

    Args:
        credits: Of one graph.
        counts: Thoughts that are no row: `not positive`, `unsure` (the method does not say),
            `no prompt` (no model was asked for it), `cut` (at the token limit), `unmarked`.
        role: Rows of this role alone.
        marked: Whether a solution must mark its answer with a line `Answer: ...`.
    """
    for thought in _credited(credits, role):
        worth = credits.worth[thought.id]
        prompt = asked(credits, thought)
        solution = thought.kind is ThoughtKind.SOLUTION
        if worth.positive is None:
            counts["unsure"] += 1
        elif not worth.positive:
            counts["not positive"] += 1
        elif prompt is None:
            counts["no prompt"] += 1
        elif thought.finish == "length":
            counts["cut"] += 1
        elif marked and solution and not has_answer_line(thought.text, kind=credits.problem.kind):
            counts["unmarked"] += 1
        else:
            yield sft_row(credits, thought, prompt, worth.value, worth.origin)


def sft_row(
    credits: Credits, thought: Thought, prompt: Asked, grade: float, credit: Origin | None
) -> SFTRow:
    """Return a thought as a row to imitate."""
    tokens = thought.tokens
    return SFTRow(
        problem=credits.problem.id,
        run=credits.run,
        question=credits.problem.prompt,
        thought=thought.id,
        role=thought.role,
        agent=thought.agent,
        operation=thought.operation,
        messages=prompt.messages,
        prefix=prompt.prefix,
        prompt_ids=prompt.ids,
        credit=credit,
        completion=said(thought),
        completion_ids=None if tokens is None else tokens.token_ids,
        logprobs=None if tokens is None else tokens.logprobs,
        source=thought.source or Source(""),
        grade=grade,
    )


def unpaired_rows(credits: Credits, counts: Counter[str], *, role: str | None) -> Iterator[KTORow]:
    """Yield every reply of which the credit says whether it is wanted.

    Args:
        credits: Of one graph.
        counts: Thoughts that are no row: `unsure`, `no prompt`.
        role: Rows of this role alone.
    """
    for thought in _credited(credits, role):
        worth = credits.worth[thought.id]
        prompt = asked(credits, thought)
        if worth.positive is None or prompt is None:
            counts["no prompt" if prompt is None else "unsure"] += 1
            continue
        yield KTORow(
            problem=credits.problem.id,
            run=credits.run,
            question=credits.problem.prompt,
            role=thought.role,
            agent=thought.agent,
            operation=thought.operation,
            messages=prompt.messages,
            prefix=prompt.prefix,
            prompt_ids=prompt.ids,
            credit=worth.origin,
            reply=reply(thought, worth.value),
            wanted=worth.positive,
        )


def _credited(credits: Credits, role: str | None) -> list[Thought]:
    return [
        thought
        for thought in credits.graph.in_order()
        if thought.id in credits.worth
        and thought.text
        and thought.kind is not ThoughtKind.PROBLEM
        and role in (None, thought.role)
    ]
