"""Rows of every kind about one small question, and settings that train on them in a second."""

from collections.abc import Sequence

from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.training import Optimisation
from cogitate.training.rows import (
    KTORow,
    PreferenceRow,
    PromptRow,
    RankedRow,
    Reply,
    SFTRow,
    Step,
    StepRow,
)

QUESTION = Message("user", "What is 6 * 7?")
ASKED = {
    "problem": "p",
    "question": QUESTION.content,
    "role": "generator",
    "agent": "generator",
    "operation": "generate",
    "messages": (QUESTION,),
}
FAST = Optimisation(learning_rate=1e-2, epochs=1, batch_size=4, warmup=0, precision="float32")


def reply(
    text: str, ids: Sequence[int] | None = None, revision: str = "", value: float = 1.0
) -> Reply:
    return Reply(
        thought=f"t.{text}",
        completion=text,
        completion_ids=None if ids is None else tuple(ids),
        source=Source("hf/tiny", revision),
        value=value,
    )


def sft(text: str = "Answer: 42", role: str = "generator") -> SFTRow:
    return SFTRow.model_validate(
        {**ASKED, "role": role}
        | {"thought": "t.0", "completion": text, "source": Source("hf/tiny"), "grade": 1.0}
    )


def preference(chosen: Reply, rejected: Reply) -> PreferenceRow:
    return PreferenceRow.model_validate(
        {**ASKED, "parents": ("p",), "chosen": chosen, "rejected": rejected}
    )


def preferences(n: int = 4) -> list[PreferenceRow]:
    return [preference(reply(f"Answer: 4{i}"), reply(f"No {i}.", value=0.0)) for i in range(n)]


def kto(text: str, wanted: bool) -> KTORow:
    return KTORow.model_validate({**ASKED, "reply": reply(text), "wanted": wanted})


def ranked(texts: Sequence[str], ranks: Sequence[int | None]) -> RankedRow:
    replies = tuple(reply(text) for text in texts)
    return RankedRow.model_validate(
        {**ASKED, "parents": ("p",), "replies": replies, "ranks": tuple(ranks)}
    )


def solution(steps: Sequence[tuple[str, float | None]], grade: float | None = None) -> StepRow:
    parts = tuple(Step(thought=f"t.{text}", text=text, label=label) for text, label in steps)
    return StepRow.model_validate({**ASKED, "steps": parts, "grade": grade})


def start(
    question: str = QUESTION.content, prefix: str = "", ids: tuple[int, ...] | None = None
) -> PromptRow:
    return PromptRow.model_validate(
        ASKED
        | {"question": question, "problem": question, "thought": "t.0", "reference": "42"}
        | {"kind": "auto", "prefix": prefix, "prefix_ids": ids}
    )
