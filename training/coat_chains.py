"""Which synthesised chains a model learns the format from (Satori, arXiv:2502.02508, section 4.1).

Agents make chains (`ChainOfActionThought(mode="agents")`), and `harvest(...).coat(plain=True)`
gives the right ones as text. Not every one of them is worth imitating. What a small critic says is
often one sentence with other numbers: a model tuned on it repeats the sentence, which parses as a
reflection and is none. An approach that is left although its answer was right already teaches to
doubt for nothing. And chains that only go on soon outnumber those that turn, or the other way
round, so one side is capped.

The paper's reward model chooses among the critic's chains; here the grader does, and these rules.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator

from cogitate.graphs.coat_text import Action, Meta, parse_coat, write_coat
from cogitate.tasks import extract_answer
from cogitate.training.dataset import same_text
from cogitate.training.rows import SFTRow

__all__ = [
    "ChainChoice",
    "ChainKind",
    "Chains",
    "after_mistakes",
    "choose_chains",
    "kind_of_chain",
]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class ChainKind(StrEnum):
    """What a chain does besides going on."""

    PLAIN = "plain"
    REFLECTS = "reflects"
    EXPLORES = "explores"


class ChainChoice(BaseModel):
    """What is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_wording: int = Field(default=4, ge=1)
    """The most chains with one wording of a reflection, its numbers apart."""
    per_problem: int = Field(default=4, ge=1)
    """The most chains of one problem."""
    plain: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)
    """The least and the most chains that only go on, for each one that reflects or explores: a
    model reflects about as often as what it was tuned on."""
    seed: int = 0

    @field_validator("plain")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        least, most = value
        if least > most:
            raise ValueError(f"plain={value}: give the least first")
        return value


class Chains(NamedTuple):
    """What was kept, and what became of the rest."""

    rows: list[SFTRow]
    counts: dict[str, int]
    """`chains` in all, of which: `kept`; `templated`, `needless` (another approach after a right
    answer), `duplicates`, `capped` (of one problem), `balanced` (for the proportion);
    and how many of each kind were kept."""


def choose_chains(rows: Iterable[SFTRow], choice: ChainChoice | None = None) -> Chains:
    """Choose the chains to tune the format on; which ones are kept of a kind is drawn.

    Args:
        rows: Right chains, as text with tokens.
        choice: What is kept.
    """
    choice = choice or ChainChoice()
    rows = list(rows)
    counts = Counter({"chains": len(rows)})
    kept = _balanced(_sound(rows, choice, counts), choice, counts)
    counts["kept"] = len(kept)
    counts.update(kind_of_chain(parse_coat(row.completion)).value for row in kept)
    return Chains(kept, dict(counts))


def kind_of_chain(actions: Sequence[Action]) -> ChainKind:
    """Return what a chain does.

    Example:
        >>> str(kind_of_chain(parse_coat("<|continue|>5<|reflect|>No: 4")))
        'reflects'
    """
    metas = {action.meta for action in actions}
    if Meta.EXPLORE in metas:
        return ChainKind.EXPLORES
    return ChainKind.REFLECTS if Meta.REFLECT in metas else ChainKind.PLAIN


def after_mistakes(row: SFTRow) -> SFTRow:
    r"""Return a chain whose mistakes are given and not learned: what is learned goes on from them.

    They end with the last action that answers otherwise than the chain in the end. A chain without
    one is returned as it is. The paper learns whole chains; a model that is small enough to learn
    the mistakes too makes them more often.

    Example:
        `<|continue|>Answer: 5` is given of the chain
        `<|continue|>Answer: 5<|reflect|>No.<|explore|>Answer: 4`.
    """
    actions = parse_coat(row.completion)
    answers, ends = _answers(actions)
    wrong = [i for i, answer in enumerate(answers) if answer not in (None, ends)]
    if not wrong:
        return row
    given = len(write_coat(actions[: wrong[-1] + 1]))
    return row.model_copy(
        update={
            "prefix": row.prefix + row.completion[:given],
            "completion": row.completion[given:],
            "prompt_ids": None,
            "completion_ids": None,
            "logprobs": None,
        }
    )


def _answers(actions: Sequence[Action]) -> tuple[list[str | None], str | None]:
    """What each action gives as the answer, and what the last one does that gives any."""
    answers = [extract_answer(action.text) for action in actions]
    return answers, next((answer for answer in reversed(answers) if answer is not None), None)


def _sound(rows: Sequence[SFTRow], choice: ChainChoice, counts: Counter[str]) -> list[SFTRow]:
    texts = set[tuple[str, str]]()
    of_problem, of_wording = Counter[str](), Counter[str]()
    kept = []
    for row in rows:
        actions = parse_coat(row.completion)
        question = same_text(row.question)
        wordings = {
            _NUMBER.sub("#", same_text(action.text))
            for action in actions
            if action.meta is Meta.REFLECT
        }
        if (question, row.completion) in texts:
            counts["duplicates"] += 1
        elif _needless(actions):
            counts["needless"] += 1
        elif any(of_wording[wording] >= choice.per_wording for wording in wordings):
            counts["templated"] += 1
        elif of_problem[question] >= choice.per_problem:
            counts["capped"] += 1
        else:
            texts.add((question, row.completion))
            of_problem[question] += 1
            of_wording.update(wordings)
            kept.append(row)
    return kept


def _needless(actions: Sequence[Action]) -> bool:
    """Whether it explores although the answer that it leaves is the one that it ends with."""
    answers, ends = _answers(actions)
    given: str | None = None
    for (meta, _), answer in zip(actions, answers, strict=True):
        if meta is Meta.EXPLORE and given is not None and given == ends:
            return True
        given = given if answer is None else answer
    return False


def _balanced(rows: Sequence[SFTRow], choice: ChainChoice, counts: Counter[str]) -> list[SFTRow]:
    turns = [kind_of_chain(parse_coat(row.completion)) is not ChainKind.PLAIN for row in rows]
    plain, turning = ([i for i, one in enumerate(turns) if one is side] for side in (False, True))
    if not plain or not turning:
        return list(rows)
    least, most = choice.plain
    draw = random.Random(choice.seed)
    few = draw.sample(plain, min(len(plain), max(1, int(most * len(turning)))))
    kept = {*few, *draw.sample(turning, min(len(turning), max(1, int(len(few) / least))))}
    counts["balanced"] += len(rows) - len(kept)
    return [row for i, row in enumerate(rows) if i in kept]
