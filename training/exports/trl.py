"""Rows as TRL's trainers expect them: conversations, and ids with a mask where they are known.

    sft           prompt, completion; in the form `ids` input_ids, labels, completion_mask
    preferences   prompt, chosen, rejected, margin  DPO, ORPO, reward models
    unpaired      prompt, completion, label         KTO
    ranked        prompt, completions, ranks        Plackett-Luce; TRL has no such type
    steps         prompt, completions, labels       the step-wise type that TRL had up to 1.12
    prompts       prompt, prefix, prefix_ids, reference, kind    GRPO; extra columns go to rewards

Beside them each row has `problem`, `run`, the ids of its thoughts, `verification` and what it is
worth. A conversation cannot go on with a reply that was begun: rows with a prefix are left out here
(not of steps and prompts), and counted; as ids they are trained. The labels are there because
`SFTTrainer` heeds the mask only where it is told to, and trains the prompt otherwise.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Literal

from cogitate.errors import ConfigError
from cogitate.inference import Message
from cogitate.training.exports.kinds import Kind, kind_of
from cogitate.training.rows import (
    KTORow,
    PreferenceRow,
    PromptRow,
    RankedRow,
    Row,
    SFTRow,
    StepRow,
)
from cogitate.training.stream import R, Rows, verification_of

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

__all__ = ["TrainerForm", "as_dataset", "begun", "trl_columns", "trl_schema"]

TrainerForm = Literal["text", "ids"]
"""`ids`: SFT rows as `input_ids` and `labels`, the tokens exactly as they were sampled."""

_NO_LOSS = -100
"""The label of a token without loss, as PyTorch's cross-entropy has it."""

Turn = dict[str, str]


def as_dataset(rows: Iterable[R], *, form: TrainerForm = "text") -> "Dataset":
    """Return rows as a dataset for a TRL trainer, in memory.

    Args:
        rows: Of one kind.
        form: `ids` for SFT rows alone; those without ids are left out.

    Raises:
        ConfigError: There is no row, or they are not SFT rows and shall be ids.
    """
    from datasets import Dataset  # takes seconds to import

    stream = rows if isinstance(rows, Rows) else None
    counts: Counter[str] = Counter()
    records = [
        columns for row in rows if (columns := _columns(stream, row, form, counts)) is not None
    ]
    if not records:
        raise ConfigError(f"no rows for a dataset ({dict(counts)}): harvest more")
    return Dataset.from_list(records)


def _columns(
    stream: Rows[R] | None, row: R, form: TrainerForm, counts: Counter[str]
) -> dict[str, object] | None:
    verification = "unverified" if stream is None else str(verification_of(stream, row))
    if form == "ids":
        return _with_mask(row, verification, counts)
    return trl_columns(row, verification, counts)


def _with_mask(row: Row, verification: str, counts: Counter[str]) -> dict[str, object] | None:
    if not isinstance(row, SFTRow):
        raise ConfigError("only SFT rows are trained as input_ids: leave form='ids' out")
    if row.prompt_ids is None or row.completion_ids is None:
        counts["no ids"] += 1
        return None
    return {
        "input_ids": [*row.prompt_ids, *row.completion_ids],
        "labels": [_NO_LOSS] * len(row.prompt_ids) + [*row.completion_ids],
        "completion_mask": [0] * len(row.prompt_ids) + [1] * len(row.completion_ids),
        "problem": row.problem,
        "run": row.run,
        "thought": row.thought,
        "verification": verification,
    }


def begun(row: Row) -> bool:
    """Whether a row goes on with a reply that was begun, which no conversation can."""
    return bool(row.prefix) and not isinstance(row, StepRow | PromptRow)


def trl_columns(row: Row, verification: str, counts: Counter[str]) -> dict[str, object] | None:
    """Return a row's columns, or None where a conversation cannot say it (counted: `prefixed`)."""
    if begun(row):
        counts["prefixed"] += 1
        return None
    shared = {
        "prompt": [turn._asdict() for turn in row.messages],
        "problem": row.problem,
        "run": row.run,
        "role": row.role,
        "verification": verification,
    }
    return shared | dict(_of_kind(row))


def _of_kind(row: Row) -> Iterator[tuple[str, object]]:
    match row:
        case SFTRow():
            yield from {
                "completion": _said(row.completion),
                "thought": row.thought,
                "value": row.grade,
            }.items()
        case PreferenceRow(chosen=better, rejected=worse):
            yield from {
                "chosen": _said(better.completion),
                "rejected": _said(worse.completion),
                "margin": better.value - worse.value,
                "chosen_thought": better.thought,
                "rejected_thought": worse.thought,
            }.items()
        case KTORow(reply=reply):
            yield from {
                "completion": _said(reply.completion),
                "label": row.wanted,
                "thought": reply.thought,
                "value": reply.value,
            }.items()
        case RankedRow(replies=replies):
            yield from {
                "completions": [_said(reply.completion) for reply in replies],
                "ranks": list(row.ranks),
                "thoughts": [reply.thought for reply in replies],
                "values": [reply.value for reply in replies],
            }.items()
        case StepRow(steps=steps):
            yield from {
                "completions": [step.text for step in steps],
                "labels": [step.label for step in steps],
                "thoughts": [step.thought for step in steps],
            }.items()
        case PromptRow():
            yield from {
                "prefix": row.prefix,
                "prefix_ids": None if row.prefix_ids is None else list(row.prefix_ids),
                "reference": row.reference,
                "kind": row.kind,
                "began": row.began,
                "thought": row.thought,
            }.items()
        case _:
            kind_of(type(row))


def _said(text: str) -> list[Turn]:
    return [Message("assistant", text)._asdict()]


@cache
def trl_schema(kind: Kind) -> "pa.Schema":
    """Return the columns of a kind of rows, as a Parquet file has them."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    turns = pa.list_(pa.struct([("role", text), ("content", text)]))
    texts, numbers = pa.list_(text), pa.list_(number)
    shared: list[tuple[str, pa.DataType]] = [
        ("prompt", turns),
        ("problem", text),
        ("run", text),
        ("role", text),
        ("verification", text),
    ]
    of_kind: dict[Kind, list[tuple[str, pa.DataType]]] = {
        Kind.SFT: [("completion", turns), ("thought", text), ("value", number)],
        Kind.PREFERENCES: [
            ("chosen", turns),
            ("rejected", turns),
            ("margin", number),
            ("chosen_thought", text),
            ("rejected_thought", text),
        ],
        Kind.UNPAIRED: [
            ("completion", turns),
            ("label", pa.bool_()),
            ("thought", text),
            ("value", number),
        ],
        Kind.RANKED: [
            ("completions", pa.list_(turns)),
            ("ranks", pa.list_(pa.int32())),
            ("thoughts", texts),
            ("values", numbers),
        ],
        Kind.STEPS: [("completions", texts), ("labels", numbers), ("thoughts", texts)],
        Kind.PROMPTS: [
            ("prefix", text),
            ("prefix_ids", pa.list_(pa.int32())),
            ("reference", text),
            ("kind", text),
            ("began", text),
            ("thought", text),
        ],
    }
    return pa.schema([*shared, *of_kind[kind]])
