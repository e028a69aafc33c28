"""What a policy is paid for, by name and weight.

    [rewards]
    grader = 1.0                          # a number is the weight
    format = {weight = 0.2}
    overlong = {limit = 256, cache = 64}
    outcome_model = {model = "hf/runs/orm", weight = 0.5}

A judge is measured before the training: how often does it accept what is wrong? Left out: rewards
of one's own, which take code.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from cogitate.agents import Verifier
from cogitate.config import grader_named
from cogitate.errors import ConfigError
from cogitate.graphs.solve import wait_for
from cogitate.inference import Engines
from cogitate.tasks import Problem
from cogitate.training.restarts import Starts
from cogitate.training.rewards import (
    AgreementReward,
    FormatReward,
    Gated,
    JudgeAudit,
    JudgeReward,
    LengthReward,
    ModelReward,
    OutcomeReward,
    OverlongPenalty,
    Part,
    Reward,
    Weighted,
    ajudge_audit,
    known_answers,
)
from cogitate.training.rows import PromptRow

__all__ = ["Rewards"]


class _Paid(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: FiniteFloat = 1.0


def _known(kind: str) -> str:
    grader_named(kind)  # a ConfigError is a ValueError: the file's key is named before it
    return kind


class _Grader(_Paid):
    kind: Annotated[str, AfterValidator(_known)] | None = None
    """As in `verifier = "grader:KIND"`; None: the problem's own."""
    right: float = 1.0
    wrong: float = 0.0
    partial: bool = False
    """Reward part of the marks in proportion."""


class _Format(_Paid):
    kept: float = 1.0
    lost: float = 0.0
    coat: bool = False
    """A solution must also be a chain with a meta-action."""


class _Overlong(_Paid):
    limit: int = Field(ge=1)
    """Tokens from which on it gives -1."""
    cache: int = Field(ge=1)
    """Over so many tokens before that it falls."""


class _Reflection(_Paid):
    beta: float = Field(default=0.5, ge=0)


class _Agreement(_Paid):
    agrees: float = 1.0
    disagrees: float = 0.0


class _Model(_Paid):
    model: str
    """A reward model, such as `hf/runs/orm`."""


class _Judge(_Paid):
    model: str
    base_url: str | None = None
    adapter: str | None = None
    temperature: float = 0.7
    max_tokens: int = Field(default=512, ge=1)
    samples: int = Field(default=1, ge=1)
    """How often it is asked."""
    gated: bool = True
    """Ask only about what keeps the format: the rest gets 0."""
    audit: int = Field(default=20, ge=0)
    """Problems on which it is measured before the training: each with its own answer, with that of
    another problem, and with ten texts that say nothing."""


def _weight(given: object) -> object:
    return {"weight": given} if isinstance(given, int | float) else given


def _folder(given: object) -> object:
    return {"model": given} if isinstance(given, str) else given


_ByNumber = BeforeValidator(_weight)
_ByName = BeforeValidator(_folder)


class Rewards(BaseModel):
    """A weighted sum; every part is logged under its name. Without any, the grader alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grader: Annotated[_Grader, _ByNumber] | None = None
    """Is the answer right?"""
    format: Annotated[_Format, _ByNumber] | None = None
    """Can it be read?"""
    length: Annotated[_Paid, _ByNumber] | None = None
    """+0.5 for the shortest of a group to -0.5 for the longest; a wrong one gains nothing."""
    overlong: _Overlong | None = None
    """0, and towards the limit down to -1."""
    reflection: Annotated[_Reflection, _ByNumber] | None = None
    """What mending a wrong beginning earns, and spoiling a right one costs."""
    agreement: Annotated[_Agreement, _ByNumber] | None = None
    """Of a critique: does it accept what is right, and reject what is wrong?"""
    outcome_model: Annotated[_Model, _ByName] | None = None
    process_model: Annotated[_Model, _ByName] | None = None
    judge: Annotated[_Judge, _ByName] | None = None
    """A model is asked; it can be fooled."""

    def weighted(self, engines: Engines, starts: Sequence[PromptRow]) -> Weighted:
        """Make the sum.

        Args:
            engines: Where models that reward are opened.
            starts: Where episodes begin: a reflection is paid by how its beginning was.

        Raises:
            ConfigError: A grader or a model that there is not, or of another kind.
        """
        made: list[Part] = []
        for name in type(self).model_fields:
            told: _Paid | None = getattr(self, name)
            if told is not None:
                made.append(Part(name, _reward(name, told, engines, starts), told.weight))
        return Weighted(made or [Part("grader", OutcomeReward())])

    @property
    def outcome_weight(self) -> float:
        """What a right answer earns more than a wrong one, by the grader."""
        if all(getattr(self, name) is None for name in type(self).model_fields):
            return 1.0
        told = self.grader
        return 0.0 if told is None else told.weight * (told.right - told.wrong)

    def audit(self, problems: Iterable[Problem]) -> JudgeAudit | None:
        """Measure how often the judge accepts what is wrong.

        Args:
            problems: As many of the first as the judge's `audit` says are tried.

        Returns:
            None without a judge, where none are tried, or where no answer is known to be wrong.

        Raises:
            ConfigError: There is no such model.
        """
        told = self.judge
        if told is None:
            return None
        some = list(islice((one for one in problems if one.reference is not None), told.audit))
        return wait_for(_audit(told, some))


async def _audit(told: _Judge, problems: Sequence[Problem]) -> JudgeAudit | None:
    replies = await known_answers(problems)
    if not replies:
        return None
    async with Engines() as engines:
        return await ajudge_audit(_judge(told, engines), replies)


def _reward(name: str, told: _Paid, engines: Engines, starts: Sequence[PromptRow]) -> Reward:
    match told:
        case _Grader():
            grader = None if told.kind is None else grader_named(told.kind)
            return OutcomeReward(told.right, told.wrong, told.partial, grader)
        case _Format():
            return FormatReward(told.kept, told.lost, told.coat)
        case _Overlong():
            return OverlongPenalty(told.limit, told.cache)
        case _Reflection():
            return Starts(list(starts), {}).bonus(beta=told.beta)
        case _Agreement():
            return AgreementReward(told.agrees, told.disagrees)
        case _Model():
            return _rated(name, told, engines)
        case _Judge():
            return _judge(told, engines)
        case _:
            return LengthReward()


def _rated(name: str, told: _Model, engines: Engines) -> ModelReward:
    engine = engines.open(told.model)
    kind = name.removesuffix("_model")
    if engine.info.rates not in (None, kind):  # None: ModelReward says what to do
        raise ConfigError(
            f"{told.model} is a reward model of another kind: give it as "
            f"rewards.{engine.info.rates}_model"
        )
    return ModelReward(Verifier(model=told.model, name=name), engine)


def _judge(told: _Judge, engines: Engines) -> Reward:
    verifier = Verifier(
        model=told.model,
        name="judge",
        base_url=told.base_url,
        adapter=told.adapter,
        temperature=told.temperature,
        max_tokens=told.max_tokens,
        examples=0,
    )
    judge = JudgeReward(verifier, engines.open(told.model, base_url=told.base_url), told.samples)
    return Gated(FormatReward(), judge) if told.gated else judge
